"""Where the agent keeps what it knows, and writing it so that a crash leaves old or new.

Everything is relative to ``~/.arb``: front end and daemon change into it first, which also keeps
the socket's name short (a socket address holds 107 bytes).
"""

from __future__ import annotations

import errno
import json
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

SOCKET = "agent.sock"
LOCK = "agent.lock"
LOG = "agent.log"
CONFIG = "config.json"
JOBS = "jobs"
GANG = "gang"
EVENTS = "events.jsonl"

LOG_LIMIT_BYTES = 256 * 1024
FULL_BYTES = 64 * 1024
"""With less free space a disk is as good as full."""


def home() -> str:
    """Return the home folder of the node's user."""
    return os.environ.get("HOME") or os.path.expanduser("~")


def enter() -> None:
    """Make ``~/.arb`` (0700) and change into it."""
    os.umask(0o077)
    root = os.path.join(home(), ".arb")
    try:
        os.mkdir(root, 0o700)
    except FileExistsError:
        if os.stat(root).st_mode & 0o077:
            os.chmod(root, 0o700)
    os.chdir(root)
    for name in (JOBS, GANG):
        os.makedirs(name, 0o700, exist_ok=True)


def write(path: str, text: str, *, mode: int = 0o600, sync: bool = False) -> None:
    """Replace a file in one step.

    Args:
        path: The file.
        text: Its whole new content; lone surrogates stand for the bytes that they came from.
        mode: Its permissions, from the first byte on.
        sync: Whether it must survive a power cut.
    """
    temporary = f"{path}.{os.getpid()}.tmp"  # front ends write the same file at once
    data = text.encode("utf-8", "surrogateescape")
    try:
        fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, mode)
        with open(fd, "wb") as file:
            os.fchmod(fd, mode)
            file.write(data)
            if sync:
                file.flush()
                os.fsync(fd)
        os.replace(temporary, path)
    except OSError as error:
        remove(temporary)
        if error.errno not in (errno.ENOSPC, errno.EDQUOT) or not _overwrite(path, data):
            raise


def _overwrite(path: str, data: bytes) -> bool:
    """Write where the old content lies, which needs no space; say whether it was large enough.

    A job that filled the disk must not end what keeps track of it.
    """
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    with open(fd, "wb", buffering=0) as file:
        if len(data) > os.fstat(fd).st_blocks * 512:
            return False
        file.write(data)
        file.truncate()
    return True


def disk_is_full() -> bool:
    """Return whether there is no room on the disk of ``~/.arb``."""
    found = os.statvfs(JOBS)
    return found.f_bavail * found.f_frsize < FULL_BYTES


def write_json(path: str, value: Any, *, sync: bool = False) -> None:
    """Replace a file with one JSON document, see ``write``."""
    write(path, json.dumps(value, separators=(",", ":")), sync=sync)


def read(path: str) -> str:
    """Return a file's text, empty when there is none."""
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            return file.read()
    except (FileNotFoundError, NotADirectoryError):
        return ""


def read_json(path: str) -> Any:
    """Return a file's JSON document; None when it is absent or was damaged by a power cut."""
    try:
        return json.loads(read(path))
    except ValueError:
        return None


def remove(path: str) -> None:
    """Remove a file if it is there."""
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass


def append(path: str, text: str) -> None:
    """Append to a small log, which is rotated once at ``LOG_LIMIT_BYTES``; do without if need be."""
    try:
        if os.path.exists(path) and os.stat(path).st_size > LOG_LIMIT_BYTES:
            os.replace(path, path + ".1")
        with open(path, "a", encoding="utf-8", errors="surrogateescape") as file:
            file.write(text)
    except OSError:  # a full disk, mostly: what was to be told is not worth the agent's end
        pass
