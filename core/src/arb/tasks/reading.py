"""Reading files that a user names: regular ones, and pipes such as ``<(make-task)`` gives."""

from __future__ import annotations

import os
import select
import stat
from pathlib import Path
from typing import Final

__all__ = ["is_task_file", "read_file"]

_SUFFIXES: Final = (".yaml", ".yml")
_PIPES: Final = ("/dev/fd/", "/proc/self/fd/", "/dev/stdin")
_PATIENCE_S: Final = 10.0
"""For so long somebody may take to write into a pipe."""
_CHUNK: Final = 65536
_DRAINED: Final[dict[tuple[int, int], bytes]] = {}
"""What was in pipes, by device and number: a pipe can be read only once."""


def is_task_file(word: str) -> bool:
    """Say whether a word of a command line is a task file, not a command to run.

    It ends like one, or it is a pipe: nobody runs those.
    """
    if word.endswith(_SUFFIXES) or word.startswith(_PIPES):
        return True
    try:
        return stat.S_ISFIFO(Path(word).stat().st_mode)
    except (OSError, ValueError):
        return False


def read_file(path: Path, most_bytes: int) -> bytes:
    """Read a file, or a pipe that somebody writes into; one byte more than ``most_bytes`` at most.

    What a pipe held is remembered for as long as the process runs.

    Raises:
        OSError: It cannot be read; ``TimeoutError`` when nobody writes into a pipe.
    """
    found = path.stat()
    if not stat.S_ISFIFO(found.st_mode):
        with path.open("rb") as file:
            return file.read(most_bytes + 1)
    key = (found.st_dev, found.st_ino)
    if key not in _DRAINED:
        _DRAINED[key] = _drain(path, most_bytes + 1)
    return _DRAINED[key]


def _drain(path: Path, most: int) -> bytes:
    # Opened like this it waits for no writer; the first byte is waited for below.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        return _read_pipe(descriptor, most)
    finally:
        os.close(descriptor)


def _read_pipe(descriptor: int, most: int) -> bytes:
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    if not poll.poll(_PATIENCE_S * 1000):
        raise TimeoutError(0, f"nobody has written into this pipe for {_PATIENCE_S:g} s")
    data = b""
    while len(data) < most:
        poll.poll()
        chunk = os.read(descriptor, min(_CHUNK, most - len(data)))
        if not chunk:
            break
        data += chunk
    return data
