"""Numbers by name, and what a new state knows of the one before it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest

from arb.state.marks import BORN, STATE_LOST, get_mark, set_mark
from arb.state.store import open_store
from arb.testing import FakeClock

if TYPE_CHECKING:
    from pathlib import Path


def test_a_mark_is_what_was_set_last(tmp_path: Path) -> None:
    with open_store(f"sqlite:///{tmp_path}/state.db") as store:
        assert get_mark(store, "read") == 0
        for value in (7, 3):
            with store.write() as tx:
                set_mark(tx, "read", value)
        assert get_mark(store, "read") == 3


@pytest.mark.parametrize("lost", [False, True])
def test_a_new_state_knows_when_it_was_made_and_whether_one_was_lost(
    tmp_path: Path, lost: bool
) -> None:
    clock = FakeClock()
    url = f"sqlite:///{tmp_path}/state.db"
    if lost:
        with open_store(url, clock=clock) as store:
            owner = store.owner()
        for path in tmp_path.glob("state.db*"):
            if path.name != "state.db.owner":
                path.unlink()
        clock.advance(1000.5)

    with open_store(url, clock=clock) as store:
        assert get_mark(store, BORN) == math.ceil(clock.now())
        assert get_mark(store, STATE_LOST) == lost
        assert not lost or store.owner() == owner
    clock.advance(50)
    with open_store(url, clock=clock) as store:
        assert get_mark(store, BORN) == math.ceil(clock.now() - 50)
