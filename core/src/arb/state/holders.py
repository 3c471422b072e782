"""Who holds a lease: one process, told from others, and known to be dead when it is."""

from __future__ import annotations

import os
import secrets
import socket
from functools import cache
from pathlib import Path
from typing import Final, NamedTuple

__all__ = ["Holder", "is_awake", "is_dead", "new_holder", "parse_holder"]

_PARTS: Final = 5


class Holder(NamedTuple):
    """A holder taken apart.

    Attributes:
        host: Name of its machine, for people.
        kernel: This boot and process namespace: only inside it do process ids mean anything.
        pid: Its process.
        started: When the process started, in the kernel's ticks; empty when not known.
        nonce: Tells two holders of one process apart.
    """

    host: str
    kernel: str
    pid: int
    started: str
    nonce: str

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}"


def new_holder() -> str:
    """Return a name for one holder in this process."""
    pid = os.getpid()
    host = socket.gethostname().replace("/", "-")
    return "/".join((host, _kernel(), str(pid), _process(pid)[1], secrets.token_hex(4)))


def parse_holder(text: str) -> Holder | None:
    """Take a holder's name apart; None when it is not one of ours."""
    parts = text.split("/")
    if len(parts) != _PARTS or not parts[2].isdecimal():
        return None
    host, kernel, pid, started, nonce = parts
    return Holder(host, kernel, int(pid), started, nonce)


def is_dead(text: str) -> bool:
    """Say whether a holder is a process of this machine that certainly ended.

    A holder elsewhere, or one that cannot be judged, is not called dead: its lease has to expire.
    """
    holder = parse_holder(text)
    if holder is None or not holder.kernel or holder.kernel != _kernel():
        return False
    try:
        os.kill(holder.pid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        pass
    state, started = _process(holder.pid)
    return state in {"Z", "X"} or bool(started and holder.started and started != holder.started)


def is_awake(text: str) -> bool:
    """Say whether a holder is another process of this machine that runs, and is not stopped."""
    holder = parse_holder(text)
    if holder is None or holder.kernel != _kernel() or holder.pid == os.getpid():
        return False
    if not holder.kernel or is_dead(text):
        return False
    return _process(holder.pid)[0] not in {"T", "t"}


@cache
def _kernel() -> str:
    """Return what tells this boot and process namespace from all others; empty when unknown."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
        namespace = os.readlink("/proc/self/ns/pid")  # noqa: PTH115 - it is not a path
    except OSError:
        return _bsd_boot()
    return f"{boot}.{namespace.strip('pid:[]')}"


def _bsd_boot() -> str:
    """Return the boot session of macOS."""
    import subprocess

    command = ["/usr/sbin/sysctl", "-n", "kern.bootsessionuuid"]
    try:
        output = subprocess.run(command, capture_output=True, text=True, check=False, timeout=5)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return output.stdout.strip()


def _process(pid: int) -> tuple[str, str]:
    """Return state and start time of a process; both empty when the system does not tell.

    A later process of the same number has another start time. "Z" ended, and waits for a parent
    that does not look.
    """
    try:
        text = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace")
    except OSError:
        return "", ""
    fields = text.rpartition(")")[2].split()
    return fields[0], fields[19]
