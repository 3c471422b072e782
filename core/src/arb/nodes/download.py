"""Copies files and folders from a node: one tar stream, unpacked without trusting it."""

from __future__ import annotations

import contextlib
import os
import shutil
import tarfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING, Final, cast

from arb.errors import NodeError
from arb.nodes.remote import remote_word, sh

if TYPE_CHECKING:
    from collections.abc import Callable

    from arb.nodes.channel import SshChannel
    from arb.nodes.ssh import SshNode

__all__ = ["DownloadReport", "download"]

CHUNK_BYTES: Final = 256 * 1024

SEND: Final = """
if [ -d {path} ]; then echo folder; cd -- {path} && exec tar -cf - .; exit 1; fi
if [ -e {path} ]; then echo file; cd -- {folder} && exec tar -chf - ./{name}; exit 1; fi
echo 'no such file or folder' >&2
exit 1
"""


@dataclass(frozen=True, slots=True)
class DownloadReport:
    """What a download did.

    Attributes:
        files: How many files, folders and links were made here.
        size: Bytes of the files.
        skipped: Names that were left out: devices and pipes, and names that lead out of the folder.
        changing: True when a file grew or shrank while it was read.
    """

    files: int
    size: int
    skipped: tuple[str, ...] = ()
    changing: bool = False


def download(
    node: SshNode,
    source: str,
    target: str | Path,
    *,
    progress: Callable[[int], None] | None = None,
) -> DownloadReport:
    """Copy a remote folder's content over a local folder, or one remote file to a local path.

    Permissions without set-user-id bits, times and symbolic links are kept; nothing is deleted and
    nothing is written outside the target, whatever the node sends.

    Args:
        node: Where from.
        source: There; ``~/`` is the user's home.
        target: Here. For a file, a folder that exists is where to put it.
        progress: Called with the bytes of files so far.

    Raises:
        NodeUnreachable, HostKeyError, NodeError: As ``SshNode.exec``; ``download-failed``: the
            summary is what the node said.
        OSError: It cannot be written here.
    """
    target = Path(target).expanduser()
    folder, _, name = source.rstrip("/").rpartition("/")
    command = SEND.format(
        path=remote_word(source),
        folder=remote_word(folder or ("/" if source.startswith("/") else ".")),
        name=remote_word(name),
    )
    with node.open_channel(sh(command)) as channel:
        channel.send_eof()
        kind = _kind(channel)
        unpacker = _Unpacker(target, progress, whole=kind == "folder")
        if kind:
            _unpack(channel, unpacker)
        status = channel.wait()
        said = channel.stderr_tail.decode(errors="replace").strip().splitlines()
    changing = status == 1 and bool(said) and all("changed as we read it" in s for s in said)
    if status != 0 and not changing:
        reason = said[0] if said else f"exit code {status}"
        raise NodeError(
            f"download of {source} from {node.name} failed: {reason}", code="download-failed"
        )
    return DownloadReport(unpacker.files, unpacker.size, tuple(unpacker.skipped), changing)


def _kind(channel: SshChannel) -> str:
    """Read the first line, byte by byte: what follows is the archive. Empty when there is none."""
    line = b""
    while True:
        byte = channel.recv(1)
        if not byte:
            return ""
        if byte != b"\n":
            line += byte
        elif line in {b"folder", b"file"}:
            return line.decode()
        else:
            line = b""  # a login shell may have said something


def _unpack(channel: SshChannel, unpacker: _Unpacker) -> None:
    stream = cast("IO[bytes]", _Reader(channel))
    try:
        with tarfile.open(
            fileobj=stream, mode="r|", bufsize=CHUNK_BYTES, errors="surrogateescape"
        ) as archive:
            for member in archive:
                unpacker.take(archive, member)
    except tarfile.TarError as error:
        if channel.wait() == 0:
            raise NodeError(f"damaged archive: {error}", code="download-failed") from error
    while channel.recv(CHUNK_BYTES):
        continue  # tar pads its last record


class _Reader:
    def __init__(self, channel: SshChannel) -> None:
        self._channel = channel

    def read(self, size: int) -> bytes:
        return self._channel.recv(size)


class _Unpacker:
    def __init__(
        self, target: Path, progress: Callable[[int], None] | None, *, whole: bool
    ) -> None:
        self.files = 0
        self.size = 0
        self.skipped: list[str] = []
        self._target = target
        self._whole = whole
        self._progress = progress

    def take(self, archive: tarfile.TarFile, member: tarfile.TarInfo) -> None:
        path = self._place(member.name)
        if path is None or not (
            member.isreg() or member.isdir() or member.issym() or member.islnk()
        ):
            self.skipped.append(member.name)
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        if member.isdir():
            path.mkdir(exist_ok=True)
            return
        if path.is_symlink() or path.is_file():
            path.unlink()  # it may be read-only, a link, or running
        self._make(archive, member, path)
        self.files += 1

    def _place(self, name: str) -> Path | None:
        parts = [part for part in PurePosixPath(name).parts if part != "."]
        if not self._whole:
            return self._target / parts[-1] if self._target.is_dir() else self._target
        if name.startswith("/") or ".." in parts:
            return None
        path = self._target.joinpath(*parts)
        root = os.path.realpath(self._target)
        # A link that came earlier, or was here before, must not lead out.
        inside = os.path.realpath(path.parent if parts else path)
        return path if os.path.commonpath([root, inside]) == root else None

    def _make(self, archive: tarfile.TarFile, member: tarfile.TarInfo, path: Path) -> None:
        if member.issym():
            path.symlink_to(member.linkname)
            return
        if member.islnk():
            first = self._place(member.linkname)
            if first is None:
                self.skipped.append(member.name)
            else:
                path.hardlink_to(first)
            return
        content = cast("IO[bytes]", archive.extractfile(member))  # a regular file has one
        with path.open("xb") as file:
            shutil.copyfileobj(content, file, CHUNK_BYTES)
        path.chmod(member.mode & 0o777)
        with contextlib.suppress(OverflowError):
            os.utime(path, (member.mtime, member.mtime))
        self.size += member.size
        if self._progress is not None:
            self._progress(self.size)
