"""Since when nothing happens on the node: no job, nobody logged in."""

from __future__ import annotations

import os
import time

from . import files, procs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable

    from .loop import Loop

SAMPLE_S = 30.0

_PTS_MAJORS = range(136, 144)
_MULTIPLEXERS = ("tmux", "screen", "SCREEN")


def has_login() -> bool:
    """Return whether a shell of this home runs on a terminal.

    One that a terminal multiplexer keeps without anybody attached does not count.
    """
    processes = procs.everything()
    names = {process.pid: process.name for process in processes}
    home = b"\0HOME=" + os.fsencode(files.home()) + b"\0"
    return any(
        process.tty >> 8 & 0xFFF in _PTS_MAJORS
        and process.pid == process.session
        and not names.get(process.parent, "").startswith(_MULTIPLEXERS)
        and home in b"\0" + procs.environ(process.pid) + b"\0"
        for process in processes
    )


class IdleClock:
    """Measures idleness by looking now and then.

    Args:
        loop: Where it waits.
        is_busy: Returns whether a job waits or runs.
    """

    def __init__(self, loop: Loop, is_busy: Callable[[], bool]) -> None:
        self._loop, self._is_busy = loop, is_busy
        self._active_at = time.monotonic()
        self._sample()

    def touch(self) -> None:
        """Note that something just happened."""
        self._active_at = time.monotonic()

    def idle_s(self) -> float:
        """Return for how many seconds nothing has happened."""
        if self._is_busy() or has_login():
            self.touch()
        return time.monotonic() - self._active_at

    def _sample(self) -> None:
        self._loop.later(SAMPLE_S, self._sample)
        self._loop.later(0, lambda: None if self._is_busy() else self._look())

    def _look(self) -> None:
        if has_login():
            self.touch()
