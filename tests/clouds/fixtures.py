"""One pytest fixture for each simulated cloud. Import those that a test wants in its conftest."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from clouds.clock import SharedClock
from clouds.http import CloudServer
from clouds.nodes import PaperNodes
from clouds.spheron import Spheron

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["paper_spheron", "spheron"]


@pytest.fixture
def spheron(tmp_path: Path) -> Iterator[Spheron]:
    """A simulated Spheron of real nodes; ``.url`` is where it is."""
    server = CloudServer(Spheron(tmp_path / "spheron"))
    yield server.cloud
    server.close()


@pytest.fixture
def paper_spheron(tmp_path: Path) -> Iterator[Spheron]:
    """The same, whose machines are on paper: nobody can log in. Sleeping on its clock costs no time."""
    clock = SharedClock(tmp_path / "clock", sleep_s=0)
    server = CloudServer(Spheron(tmp_path / "spheron", clock=clock, nodes=PaperNodes()))
    yield server.cloud
    server.close()
