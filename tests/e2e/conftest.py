"""A fresh ``ARB_HOME`` for each test, which must be empty again at its end."""

from __future__ import annotations

import contextlib
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
    with fresh_home() as command:
        yield command


@contextlib.contextmanager
def fresh_home() -> Iterator[Arb]:
    """Make a home for the block, which must be empty again at its end."""
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


@pytest.fixture(scope="module")
def warm() -> Iterator[Arb]:
    """A home with a cluster ``train`` of two nodes, shared by tests that leave it as it is.

    Its job 1 ended with the code 42 on both.
    """
    with fresh_home() as command:
        two = ("--infra", "local", "--num-nodes", "2")
        command("launch", "-c", "train", *two, "sleep 0.2; exit 42", code=42)
        yield command
