"""Standard output belongs to the command: what a plugin prints there would break ``--json``."""

from __future__ import annotations

import sys
import threading
from typing import TYPE_CHECKING, Any, Final, TextIO

if TYPE_CHECKING:
    from types import FrameType

__all__ = ["Silence"]

_lock: Final = threading.Lock()
_local: Final = threading.local()
_users = 0


class Silence:
    """While it is entered, what the current thread writes to ``sys.stdout`` is dropped.

    Attributes:
        printed_by: The frame that wrote first; None when nothing was written.
    """

    def __init__(self) -> None:
        self.printed_by: FrameType | None = None

    def __enter__(self) -> None:
        """Start dropping."""
        _local.silence = self
        _install()

    def __exit__(self, *error: object) -> None:
        """Stop dropping."""
        _local.silence = None
        _remove()


class _Guard:
    """Stands in for ``sys.stdout`` while plugins run; other threads write through it."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream

    def write(self, text: str) -> int:
        silence: Silence | None = getattr(_local, "silence", None)
        if silence is None:
            return self.stream.write(text)
        if silence.printed_by is None:
            silence.printed_by = sys._getframe(1)  # noqa: SLF001 - the documented way
        return len(text)

    def writelines(self, lines: Any) -> None:
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)


def _install() -> None:
    global _users  # noqa: PLW0603 - there is one sys.stdout
    with _lock:
        _users += 1
        if not isinstance(sys.stdout, _Guard):
            sys.stdout = _Guard(sys.stdout)


def _remove() -> None:
    """Give ``sys.stdout`` back when the last call ended; a hung one keeps the guard in place."""
    global _users  # noqa: PLW0603 - as above
    with _lock:
        _users -= 1
        if _users == 0 and isinstance(sys.stdout, _Guard):
            sys.stdout = sys.stdout.stream
