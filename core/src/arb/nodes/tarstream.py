"""Writes entries as a tar stream that GNU tar and busybox read, names of any bytes included."""

from __future__ import annotations

import os
import stat
import tarfile
from typing import TYPE_CHECKING, BinaryIO, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from arb.nodes.tree import Entry

__all__ = ["TarWriter", "is_racy", "open_file"]

CHUNK_BYTES: Final = 256 * 1024
BLOCK_BYTES: Final = 512
CLOCK_GRAIN_S: Final = 0.05

TYPES: Final = {
    stat.S_IFREG: tarfile.REGTYPE,
    stat.S_IFDIR: tarfile.DIRTYPE,
    stat.S_IFLNK: tarfile.SYMTYPE,
}


def is_racy(entry: Entry, now: float) -> bool:
    """Say whether a file may be written again within the second that its time names.

    With the same size too, it would look unchanged to the next upload. So it is sent with a time
    one second less, and sent again next time.

    Args:
        entry: What is sent.
        now: When its size was read, seconds since the epoch.
    """
    return stat.S_ISREG(entry.mode) and int(entry.mtime) >= int(now - CLOCK_GRAIN_S)


class TarWriter:
    """Turns entries into bytes for ``send``, in pieces of 256 KiB and more.

    Attributes:
        unreadable: Names of files that could not be opened; they are left out.
        changed: Names of files that changed after they were listed. What is sent of them is of
            several moments, or filled with zeros; the next upload sends them again.
    """

    def __init__(self, send: Callable[[bytes], None]) -> None:
        self.unreadable: list[str] = []
        self.changed: list[str] = []
        self._send = send
        self._buffer = bytearray()

    def write(self, entries: Iterable[Entry], now: float, mode: int | None = None) -> None:
        """Send all entries and the end of the archive.

        Args:
            entries: In this order.
            now: When their sizes were read, seconds since the epoch.
            mode: Permissions of all files, instead of their own.
        """
        for entry in entries:
            if stat.S_ISREG(entry.mode):
                self._file(entry, now, mode)
            else:
                self._put(_header(entry, int(entry.mtime), None))
        self._put(bytes(2 * BLOCK_BYTES))
        self._flush()

    def _file(self, entry: Entry, now: float, mode: int | None) -> None:
        try:
            file = open_file(entry.path)
        except FileNotFoundError:
            return  # removed since it was listed
        except OSError:
            self.unreadable.append(entry.name)
            return
        if file is None:
            self.changed.append(entry.name)
            return
        with file:
            self._put(_header(entry, int(entry.mtime) - is_racy(entry, now), mode))
            missing = self._content(file, entry)
            after = os.fstat(file.fileno())
        if (after.st_size, after.st_mtime) != (entry.size, entry.mtime):
            self.changed.append(entry.name)
        self._zeros(missing)
        self._zeros(-entry.size % BLOCK_BYTES)

    def _content(self, file: BinaryIO, entry: Entry) -> int:
        """Send a file's bytes, no more than its header says; return how many are missing."""
        left = entry.size
        while left:
            try:
                data = file.read(min(left, CHUNK_BYTES))
            except OSError:
                return left
            if not data:
                break
            self._put(data)
            left -= len(data)
        return left

    def _zeros(self, count: int) -> None:
        while count:
            part = min(count, CHUNK_BYTES)
            self._put(bytes(part))
            count -= part

    def _put(self, data: bytes) -> None:
        self._buffer += data
        if len(self._buffer) >= CHUNK_BYTES:
            self._flush()

    def _flush(self) -> None:
        data = bytes(self._buffer)
        self._buffer.clear()
        self._send(data)


def open_file(path: str) -> BinaryIO | None:
    """Open a file to read it; None when something else took its place. A pipe is not waited for.

    Raises:
        OSError: It cannot be opened.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        return os.fdopen(descriptor, "rb")
    os.close(descriptor)
    return None


def _header(entry: Entry, mtime: int, mode: int | None) -> bytes:
    info = tarfile.TarInfo(entry.name)
    info.type = TYPES[stat.S_IFMT(entry.mode)]
    info.mode = stat.S_IMODE(entry.mode) if mode is None else mode
    info.size = entry.size
    info.mtime = mtime
    info.linkname = entry.target
    # The user's, here and there; nobody's names mean anything on the node.
    return info.tobuf(tarfile.GNU_FORMAT, "utf-8", "surrogateescape")
