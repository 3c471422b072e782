from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from arb.testing import FakeClock

if TYPE_CHECKING:
    from arb.types import Clock


def test_time_passes_only_when_it_is_told_to() -> None:
    clock: Clock = FakeClock(start=1000)
    assert (clock.now(), clock.monotonic()) == (1000, 0)

    clock.sleep(2.5)

    assert (clock.now(), clock.monotonic()) == (1002.5, 2.5)


def test_sleeps_are_noted_and_advances_are_not() -> None:
    clock = FakeClock()
    clock.sleep(1)
    clock.advance(10)
    clock.sleep(2)

    assert clock.sleeps == [1, 2]
    assert clock.monotonic() == 13


@pytest.mark.parametrize("seconds", [-1, -0.001])
def test_time_does_not_go_back(seconds: float) -> None:
    clock = FakeClock()

    with pytest.raises(ValueError, match="back"):
        clock.advance(seconds)
    with pytest.raises(ValueError, match="back"):
        clock.sleep(seconds)
    assert clock.sleeps == []


def test_a_wall_clock_that_is_set_leaves_monotonic_time_alone() -> None:
    clock = FakeClock(start=1000)
    clock.advance(5)

    clock.set_wall(500)
    clock.advance(1)

    assert (clock.now(), clock.monotonic()) == (501, 6)


def test_threads_add_their_time_up() -> None:
    clock = FakeClock()

    def work() -> None:
        for _ in range(100):
            clock.sleep(1)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert clock.monotonic() == 400
    assert len(clock.sleeps) == 400
