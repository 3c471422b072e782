"""Time of a trial: one file, shared by the cloud and every command, that nobody ever waits for."""

from __future__ import annotations

import fcntl
import mmap
import os
import time
from typing import TYPE_CHECKING

from clouds.clock import SharedClock

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

__all__ = ["JumpClock"]

_WIDTH = 32


class JumpClock(SharedClock):
    """A ``SharedClock`` that stands still but for sleeping, which moves time on to when one wakes.

    Two threads that sleep 10 s side by side take 10 s together, as they really would. How fast or
    loaded the machine is changes nothing: a trial is the same each time.

    Args:
        path: The file.
        on_jump: Called after each sleep, with the time: what was due by then happens.
    """

    def __init__(self, path: Path, on_jump: Callable[[float], object] | None = None) -> None:
        super().__init__(path)
        self._on_jump = on_jump

    def now(self) -> float:
        """Return seconds since the epoch."""
        return float(self.path.read_bytes() or b"0")

    def monotonic(self) -> float:
        """Return the same: it never goes back."""
        return self.now()

    def begin_at(self, at: float) -> None:
        """Let it be a time, also one that was before: only before anything has happened."""
        self.path.write_text(f"{at:<{_WIDTH}.6f}")

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self.reach(self.now() + seconds)
        if self._on_jump is not None:
            self._on_jump(self.now())
        time.sleep(0)  # whoever waits for this thread's lock gets a turn

    def advance(self, seconds: float) -> None:
        """Let time pass for everybody, at once."""
        self.reach(self.now() + seconds)

    def reach(self, at: float) -> None:
        """Move on to a time, unless it is that late already.

        The file is changed in memory: time passes for those as well who cannot write to files.
        """
        fd = os.open(self.path, os.O_RDWR)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)
            with mmap.mmap(fd, _WIDTH) as page:
                page[:] = f"{max(float(page[:]), at):<{_WIDTH}.6f}".encode()
        finally:
            os.close(fd)
