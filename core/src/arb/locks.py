"""A lock between the processes of one machine: a file that one of them has locked.

It ends with its process, so nothing is left to clean up. A process that was stopped keeps it; so
nobody waits for ever.
"""

from __future__ import annotations

import fcntl
import os
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final

from arb.errors import StateError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["locked"]

_POLL_S: Final = 0.01


@contextmanager
def locked(path: Path, doing: str, *, wait_s: float) -> Iterator[None]:
    """Hold a lock for a block. It works between threads too, and does not nest.

    Args:
        path: The lock file, made when it is missing (0600); its folder exists.
        doing: What its holders do, for the message: ``writing prices``.
        wait_s: How long to wait for the present holder, in seconds.

    Raises:
        StateError: Somebody still holds it after that (``file-locked``).
        OSError: The file cannot be made or opened.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        _take(descriptor, doing, wait_s)
        yield
    finally:
        os.close(descriptor)


def _take(descriptor: int, doing: str, wait_s: float) -> None:
    deadline = time.monotonic() + wait_s
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                raise _held(descriptor, doing, wait_s) from None
            time.sleep(_POLL_S)
        else:
            break
    with suppress(OSError):  # for messages only: a full disk is no reason to stop here
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, b"%d\n" % os.getpid(), 0)


def _held(descriptor: int, doing: str, wait_s: float) -> StateError:
    text = os.pread(descriptor, 32, 0).decode("ascii", "replace").strip()
    who = f"process {text}" if text.isdecimal() else "another arb process"
    return StateError(
        f"{who} has been {doing} for {wait_s:g} s",
        code="file-locked",
        hint="it may have been stopped: end it, or let it go on, and run the command again",
    )
