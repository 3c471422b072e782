"""A team's machines: one real OpenSSH server on addresses of this computer, a home for each.

Every address stands for a machine. What goes wrong there is told by files beside its home, which a
forced command looks for, so that a fault begins and ends at once.
"""

from __future__ import annotations

import contextlib
import getpass
import json
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from arb.nodes.keys import generate_key

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Team", "TeamHost", "processes_of", "team_server"]

SSHD = shutil.which("sshd", path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")
CLAIM = ".arb-claim"
_START_S = 10

_FORCED = """#!/bin/sh
# The command of a session on machine $1, unless something is to go wrong.
here=ROOT/$1
if [ -d "$here/bin" ]; then PATH="$here/bin:$PATH"; export PATH; fi
if [ -e "$here/hang" ]; then exec sleep 60; fi
if [ -e "$here/garble" ]; then echo '<html>It works!</html>'; exit 0; fi
if [ -e "$here/fail" ]; then cat >&2; exit 1; fi
if [ -e "$here/lose" ] && mv "$here/lose" "$here/lost" 2>/dev/null; then
  sh -c "$SSH_ORIGINAL_COMMAND" >/dev/null 2>&1
  exec kill -9 $PPID
fi
exec sh -c "$SSH_ORIGINAL_COMMAND"
"""


@dataclass(frozen=True)
class TeamHost:
    """One machine of the team."""

    name: str
    address: str
    folder: Path

    @property
    def home(self) -> Path:
        return self.folder / "home"

    @property
    def claim(self) -> dict[str, Any] | None:
        """What its claim says; None when it is free."""
        try:
            return json.loads((self.home / CLAIM).read_text())
        except (OSError, ValueError):
            return None

    def take(self, by: str = "bob@desk", token: str = "by-hand") -> None:
        """Claim it, as somebody else does."""
        claim = {"token": token, "by": by, "cluster": "theirs"}
        (self.home / CLAIM).write_text(json.dumps(claim))

    def let(self, fault: str, *, happen: bool = True) -> None:
        """Begin or end a fault: ``hang``, ``garble``, ``fail``, or ``lose`` for one answer."""
        path = self.folder / fault
        path.touch() if happen else path.unlink(missing_ok=True)

    def free(self) -> None:
        """Take claim and keys off it by hand, as the documentation says; only the team's key stays."""
        (self.home / CLAIM).unlink(missing_ok=True)
        keys = self.home / ".ssh" / "authorized_keys"
        keys.write_text(keys.read_text().partition("\n")[0] + "\n")

    def tool(self, name: str, says: str) -> None:
        """Put a program there that prints this, whatever it is asked."""
        path = self.folder / "bin" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"#!/bin/sh\ncat <<'END'\n{says}\nEND\n")
        path.chmod(0o755)

    def authorized(self) -> list[str]:
        """Return the lines of its authorized_keys."""
        return (self.home / ".ssh" / "authorized_keys").read_text().splitlines()


class Team:
    """So many machines, which let one key in.

    Args:
        folder: An empty folder.
        count: At most 16: sshd listens on no more addresses.
    """

    def __init__(self, folder: Path, count: int) -> None:
        self.folder = folder
        self.user = getpass.getuser()
        self.key = generate_key("the-team")
        self.host_key = generate_key()
        base = f"127.{80 + os.getpid() % 40}.{os.getpid() // 40 % 250}"
        self.port = _free_port(f"{base}.2")
        names = [f"gpu{number:02}" for number in range(1, count + 1)]
        self.hosts = [
            TeamHost(name, f"{base}.{number + 2}", folder / name)
            for number, name in enumerate(names)
        ]
        self.reset()
        self._process = self._start()

    def __getitem__(self, index: int) -> TeamHost:
        return self.hosts[index]

    @property
    def identity(self) -> Path:
        """The file of the key that opens them."""
        return self.folder / "team-key"

    @property
    def host_key_line(self) -> str:
        return " ".join(self.host_key.public.split()[:2])

    def reset(self) -> None:
        """Set every machine up anew: an empty home but for the team's key, and no faults."""
        kill_all(self.folder)
        for host in self.hosts:
            shutil.rmtree(host.folder, ignore_errors=True)
            (host.home / ".ssh").mkdir(parents=True, mode=0o700)
            (host.home / ".ssh" / "authorized_keys").write_text(self.key.public + "\n")

    def entry(self, index: int, **more: Any) -> dict[str, Any]:
        """Return what the list of hosts says of a machine."""
        host = self.hosts[index]
        facts = {"name": host.name, "address": host.address, "port": self.port}
        return facts | {"user": self.user, "identity_file": str(self.identity)} | more

    def known_hosts(self) -> str:
        """Return what the user's known_hosts says of all."""
        lines = [f"[{host.address}]:{self.port} {self.host_key_line}" for host in self.hosts]
        return "\n".join(lines) + "\n"

    def close(self) -> None:
        kill_all(self.folder)
        self._process.kill()
        self._process.wait()

    def _start(self) -> subprocess.Popen[bytes]:
        if os.geteuid() == 0:
            Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # its privilege separation folder
        for name, text in (("host-key", self.host_key.private), ("team-key", self.key.private)):
            path = self.folder / name
            path.touch(mode=0o600)
            path.write_text(text)
        (self.folder / "forced").write_text(_FORCED.replace("ROOT", str(self.folder)))
        config = self.folder / "sshd_config"
        config.write_text("\n".join(self._config()) + "\n")
        assert SSHD
        with (self.folder / "sshd.log").open("ab") as log:
            # Loading itself anew for each connection is a quarter of what one costs (-r: do not).
            command = [SSHD, "-D", "-e", "-r", "-f", str(config)]
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=log)
        for host in self.hosts:
            self._await(host, process)
        return process

    def _config(self) -> Iterator[str]:
        yield from (f"ListenAddress {host.address}:{self.port}" for host in self.hosts)
        yield f"HostKey {self.folder}/host-key"
        yield from ("StrictModes no", "UsePAM no", "PidFile none", "PasswordAuthentication no")
        yield from ("PermitRootLogin prohibit-password", "MaxStartups 200:30:200", "UseDNS no")
        for host in self.hosts:
            yield f"Match LocalAddress {host.address}"
            yield f"  AuthorizedKeysFile {host.home}/.ssh/authorized_keys"
            yield f"  ForceCommand /bin/sh {self.folder}/forced {host.name}"
            # SHLVL: bash then leaves out ~/.bashrc, whose cost is the user's.
            more = "SHLVL=9 ARB_AGENT_GRACE_S=0.4 ARB_AGENT_RESTART_S=0.1"
            yield f"  SetEnv HOME={host.home} ARB_BOOT_DIR={host.folder}/boot {more}"

    def _await(self, host: TeamHost, process: subprocess.Popen[bytes]) -> None:
        limit = time.monotonic() + _START_S
        while True:
            try:
                socket.create_connection((host.address, self.port), timeout=1).close()
            except OSError:
                log = (self.folder / "sshd.log").read_text(errors="replace")
                assert process.poll() is None, f"sshd ended: {log}"
                assert time.monotonic() < limit, f"sshd does not listen: {log}"
                time.sleep(0.01)
            else:
                return


def processes_of(home: Path) -> list[int]:
    """Return what runs in a home, or in any home below a folder."""
    wanted = f"HOME={home}".encode()
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if wanted in (entry / "environ").read_bytes():
                state = (entry / "stat").read_text().rpartition(")")[2].split()[0]
                found += [int(entry.name)] if state != "Z" else []
    return found


def kill_all(home: Path) -> None:
    """End whatever runs there."""
    while pids := processes_of(home):
        for pid in pids:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)


@contextlib.contextmanager
def team_server(folder: Path, count: int) -> Iterator[Team]:
    """Yield a team; skip where there is no OpenSSH server, or loopback has one address only."""
    if SSHD is None or not sys.platform.startswith("linux"):
        pytest.skip("no OpenSSH server here, or not Linux: its loopback has many addresses")
    if not _may_log_in():
        pytest.skip("OpenSSH's server would not let this user in: no account, or a locked one")
    team = Team(folder, count)
    try:
        yield team
    finally:
        team.close()


def _may_log_in() -> bool:
    """Say whether sshd lets the user who runs this in: in a container there may be no account."""
    try:
        name = pwd.getpwuid(os.getuid()).pw_name
        lines = Path("/etc/shadow").read_text().splitlines()
    except KeyError:
        return False
    except OSError:  # then sshd cannot see either whether it is locked
        return True
    return not any(line.startswith(f"{name}:!") for line in lines)


def _free_port(address: str) -> int:
    with socket.socket() as sock:
        sock.bind((address, 0))
        return int(sock.getsockname()[1])
