"""A real OpenSSH server on some ports of 127.0.0.1, and the OpenSSH client's exec on it."""

from __future__ import annotations

import getpass
import os
import shutil
import socket
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from .harness import MeasureError, Skipped

if TYPE_CHECKING:
    from arb.nodes.keys import KeyPair

__all__ = ["OpenSsh"]

_PORTS_A_SERVER: Final = 16
"""sshd listens on so many sockets at most."""
_START_S: Final = 10


class OpenSsh:
    """Servers with one host key that let one key in; their sessions have a home of their own.

    Args:
        folder: An empty folder.
        client: Who is let in, as the user who runs this.
        ports: On how many ports.

    Raises:
        Skipped: There is no OpenSSH server or no client here.
    """

    def __init__(self, folder: Path, client: KeyPair, ports: int = 1) -> None:
        from arb.nodes.keys import generate_key

        self.folder = folder
        self.client = client
        self.user = getpass.getuser()
        self.host = generate_key()
        self.home = folder / "home"
        self._sshd = _program("sshd", "an OpenSSH server (sshd)")
        self._ssh = _program("ssh", "an OpenSSH client (ssh)")
        self._processes: list[subprocess.Popen[bytes]] = []
        self.ports = _free_ports(ports)
        self._write_files()
        for number, some in enumerate(_chunks(self.ports)):
            self._start(number, some)

    def command(self, remote: str) -> list[str]:
        """Return the client's command line for one exec over a fresh connection."""
        return [self._ssh, "-F", str(self.folder / "ssh_config"), "node", remote]

    def close(self) -> None:
        """End the servers; sessions end with their clients."""
        for process in self._processes:
            process.kill()
            process.wait()

    def _write_files(self) -> None:
        self.home.mkdir()
        for name, text in (("host_key", self.host.private), ("id_ed25519", self.client.private)):
            (self.folder / name).touch(mode=0o600)
            (self.folder / name).write_text(text)
        (self.folder / "authorized_keys").write_text(self.client.public + "\n")
        known = f"[127.0.0.1]:{self.ports[0]} {self.host.public}\n"
        (self.folder / "known_hosts").write_text(known)
        lines = (
            "Host node",
            "HostName 127.0.0.1",
            f"Port {self.ports[0]}",
            f"User {self.user}",
            f"IdentityFile {self.folder}/id_ed25519",
            "IdentitiesOnly yes",
            "IdentityAgent none",
            f"UserKnownHostsFile {self.folder}/known_hosts",
            "GlobalKnownHostsFile /dev/null",
            "StrictHostKeyChecking yes",
            "LogLevel ERROR",
        )
        (self.folder / "ssh_config").write_text("\n".join(lines) + "\n")

    def _start(self, number: int, ports: list[int]) -> None:
        if os.geteuid() == 0:
            Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # its privilege separation folder
        lines = (
            *(f"ListenAddress 127.0.0.1:{port}" for port in ports),
            f"HostKey {self.folder}/host_key",
            f"AuthorizedKeysFile {self.folder}/authorized_keys",
            "StrictModes no",
            "UsePAM no",
            "PidFile none",
            "PasswordAuthentication no",
            "PermitRootLogin prohibit-password",
            "MaxStartups 200:30:200",
            # SHLVL: bash then leaves out ~/.bashrc, whose cost is the user's.
            f"SetEnv HOME={self.home} SHLVL=9",
        )
        config = self.folder / f"sshd_config{number}"
        config.write_text("\n".join(lines) + "\n")
        with (self.folder / "sshd.log").open("ab") as log:
            command = [self._sshd, "-D", "-e", "-f", str(config)]
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=log)
        self._processes.append(process)
        for port in ports:
            self._await(port, process)

    def _await(self, port: int, process: subprocess.Popen[bytes]) -> None:
        limit = time.monotonic() + _START_S
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
            except OSError:
                if process.poll() is not None or time.monotonic() > limit:
                    log = (self.folder / "sshd.log").read_text(errors="replace")
                    raise MeasureError(f"sshd does not start: {log.strip()[-300:]}") from None
                time.sleep(0.01)
            else:
                return


def _program(name: str, what: str) -> str:
    found = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    if found is None:
        raise Skipped(f"needs {what}")
    return found  # sshd insists on an absolute path, which this is


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    try:
        for sock in sockets:
            sock.bind(("127.0.0.1", 0))
        return [sock.getsockname()[1] for sock in sockets]
    finally:
        for sock in sockets:
            sock.close()


def _chunks(ports: list[int]) -> list[list[int]]:
    return [ports[at : at + _PORTS_A_SERVER] for at in range(0, len(ports), _PORTS_A_SERVER)]
