"""Files that several processes share: whole or not at all, one writer at a time."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = [
    "is_locked",
    "locked",
    "make_private",
    "read_json",
    "remove_tree",
    "try_lock",
    "write_json",
]

_REMOVALS = 20
_REMOVE_AGAIN_S = 0.01


def make_private(path: Path) -> Path:
    """Make a folder, parents included, that the user alone can enter."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    return path


def remove_tree(path: Path) -> None:
    """Remove a folder with all that is in it, folders that are read-only included.

    Only a folder: a link, or a file that the system put there, is left alone.

    It is tried again while something is left: what was killed a moment ago may still end a write, and
    somebody else may be removing it too. What cannot be removed at all stays.
    """
    if path.is_symlink() or not path.is_dir():
        return
    for _ in range(_REMOVALS):
        shutil.rmtree(path, ignore_errors=True)
        if not path.exists():
            return
        _open_folders(path)
        time.sleep(_REMOVE_AGAIN_S)


def _open_folders(path: Path) -> None:
    """Let the owner change every folder below one: package managers make theirs read-only."""
    with contextlib.suppress(OSError):  # another user's, or removed meanwhile
        path.chmod(0o700)
    with contextlib.suppress(OSError):
        for entry in tuple(path.iterdir()):
            if entry.is_dir() and not entry.is_symlink():
                _open_folders(entry)


def write_json(path: Path, document: Any) -> None:
    """Replace a file; a reader sees the old or the new one, never a part."""
    write_text(path, json.dumps(document))


def write_text(path: Path, text: str, mode: int = 0o600) -> None:
    """Replace a text file as ``write_json`` does."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.{time.monotonic_ns()}")
    fd = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(fd, "w", encoding="utf-8") as file:
        file.write(text)
    partial.chmod(mode)
    partial.replace(path)


def read_json(path: Path) -> Any:
    """Return a file's document, or None when there is none."""
    try:
        return json.loads(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        return None


def try_lock(path: Path) -> int | None:
    """Take a lock that lives as long as the returned descriptor or a copy of it in any process.

    Returns:
        The descriptor, or None when somebody holds the lock.

    Raises:
        FileNotFoundError: The folder is gone.
    """
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(fd)
        return None
    return fd


def is_locked(path: Path) -> bool:
    """Say whether somebody holds the lock. A shared probe never keeps another probe out."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a lock for a short while, waiting for it. Works between threads and processes."""
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)
