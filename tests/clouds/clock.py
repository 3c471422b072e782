"""Time that a test, a simulated cloud and commands in other processes share, and can push on."""

from __future__ import annotations

import fcntl
import os
import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["SharedClock"]


class SharedClock:
    """``arb.types.Clock``: the machine's own time plus an offset that is kept in a file.

    Args:
        path: The file; made when it is missing. Who opens the same file has the same time.
        sleep_s: With a number, ``sleep`` on the main thread waits for so long at most and lets the
            rest of the time pass at once, for everybody. Other threads sleep as long as they say:
            what waits in the background (to renew a lease, for instance) does not drive time.
        drivers: How names of other threads begin that drive time as well, side by side.
    """

    def __init__(
        self, path: Path, *, sleep_s: float | None = None, drivers: tuple[str, ...] = ()
    ) -> None:
        self.path = path
        self.sleep_s = sleep_s
        self.drivers = drivers
        path.touch()

    def now(self) -> float:
        """Return seconds since the epoch."""
        return time.time() + self.offset_s()

    def monotonic(self) -> float:
        """Return seconds that never go back."""
        return time.monotonic() + self.offset_s()

    def sleep(self, seconds: float) -> None:
        """Wait, or let time pass."""
        if self.sleep_s is None or seconds <= self.sleep_s or not self._is_driver():
            time.sleep(seconds)
            return
        until = self.now() + seconds
        time.sleep(self.sleep_s)
        self.advance(max(0.0, until - self.now()))

    def advance(self, seconds: float) -> None:
        """Let time pass for everybody, at once.

        Raises:
            ValueError: ``seconds`` is negative: time does not go back.
        """
        if seconds < 0:
            raise ValueError("time does not go back")
        fd = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)
            offset = float(os.pread(fd, 64, 0) or b"0") + seconds
            os.pwrite(fd, f"{offset:<32.6f}".encode(), 0)  # one width: a reader sees old or new
        finally:
            os.close(fd)

    def _is_driver(self) -> bool:
        thread = threading.current_thread()
        return thread is threading.main_thread() or (
            bool(self.drivers) and thread.name.startswith(self.drivers)
        )

    def offset_s(self) -> float:
        """Return how far this clock is ahead of the machine's."""
        return float(self.path.read_bytes() or b"0")
