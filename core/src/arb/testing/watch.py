"""The clock of one call whose backend hangs."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from arb.types import Clock

__all__ = ["Watch"]


class Watch:
    """A clock that goes on from another one: by real time, and by what was slept on it.

    Real time passes while a server does not answer, also for a test whose clock stands still; a
    backend in memory sleeps instead. Sleeping takes no real time, and no other clock sees it.

    Args:
        clock: Where it begins.
    """

    def __init__(self, clock: Clock) -> None:
        self._now = clock.now()
        self._monotonic = clock.monotonic()
        self._begun = time.monotonic()
        self._slept = 0.0

    def elapsed_s(self) -> float:
        """Return for how long it has been going."""
        return time.monotonic() - self._begun + self._slept

    def now(self) -> float:
        """Return seconds since the epoch."""
        return self._now + self.elapsed_s()

    def monotonic(self) -> float:
        """Return seconds that never go back."""
        return self._monotonic + self.elapsed_s()

    def sleep(self, seconds: float) -> None:
        """Let time pass at once."""
        self._slept += max(0.0, seconds)
