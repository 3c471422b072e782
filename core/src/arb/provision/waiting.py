"""Waits that stop when they are no longer wanted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from arb.types import Clock

__all__ = ["pause"]

_LOOK_S: Final = 5.0


def pause(clock: Clock, seconds: float, check: Callable[[], None]) -> None:
    """Wait, and look every few seconds whether it still makes sense.

    The time that a machine sleeps counts, which some clocks leave out.

    Args:
        clock: Time.
        seconds: How long.
        check: What it raises ends the wait.
    """
    end, end_of_day = clock.monotonic() + seconds, clock.now() + seconds
    while (left := min(end - clock.monotonic(), end_of_day - clock.now())) > 0:
        clock.sleep(min(left, _LOOK_S))
        check()
