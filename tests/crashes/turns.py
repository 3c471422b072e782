"""Threads of a command take turns, so that a trial is the same each time."""

from __future__ import annotations

import threading
from typing import Final

__all__ = ["take_turns"]

_BESIDE: Final = ("lease ", "progress")
"""How names of threads begin that run until they are told to stop."""


def take_turns() -> None:
    """Let whoever starts a thread wait for its end, in this process.

    Many orders at once then come one after another, always in the same order. Threads that live as
    long as the command are left alone: they only wait.
    """
    start = threading.Thread.start

    def start_and_wait(thread: threading.Thread) -> None:
        start(thread)
        if not thread.name.startswith(_BESIDE):
            thread.join()

    threading.Thread.start = start_and_wait  # type: ignore[method-assign]
