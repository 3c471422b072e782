"""A real OpenSSH server on 127.0.0.1 for each test module that asks for one."""

from __future__ import annotations

import getpass
import os
import shutil
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # servers.py

from arb.nodes.keys import KeyPair, generate_key
from arb.nodes.ssh import SshNode
from arb.types import SshEndpoint

SSHD = shutil.which("sshd", path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def until_listening(port: int, process: subprocess.Popen[bytes], deadline_s: float = 10) -> None:
    deadline = time.monotonic() + deadline_s
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            assert process.poll() is None, "the server ended"
            assert time.monotonic() < deadline, "the server does not listen"
            time.sleep(0.01)
        else:
            return


@dataclass
class Sshd:
    """One sshd process with its own host key, which lets ``client`` in as the current user."""

    folder: Path
    client: KeyPair
    host: KeyPair = field(default_factory=generate_key)
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None
    options: tuple[str, ...] = ()
    nodes: list[SshNode] = field(default_factory=list)
    user: str = field(default_factory=getpass.getuser)

    def start(self) -> None:
        key, keys = self.folder / "host_key", self.folder / "authorized_keys"
        _write(key, self.host.private)
        _write(keys, self.client.public + "\n")
        config = self.folder / "sshd_config"
        lines = (
            f"ListenAddress 127.0.0.1:{self.port}",
            f"HostKey {key}",
            f"AuthorizedKeysFile {keys}",
            "StrictModes no",
            "UsePAM no",
            "PidFile none",
            "PasswordAuthentication no",
            "PermitRootLogin prohibit-password",
            "MaxStartups 100:30:100",
            "SetEnv SHLVL=9",  # bash then leaves out ~/.bashrc, which may be slow
            *self.options,
        )
        _write(config, "\n".join(lines) + "\n")
        assert SSHD
        with (self.folder / "sshd.log").open("ab") as log:
            self.process = subprocess.Popen(
                [SSHD, "-D", "-e", "-f", str(config)], stdin=subprocess.DEVNULL, stderr=log
            )
        until_listening(self.port, self.process)

    def close(self) -> None:
        for node in self.nodes:
            node.close()
        self.stop()

    def stop(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    @property
    def endpoint(self) -> SshEndpoint:
        return SshEndpoint("127.0.0.1", self.port, self.user)

    def node(self, **options) -> SshNode:
        options.setdefault("expected_host_key", self.host.public)
        node = SshNode(self.endpoint, self.client, options.pop("expected_host_key"), **options)
        self.nodes.append(node)
        return node


def _write(path: Path, text: str) -> None:
    path.touch(mode=0o600)
    path.write_text(text)


def _need_sshd() -> None:
    if SSHD is None:
        pytest.skip("no sshd on this machine")
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # its privilege separation folder


class FakeClock:
    """Time that passes only while somebody sleeps."""

    def __init__(self) -> None:
        self.time = 1000.0

    def now(self) -> float:
        return self.time

    def monotonic(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.time += seconds


@pytest.fixture
def fake_clock() -> FakeClock:
    return FakeClock()


@pytest.fixture(scope="session")
def client_pair() -> KeyPair:
    return generate_key("arb-test")


@pytest.fixture(scope="module")
def sshd(tmp_path_factory, client_pair):
    """Yield one running sshd for the module."""
    _need_sshd()
    server = Sshd(tmp_path_factory.mktemp("sshd"), client_pair)
    server.start()
    yield server
    server.close()


@pytest.fixture
def own_sshd(tmp_path, client_pair):
    """Yield an sshd that the test starts and stops itself."""
    _need_sshd()
    server = Sshd(tmp_path, client_pair)
    yield server
    server.close()


@pytest.fixture
def node(sshd):
    """Yield a fresh connection to the module's sshd."""
    with sshd.node() as ssh_node:
        yield ssh_node
