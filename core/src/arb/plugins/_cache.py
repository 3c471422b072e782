"""The cache file of the plugin table: one a interpreter, valid while ``sys.path`` looks the same.

It must never show a plugin that is gone or hide one that is there, so it is stored only when what
it was read from has been still for a while: pip makes a ``dist-info`` folder first and writes its
``entry_points.txt`` later, and a file system may count time in whole seconds.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
from binascii import crc32
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["cache_file", "path_key", "read", "write"]

_FORMAT: Final = 1
_STILL_S: Final = 2.0
"""Age under which a folder may still be changing without its time showing it."""

Key = list[list[Any]]
"""``[path, mtime in ns, number of dist-info folders]`` for every ``sys.path`` entry.

The time is the newest of the folder's own and of the entry points in its ``egg-info`` folders, which
are written to in place.
"""
Rows = list[list[str]]


def path_key() -> Key:
    """Describe what is importable now: the cache is valid for exactly this."""
    return [_describe(os.path.abspath(entry)) for entry in sys.path]  # noqa: PTH100 - 10 x faster


def cache_file(cache_dir: Path) -> str:
    """Return the path of this interpreter's file."""
    tag = sys.implementation.cache_tag or sys.implementation.name
    identity = crc32("\0".join((sys.prefix, sys.executable or "")).encode())
    return os.path.join(cache_dir, f"plugins-{tag}-{identity:08x}.json")  # noqa: PTH118


def read(cache_dir: Path, key: Key) -> tuple[Rows, Rows] | None:
    """Return the rows of entries and of broken distributions, or None when they must be read anew.

    A file that is missing, damaged, or of another version is the same as none.
    """
    try:
        with open(cache_file(cache_dir), encoding="utf-8") as file:  # noqa: PTH123 - as above
            stored = json.load(file)
        if stored["format"] != _FORMAT or stored["prefix"] != sys.prefix or stored["key"] != key:
            return None
        return _checked(stored["entries"], 6), _checked(stored["broken"], 2)
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None


def write(cache_dir: Path, key: Key, entries: Rows, broken: Rows) -> None:
    """Store rows that were read while ``sys.path`` looked like ``key``, if it still does.

    A cache folder that cannot be written to only costs time.
    """
    if _is_moving(key) or path_key() != key:
        return
    document = {
        "format": _FORMAT,
        "prefix": sys.prefix,
        "key": key,
        "entries": entries,
        "broken": broken,
    }
    target = cache_file(cache_dir)
    temporary = f"{target}.{os.getpid()}.tmp"
    try:
        os.makedirs(cache_dir, mode=0o700, exist_ok=True)  # noqa: PTH103 - as above
        with open(temporary, "w", encoding="utf-8") as file:  # noqa: PTH123
            json.dump(document, file)
        os.replace(temporary, target)  # noqa: PTH105
    except OSError:
        with contextlib.suppress(OSError):
            os.unlink(temporary)  # noqa: PTH108


def _describe(path: str) -> list[Any]:
    """Return one line of the key. What cannot be read is described as such."""
    mtime = _mtime_ns(path)
    if not mtime:
        return [path, 0, -1]
    try:
        names = os.listdir(path)  # noqa: PTH208
    except OSError:  # a zip file
        return [path, mtime, 0]
    eggs = (f"{path}/{name}/entry_points.txt" for name in names if name.endswith(".egg-info"))
    newest = max([mtime, *map(_mtime_ns, eggs)])
    return [path, newest, sum(name.endswith(".dist-info") for name in names)]


def _mtime_ns(path: str) -> int:
    """Return when something was changed last; 0 when it is not there."""
    try:
        return os.stat(path).st_mtime_ns  # noqa: PTH116
    except OSError:
        return 0


def _is_moving(key: Key) -> bool:
    """Say whether something changed so recently that another change might look the same."""
    newest = max((mtime for _, mtime, _ in key), default=0)
    return bool(time.time() - newest / 1e9 < _STILL_S)


def _checked(rows: Any, width: int) -> Rows:
    """Return rows that have the right shape.

    Raises:
        ValueError: They do not.
    """
    for row in rows:
        if len(row) != width or not all(isinstance(cell, str) for cell in row):
            raise ValueError(row)
    return list(rows)
