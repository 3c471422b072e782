"""Whether files that prices were read from are still the same."""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["have_changed", "signature", "state_of"]

_YOUNG_S: Final = 0.1
"""A file that is as young as this may change again within the same tick of its file system."""


def state_of(paths: Iterable[str], read_since: float) -> tuple[tuple[str, str], ...]:
    """Return each path with what tells its content from another.

    A file that changed while it was read, or just before, is of unknown state, which a look at it
    later will not find again: it counts as changed once more.

    Args:
        paths: Absolute paths.
        read_since: When reading began, by the machine's own clock as file systems use it.
    """
    return tuple((path, _state(Path(path), read_since - _YOUNG_S)) for path in sorted(set(paths)))


def have_changed(files: Iterable[tuple[str, str]]) -> bool:
    """Say whether one of some files is not as it was."""
    return any(_state(Path(path), time.time()) != state for path, state in files)


def signature(paths: Iterable[str]) -> str:
    """Return a text that changes when one of some files changes, appears or goes.

    Unlike ``state_of`` it takes files that have just changed as they are.
    """
    return repr([(path, _state(Path(path), math.inf)) for path in sorted(set(paths))])


def _state(path: Path, read_since: float) -> str:
    try:
        found = path.stat()
    except OSError:
        return "missing"
    if found.st_mtime > read_since:
        return "unknown"
    return f"{found.st_mtime_ns}:{found.st_size}:{found.st_ino}"
