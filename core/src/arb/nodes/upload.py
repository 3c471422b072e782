"""Copies files and folders to a node: one tar stream over one command, only what changed.

The node needs ``sh`` and ``tar`` (GNU's or busybox's). With a Python 3 there too, files whose type,
permissions, size and time are the same on both sides are not sent again. Nothing is deleted there.
"""

from __future__ import annotations

import os
import stat
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from arb.errors import NodeError, NodeUnreachable, UsageError
from arb.nodes.ignore import IgnoreRules, ignore_rules
from arb.nodes.remote import remote_word, sh
from arb.nodes.tarstream import TarWriter, is_racy
from arb.nodes.tree import Entry, Tree, read_file_entry, walk

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from arb.nodes.channel import SshChannel
    from arb.nodes.ssh import SshNode

__all__ = ["UploadReport", "upload", "write_file"]

ANSWER_TIMEOUT_S: Final = 120.0
NAMED_FILES: Final = 5

# Reads as many bytes as its argument says, one "KIND MODE SIZE MTIME NAME\0" for each entry, and
# answers with one digit for each: 1 for those to be sent.
COMPARE: Final = """
import os, stat, sys
if sys.version_info < (3,): sys.exit(1)
os.write(1, b"compare\\n")
left, parts = int(sys.argv[1]), []
while left > 0:
    part = os.read(0, min(left, 65536))
    if not part: sys.exit(1)
    parts.append(part)
    left -= len(part)
def differs(line):
    kind, mode, size, mtime, name = line.split(b" ", 4)
    try: info = os.lstat(name)
    except OSError: return True
    if b"%x" % info.st_mode != mode: return True
    return kind == b"f" and (info.st_size != int(size) or int(info.st_mtime) != int(mtime))
lines = b"".join(parts).split(b"\\0")[:-1]
answer = b"".join(b"1" if differs(line) else b"0" for line in lines) + b"\\n"
while answer: answer = answer[os.write(1, answer):]
"""

# $1 bytes of list, $2 the Python text. The umask is for folders on the way; tar sets what it sends.
RECEIVE: Final = """
umask 022
mkdir -p -- {folder} && cd -- {folder} || exit 1
compared=
if [ -n "$(ls -A . | head -n 1)" ] && [ "$1" -gt 0 ]; then
  for python in python3 /usr/bin/python3 "$HOME/miniconda3/bin/python3" /opt/conda/bin/python3 python
  do
    command -v "$python" >/dev/null 2>&1 || continue
    "$python" -I -S -c "$2" "$1" && compared=1
    break
  done
fi
[ -n "$compared" ] || echo all
umask 077
exec tar -xopf -
"""


@dataclass(frozen=True, slots=True)
class UploadReport:
    """What an upload did.

    Attributes:
        files: How many files, folders and links there are here.
        size: Bytes of all these files.
        sent_files: How many of them were sent.
        sent_size: Bytes of those files.
        special: Names of sockets, pipes and devices, which were left out.
        changed: Names of files that changed while they were read; upload again.
    """

    files: int
    size: int
    sent_files: int
    sent_size: int
    special: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()


def upload(  # noqa: PLR0913 - two places and four choices
    node: SshNode,
    source: str | Path,
    target: str,
    *,
    ignore: bool = True,
    mode: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> UploadReport:
    """Copy a folder's content over a remote folder, or one file to a remote path.

    Permissions, times (whole seconds) and symbolic links are kept, dangling ones too; the owner is
    the user there. Files that are only there stay. When it was cut off, the next upload sends what
    is missing or damaged.

    Args:
        node: Where to.
        source: Here. A link to a file or folder stands for what it points to.
        target: There; ``~/`` is the user's home. For a file, a path that ends in ``/`` is the
            folder to put it in.
        ignore: Leave out what the ignore files say, see ``ignore_rules``.
        mode: Permissions of all files, instead of their own: 0o600 for secrets.
        progress: Called with bytes sent and bytes to send.

    Raises:
        UsageError: ``no-such-file``; ``unreadable-files``: some are named, the others were sent.
        NodeUnreachable, HostKeyError, NodeError: As ``SshNode.exec``; ``upload-failed``: the
            summary is what tar said, for instance that the disk is full.
    """
    now = time.time()
    folder, tree = _collect(Path(source), target, ignore=ignore)
    entries = tree.entries
    listing = b"".join(_line(entry, now, mode) for entry in entries)
    command = sh(RECEIVE.format(folder=remote_word(folder)), str(len(listing)), COMPARE)
    with node.open_channel(command) as channel:
        try:
            wanted = _wanted(channel, entries, listing)
            writer = TarWriter(_counting(channel, wanted, progress))
            writer.write(wanted, now, mode)
            channel.send_eof()
        except (BrokenPipeError, TimeoutError) as error:
            raise _failure(node, channel, target) from error
        if channel.wait() != 0:
            raise _failure(node, channel, target)
    _refuse_unreadable(source, [*tree.unreadable, *writer.unreadable])
    return UploadReport(
        files=len(entries),
        size=tree.size,
        sent_files=len(wanted),
        sent_size=sum(entry.size for entry in wanted),
        special=tuple(tree.special),
        changed=tuple(writer.changed),
    )


def write_file(node: SshNode, target: str, content: bytes, *, mode: int = 0o600) -> None:
    """Put bytes into a remote file in one step: readers see the old or the new content.

    Args:
        node: Where to.
        target: Path there; ``~/`` is the user's home. Missing folders are made, for the user only.
        content: May be secret: it goes through standard input.
        mode: Permissions, from the first byte on.

    Raises:
        NodeUnreachable, HostKeyError, NodeError: As ``SshNode.exec``.
    """
    path = remote_word(target)
    script = f"""
umask 077
target={path}
case $target in */*) mkdir -p -- "${{target%/*}}" || exit 1 ;; esac
temporary="$target.$$.tmp"
cat >"$temporary" && chmod {mode:o} "$temporary" && mv -f "$temporary" "$target" && exit 0
rm -f "$temporary"
exit 1
"""
    node.exec(sh(script), stdin=content).check(f"writing {target} on {node.name}")


def _collect(source: Path, target: str, *, ignore: bool) -> tuple[str, Tree]:
    """Return the remote folder and what goes into it."""
    source = source.expanduser()
    if source.is_dir():
        return target, walk(source, ignore_rules(source) if ignore else IgnoreRules())
    folder, _, name = target.rpartition("/")
    folder = folder or ("/" if target.startswith("/") else ".")
    try:
        return folder, Tree([read_file_entry(source, name or source.name)])
    except OSError as error:
        raise UsageError(f"cannot read {source}: {error.strerror}", code="no-such-file") from error


def _line(entry: Entry, now: float, mode: int | None) -> bytes:
    kind = "f" if stat.S_ISREG(entry.mode) else "o"
    bits = entry.mode if mode is None or kind == "o" else stat.S_IFREG | mode
    if entry.is_link or is_racy(entry, now):
        bits = 0  # never the same: a link's target is not compared
    head = f"{kind} {bits:x} {entry.size} {int(entry.mtime)} "
    return head.encode() + os.fsencode(entry.name) + b"\0"


def _wanted(channel: SshChannel, entries: Sequence[Entry], listing: bytes) -> list[Entry]:
    """Ask the node what it lacks."""
    lines = _Lines(channel)
    while (word := lines.next()) not in {b"all", b"compare"}:
        continue  # a login shell may have said something
    if word == b"all":
        return list(entries)
    channel.send(listing)
    answer = lines.next()
    if len(answer) != len(entries) or answer.strip(b"01"):
        raise BrokenPipeError("the comparison was cut off")
    return [entry for entry, digit in zip(entries, answer, strict=True) if digit == ord("1")]


class _Lines:
    """Reads lines; at the end of the stream BrokenPipeError."""

    def __init__(self, channel: SshChannel) -> None:
        self._channel = channel
        self._data = b""

    def next(self) -> bytes:
        while b"\n" not in self._data:
            more = self._channel.recv(1 << 18, ANSWER_TIMEOUT_S)
            if not more:
                raise BrokenPipeError("the remote command ended")
            self._data += more
        line, _, self._data = self._data.partition(b"\n")
        return line


def _counting(
    channel: SshChannel, wanted: Sequence[Entry], progress: Callable[[int, int], None] | None
) -> Callable[[bytes], None]:
    if progress is None:
        return channel.send
    total = sum(entry.size for entry in wanted)
    sent = 0

    def send(data: bytes) -> None:
        nonlocal sent
        channel.send(data)
        sent = min(total, sent + len(data))
        progress(sent, total)

    return send


def _failure(node: SshNode, channel: SshChannel, target: str) -> NodeError:
    try:
        status = channel.wait(5)
    except TimeoutError:
        return NodeUnreachable(f"{node.name} stopped receiving files", code="no-answer")
    with suppress(TimeoutError):  # its last words may come after its exit code
        channel.drain(2)
    lines = channel.stderr_tail.decode(errors="replace").strip().splitlines()
    said = lines[0] if lines else f"exit code {status}"
    return NodeError(f"upload to {target} on {node.name} failed: {said}", code="upload-failed")


def _refuse_unreadable(source: str | Path, names: Sequence[str]) -> None:
    if not names:
        return
    shown = ", ".join(repr(name) for name in names[:NAMED_FILES])
    more = f" and {len(names) - NAMED_FILES} more" if len(names) > NAMED_FILES else ""
    raise UsageError(
        f"cannot read in {source}: {shown}{more}; everything else was uploaded",
        code="unreadable-files",
        hint="make them readable, or name them in .arbignore",
    )
