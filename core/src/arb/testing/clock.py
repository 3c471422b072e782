"""A clock that tests move."""

from __future__ import annotations

import threading

__all__ = ["FakeClock"]


class FakeClock:
    """``arb.types.Clock`` whose time passes only in ``sleep`` and ``advance``.

    Safe to share between threads.

    Args:
        start: What ``now`` says at first, in seconds since the epoch.
    """

    def __init__(self, start: float = 1_750_000_000.0) -> None:
        self._lock = threading.Lock()
        self._start = start
        self._passed = 0.0
        self.sleeps: list[float] = []
        """Every sleep so far, in seconds."""

    def now(self) -> float:
        """Return seconds since the epoch."""
        return self._start + self._passed

    def monotonic(self) -> float:
        """Return seconds since this clock was made."""
        return self._passed

    def sleep(self, seconds: float) -> None:
        """Let time pass at once, and note how much.

        Raises:
            ValueError: ``seconds`` is negative, as for ``time.sleep``.
        """
        self.advance(seconds)
        self.sleeps.append(seconds)

    def advance(self, seconds: float) -> None:
        """Let time pass.

        Raises:
            ValueError: ``seconds`` is negative: monotonic time never goes back.
        """
        if seconds < 0:
            raise ValueError("time does not go back")
        with self._lock:
            self._passed += seconds

    def set_wall(self, now: float) -> None:
        """Set the wall clock, as an administrator does: ``monotonic`` does not notice."""
        with self._lock:
            self._start = now - self._passed
