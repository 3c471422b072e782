"""Lets plain ``ssh NAME`` reach a cluster: a generated configuration and one ``Include`` line.

Everything generated is in one folder of arb's own. Of the user's ``~/.ssh/config`` only two lines
are ever touched, and the rest stays as it is to the byte.
"""

from __future__ import annotations

import glob
import os
import re
import stat
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from arb.errors import StateError, UsageError
from arb.locks import locked
from arb.nodes.hostkeys import known_hosts_line

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager

    from arb.nodes.keys import KeyPair
    from arb.types import SshEndpoint

__all__ = ["SshHost", "add_include", "remove_include", "write_ssh_config"]

COMMENT: Final = b"# Added by arb, so that ssh CLUSTER works:"
NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
ATTEMPTS: Final = 20
WAIT_S: Final = 10.0
"""For another process that writes these files, which takes a moment."""


@dataclass(frozen=True, slots=True)
class SshHost:
    """One node in the generated configuration.

    Attributes:
        cluster: Name of its cluster; ``ssh CLUSTER`` reaches rank 0.
        rank: ``ssh CLUSTER-RANK`` reaches this one.
        endpoint: Where its SSH server listens, and the user.
        host_key: What it shows, ``TYPE BASE64``.
        alias: Names it in ``known_hosts``, unique to this machine: its token.
    """

    cluster: str
    rank: int
    endpoint: SshEndpoint
    host_key: str
    alias: str


def write_ssh_config(
    folder: Path, client_key: KeyPair, hosts: Callable[[], Sequence[SshHost]]
) -> Path:
    """Write ``config``, ``known_hosts`` and ``id_ed25519`` and return the path of the first.

    Args:
        folder: ``ARB_HOME/ssh``; made 0700.
        client_key: Written 0600.
        hosts: Called under a lock and returns all nodes that are up: of two processes that write at
            once the later one sees what the earlier saw.

    Raises:
        UsageError: A cluster's name cannot stand in an SSH configuration (``bad-name``).
        StateError: It cannot be written (``ssh-config``); each file is as it was, or whole.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o700)
        with _locked(folder):
            _write(folder, client_key, hosts())
    except OSError as error:
        raise StateError(
            f"cannot write the SSH settings in {folder}: {error.strerror or error}",
            code="ssh-config",
            hint="the folder must belong to you, be writable and have space",
        ) from error
    return folder / "config"


def _write(folder: Path, client_key: KeyPair, hosts: Sequence[SshHost]) -> None:
    for host in hosts:
        if not NAME.fullmatch(host.cluster):
            raise UsageError(f"{host.cluster!r} cannot be an SSH host name", code="bad-name")
    known = "".join(known_hosts_line(h.alias, h.host_key) + "\n" for h in hosts)
    _remove_leftovers(folder)
    _replace(folder / "id_ed25519", client_key.private.encode(), 0o600)
    _replace(folder / "known_hosts", known.encode(), 0o600)
    _replace(folder / "config", _config(folder, hosts).encode(), 0o600)


def _remove_leftovers(folder: Path) -> None:
    """Remove what writers that were killed left: the lock is ours, so nobody else is writing."""
    for name in ("id_ed25519", "known_hosts", "config"):
        for left in folder.glob(f".{name}.*"):
            left.unlink(missing_ok=True)


def add_include(user_config: Path, generated: Path) -> bool:
    """Put an ``Include`` line at the top of the user's configuration, unless it is there.

    Args:
        user_config: ``~/.ssh/config``; may be a link, and may be missing.
        generated: What ``write_ssh_config`` returned.

    Returns:
        True when the file was changed.

    Raises:
        StateError: It cannot be read or written (``ssh-config``); it is as it was.
    """
    include = _include_line(generated)

    def edit(text: bytes) -> bytes:
        if include in [line.strip() for line in text.splitlines()]:
            return text
        end = b"\r\n" if text.partition(b"\n")[0].endswith(b"\r") else b"\n"
        # At the top: further down it would belong to the last Host block, and lose to "Host *".
        return COMMENT + end + include + end + text

    return _edit(user_config, generated.parent, edit)


def remove_include(user_config: Path, generated: Path) -> bool:
    """Take out what ``add_include`` put in.

    Args:
        user_config: As there.
        generated: As there.

    Returns:
        True when the file was changed.

    Raises:
        StateError: As there.
    """
    include = _include_line(generated)

    def edit(text: bytes) -> bytes:
        kept: list[bytes] = []
        for line in text.splitlines(keepends=True):
            if line.strip() != include:
                kept.append(line)
            elif kept and kept[-1].strip() == COMMENT:
                kept.pop()
        return b"".join(kept)

    return user_config.exists() and _edit(user_config, generated.parent, edit)


def _config(folder: Path, hosts: Sequence[SshHost]) -> str:
    # ssh takes the first block that fits: a cluster called a-1 goes before node 1 of cluster a.
    heads = [(host.cluster, host) for host in hosts if host.rank == 0]
    ranks = [(f"{host.cluster}-{host.rank}", host) for host in hosts]
    blocks = (_block(folder, name, host) for name, host in [*heads, *ranks])
    return "# Written by arb; changes are lost.\n" + "".join(blocks)


def _block(folder: Path, name: str, host: SshHost) -> str:
    return f"""
Host {name}
  HostName {host.endpoint.host.replace("%", "%%")}
  Port {host.endpoint.port}
  User {host.endpoint.user}
  HostKeyAlias {host.alias}
  UserKnownHostsFile {_quoted(folder / "known_hosts")}
  GlobalKnownHostsFile /dev/null
  StrictHostKeyChecking yes
  CheckHostIP no
  UpdateHostKeys no
  IdentityFile {_quoted(folder / "id_ed25519")}
  IdentitiesOnly yes
  IdentityAgent none
  ServerAliveInterval 15
"""


def _quoted(path: Path) -> str:
    return '"' + str(path).replace("%", "%%") + '"'


def _include_line(generated: Path) -> bytes:
    # Since 9.9 OpenSSH fills in % and $ here, and before it takes them as they are: "?" fits both.
    pattern = re.sub("[%$]", "?", glob.escape(str(generated.absolute())))
    return b'Include "' + os.fsencode(pattern) + b'"'


def _edit(path: Path, lock_folder: Path, edit: Callable[[bytes], bytes]) -> bool:
    try:
        with _locked(lock_folder):
            return _edit_locked(path, edit)
    except OSError as error:
        raise StateError(
            f"cannot change {path}: {error.strerror or error}",
            code="ssh-config",
            hint="arb ssh CLUSTER works all the same",
        ) from error


def _edit_locked(path: Path, edit: Callable[[bytes], bytes]) -> bool:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    real = Path(os.path.realpath(path))
    if real.exists() and not real.is_file():
        raise OSError("it is no file")  # a pipe would be waited for without end
    for _ in range(ATTEMPTS):
        before = _identity(real)
        text = real.read_bytes() if before else b""
        changed = edit(text)
        if changed == text:
            return False
        if _replace(real, changed, _mode(real), only_if=before):
            return True
    raise OSError("another program keeps changing it")


def _identity(path: Path) -> tuple[int, ...]:
    """Return what changes when somebody else writes the file; empty when there is none."""
    try:
        info = path.stat()
    except FileNotFoundError:
        return ()
    return info.st_ino, info.st_size, info.st_mtime_ns


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode) if path.exists() else 0o600


def _replace(
    path: Path, content: bytes, mode: int, *, only_if: tuple[int, ...] | None = None
) -> bool:
    """Replace a file in one step; not when it is no longer the one that ``only_if`` identifies."""
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            os.fchmod(file.fileno(), mode)
            _keep_owner(file.fileno(), path)
            file.flush()
            os.fsync(file.fileno())
        if only_if is not None and _identity(path) != only_if:
            return False
        Path(name).replace(path)
    finally:
        Path(name).unlink(missing_ok=True)
    return True


def _keep_owner(handle: int, path: Path) -> None:
    if os.geteuid() == 0 and path.exists():
        info = path.stat()
        os.fchown(handle, info.st_uid, info.st_gid)


def _locked(folder: Path) -> AbstractContextManager[None]:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return locked(folder / "lock", "writing the SSH settings", wait_s=WAIT_S)
