"""A fresh ``ARB_HOME`` for each test, which must be empty again at its end."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.command import Arb, eventually

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def arb() -> Iterator[Arb]:
    """A fresh home; whatever is left at the end is taken down, and must then be gone."""
    root = Path(tempfile.mkdtemp(prefix="arb-e2e-"))
    command = Arb(root)
    yield command
    command.close()
    command("down", "--all", "--yes")
    left = eventually(
        lambda: [] if command.node_processes() else [True], what="processes left on nodes"
    )
    assert left
    assert command.machine_folders() == []
    shutil.rmtree(root)
