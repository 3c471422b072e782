"""What belongs to the whole process: an import of a plugin leaves it as it was.

A working directory that changed would have another folder copied to the nodes; a log handler would
write into ``--json``. Imports run side by side, so who changed something is not always certain.
"""

from __future__ import annotations

import os
import sys
import threading
import warnings
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    import logging
    from collections.abc import Iterator

__all__ = ["Surroundings"]

_WARNING: Final = 30


class _Settings(NamedTuple):
    folder: str
    recursion: int
    handlers: list[logging.Handler]
    level: int
    filters: list[Any]


class Surroundings:
    """Keeps the settings of the process while plugins are imported. Safe to use from threads."""

    def __init__(self) -> None:
        self._lock: Final = threading.Lock()
        self._inside: Final[list[str]] = []
        self._before = _now()

    def enter(self, who: str) -> None:
        """Note that an import begins."""
        with self._lock:
            if not self._inside:
                self._before = _now()
            self._inside.append(who)

    def leave(self, who: str) -> str:
        """Put back what changed, and say what that was; empty when it was nothing.

        Args:
            who: As for ``enter``; whoever else is inside may have done it, and is named.
        """
        with self._lock:
            self._inside.remove(who)
            changed = ", ".join(_put_back(self._before))
            others = ", ".join(dict.fromkeys(self._inside))
        doubt = f" (or that was {others})" if others else ""
        return f"{changed}{doubt}" if changed else ""


def _now() -> _Settings:
    try:
        folder = os.getcwd()  # noqa: PTH109 - half the cost
    except OSError:  # it was removed
        folder = ""
    # Costly to import and mostly not needed; and another thread may be importing it right now.
    root = getattr(sys.modules.get("logging"), "root", None)
    handlers, level = (root.handlers[:], root.level) if root else ([], _WARNING)
    return _Settings(folder, sys.getrecursionlimit(), handlers, level, list(warnings.filters))


def _put_back(before: _Settings) -> Iterator[str]:
    """Put settings back where they hurt; yield the name of each."""
    now = _now()
    if before.folder and now.folder != before.folder:
        os.chdir(before.folder)
        yield "the working directory"
    if now.recursion < before.recursion:
        sys.setrecursionlimit(before.recursion)
        yield "the recursion limit"
    if (now.handlers, now.level) != (before.handlers, before.level):
        root = sys.modules["logging"].root
        root.handlers[:] = before.handlers
        root.setLevel(before.level)
        yield "the logging of the process"
    if stricter := [f for f in now.filters if f[0] == "error" and f not in before.filters]:
        kept = [f for f in now.filters if f not in stricter]
        warnings.filters[:] = kept  # type: ignore[index]
        yield "the filter of warnings"
