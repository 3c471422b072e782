from __future__ import annotations

import threading
from typing import Any

import pytest
from tests.support.sellers import ROW, Street


@pytest.fixture
def row() -> dict[str, Any]:
    """One row of a catalog as ``arb_catalog`` documents it."""
    return dict(ROW)


@pytest.fixture
def street(tmp_path):
    folder = tmp_path / "cache"
    folder.mkdir()
    made = Street(folder)
    yield made
    made.close()


@pytest.fixture
def gate():
    """Hanging providers wait for it; the end of the test opens it."""
    made = threading.Event()
    yield made
    made.set()
    for thread in threading.enumerate():
        if thread.name.startswith("arb-plugin:"):
            thread.join(10)


@pytest.fixture
def short_deadline(monkeypatch) -> float:
    """Make catalogs that hang be given up soon."""
    from arb.plugins.budgets import BUDGETS_S

    monkeypatch.setitem(BUDGETS_S, "arb_catalog", 0.3)
    return 0.3
