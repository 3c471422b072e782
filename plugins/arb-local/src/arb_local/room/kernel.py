"""The two things that Linux does for an init and Python has no function for."""

from __future__ import annotations

import signal
import sys
from typing import Final

__all__ = ["become_subreaper", "die_with_parent", "set_name"]

_PR_SET_PDEATHSIG: Final = 1
_PR_SET_NAME: Final = 15
_PR_SET_CHILD_SUBREAPER: Final = 36


def become_subreaper() -> None:
    """Adopt every orphan among this process's descendants. Does nothing where it is unknown."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def die_with_parent() -> None:
    """Have the kernel kill this process when its parent ends."""
    _prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL))


def set_name(name: str) -> None:
    """Set the name that ``ps`` and ``top`` show, 15 bytes at most."""
    import ctypes

    buffer = ctypes.create_string_buffer(name.encode()[:15])
    _prctl(_PR_SET_NAME, ctypes.addressof(buffer))


def _prctl(option: int, argument: int) -> None:
    if not sys.platform.startswith("linux"):
        return
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    unused = ctypes.c_ulong(0)
    libc.prctl(option, ctypes.c_ulong(argument), unused, unused, unused)
