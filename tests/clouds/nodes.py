"""The machines behind a simulated cloud: real SSH nodes of arb-local's machine room."""

from __future__ import annotations

import os
import pwd
import shutil
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from arb_local.room import (
    EndReason,
    Fault,
    MachineSpec,
    MachineState,
    Room,
    RoomFile,
    addresses,
)
from arb_local.room.environment import SYSTEM_PATH, login_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from clouds.userdata import UserData

__all__ = ["Node", "Nodes", "PaperNodes", "has_sshd"]

_PORT = threading.Lock()
"""Held while the rooms' port is another one: clouds make nodes side by side."""

# A first-boot command that installs a boot script. HOME is the node's; above it is its own folder.
_INSTALL_SSHD = """cat >"$ARB_BOOT_DIR/00-sshd" <<'SCRIPT'
#!/bin/sh
cd "$HOME/.." || exit 1
fact() { sed -n "s/.*\\"$1\\": \\"*\\([0-9.]*\\).*/\\1/p" machine.json; }
export -p >run/environment
cat >run/login <<LOGIN
. "$PWD/run/environment"
cd "\\$HOME"
if [ -n "\\$SSH_ORIGINAL_COMMAND" ]; then exec "\\$SHELL" -c "\\$SSH_ORIGINAL_COMMAND"; fi
exec "\\$SHELL"
LOGIN
cat >run/sshd_config <<CONFIG
ListenAddress $(fact address):$(fact port)
HostKey $PWD/host_key
AuthorizedKeysFile $PWD/home/.ssh/authorized_keys
ForceCommand /bin/sh $PWD/run/login
PermitRootLogin prohibit-password
PasswordAuthentication no
KbdInteractiveAuthentication no
StrictModes no
UsePAM no
PidFile none
PrintMotd no
CONFIG
if [ "$(id -u)" = 0 ]; then mkdir -p /run/sshd; fi
exec "$(command -v sshd)" -D -e -f "$PWD/run/sshd_config"
SCRIPT
chmod +x "$ARB_BOOT_DIR/00-sshd"
exec "$ARB_BOOT_DIR/00-sshd"
"""


@dataclass(frozen=True)
class Node:
    """Where a machine's SSH server listens, and who is let in."""

    id: str
    address: str
    port: int
    user: str


class Nodes:
    """All nodes of one simulated cloud.

    Args:
        path: Folder of the room; made when it is missing.
        port: Where nodes listen, each on an address of its own; without the right to it (22 is
            root's on many systems) they listen on 2222. ``Node.port`` says what came of it.
        user: Who is let in; nodes with OpenSSH's server let in the user who runs this.
        sshd: ``none``, ``some`` (every second node) or ``all``: which nodes run OpenSSH's server
            instead of the room's own, where it is installed.
    """

    def __init__(
        self, path: Path, *, port: int = addresses.PORT, user: str = "ubuntu", sshd: str = "some"
    ) -> None:
        self.room = Room(path)
        self.user = user
        self.sshd = sshd if has_sshd() else "none"
        self.port = port if _may_listen(port) else addresses.PORT
        self._made = 0

    def make(self, token: str, data: UserData, *, delay_s: float = 0, mute: bool = False) -> Node:
        """Make a node and switch it on, without waiting for it.

        Args:
            token: Its name in the room, unique.
            data: What its first boot does: keys and files are put in place; commands are read for
                their effect on the host key, and not run.
            delay_s: Until it accepts connections, in real time.
            mute: It never does.
        """
        self._made += 1
        with_sshd = self.sshd == "all" or (self.sshd == "some" and self._made % 2 == 0)
        spec = self._spec(token, data, delay_s, with_sshd=with_sshd, mute=mute)
        with _listening_on(self.port):
            machine = self.room.make(spec)
        return Node(machine.id, machine.address, machine.port, machine.user)

    def end(self, node_id: str, *, reason: str = "user") -> None:
        """End a node whole: every process, its folder."""
        self.room.terminate(node_id, EndReason(reason))

    def stop(self, node_id: str) -> None:
        """Switch a node off: its SSH server is dead, its files stay."""
        self.room.stop(node_id)

    def start(self, node_id: str) -> None:
        """Switch a node on again."""
        self.room.start(node_id)

    def notify(self, node_id: str, text: str, path: str) -> None:
        """Write a file in a node's home, for instance a preemption notice."""
        target = self.room.get(node_id).home / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)

    def powered_off(self, node_ids: set[str]) -> set[str]:
        """Return those of some nodes that switched themselves off, or were killed from outside."""
        on = {m.id for m in self.room.list() if m.state is not MachineState.STOPPED}
        return node_ids - on

    def home(self, node_id: str) -> Path:
        """Return a node's home folder."""
        return self.room.get(node_id).home

    def close(self) -> None:
        """End every node."""
        for machine in self.room.list():
            self.room.terminate(machine.id)

    def _spec(
        self, token: str, data: UserData, delay_s: float, *, with_sshd: bool, mute: bool
    ) -> MachineSpec:
        host_key = data.host_key()
        files = [f for f in data.files if f.content.strip() != host_key.strip()]
        return MachineSpec(
            token=token,
            user=login_name() if with_sshd else self.user,
            authorized_keys=data.authorized_keys,
            host_key=host_key,
            files=tuple(RoomFile(f.path, f.content, f.mode) for f in files),
            boot_delay_s=0 if with_sshd else delay_s,
            bringup_timeout_s=data.bringup_timeout_s(),
            boot_commands=(f"sleep {delay_s}\n{_INSTALL_SSHD}",) if with_sshd and not mute else (),
            fault=Fault.NO_SSH if with_sshd or mute else Fault.NONE,
        )


class PaperNodes:
    """Nodes that are nowhere: for tests of an API that log in to no machine, and are fast."""

    def __init__(self) -> None:
        self._made = 0

    def make(self, token: str, data: UserData, **_: object) -> Node:
        """Return a node's facts."""
        self._made += 1
        return Node(token, f"192.0.2.{self._made % 250 + 1}", 2222, "ubuntu")

    def end(self, node_id: str, *, reason: str = "user") -> None:
        """Do nothing."""

    def stop(self, node_id: str) -> None:
        """Do nothing."""

    def start(self, node_id: str) -> None:
        """Do nothing."""

    def powered_off(self, node_ids: set[str]) -> set[str]:
        """Return none: nothing switches itself off here."""
        return set()

    def close(self) -> None:
        """Do nothing."""


def has_sshd() -> bool:
    """Say whether OpenSSH's server is here and would let the user who runs this in."""
    is_here = shutil.which("sshd", path=SYSTEM_PATH) is not None
    return is_here and _is_known() and not _is_locked()


def _is_known() -> bool:
    """Say whether we have an account: in a container there may be none for this user id."""
    try:
        pwd.getpwuid(os.getuid())
    except KeyError:
        return False
    return True


def _is_locked() -> bool:
    """Say whether our account is locked, as far as we can see: sshd without PAM turns it away."""
    try:
        lines = Path("/etc/shadow").read_text().splitlines()
    except OSError:  # then sshd cannot see it either
        return False
    return any(line.startswith(f"{login_name()}:!") for line in lines)


@contextmanager
def _listening_on(port: int) -> Iterator[None]:
    """Let rooms give this port to machines that have an address of their own."""
    with _PORT:
        before, addresses.PORT = addresses.PORT, port
        try:
            yield
        finally:
            addresses.PORT = before


def _may_listen(port: int) -> bool:
    """Say whether a node may have a port on an address of its own."""
    try:
        addresses.listen("127.64.0.1", port).close()
    except PermissionError:
        return False
    except OSError:  # taken there, or no such address here: then the room finds another way
        return True
    return True
