"""A room of its own for every test, and clients to reach what is in it."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from arb_local.room import Machine, MachineSpec, MachineState, Room
from arb_local.room.hostkeys import generate

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


@dataclass(frozen=True)
class Client:
    """A key pair, and how to use it."""

    private: Path
    public: str

    def options(self, machine: Machine) -> list[str]:
        known = self.private.with_name(f"known-{machine.id}")
        known.write_text(f"[{machine.address}]:{machine.port} {machine.host_key}\n")
        return [
            *("-F", "/dev/null", "-i", str(self.private), "-p", str(machine.port)),
            *("-o", f"UserKnownHostsFile={known}", "-o", "StrictHostKeyChecking=yes"),
            *("-o", "BatchMode=yes", "-o", "ConnectTimeout=10", "-o", "LogLevel=ERROR"),
        ]

    def command(self, machine: Machine, command: str, *extra: str) -> list[str]:
        where = f"{machine.user}@{machine.address}"
        return ["ssh", *self.options(machine), *extra, where, command]

    def run(
        self, machine: Machine, command: str, *extra: str, data: bytes = b"", timeout_s: float = 60
    ) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            self.command(machine, command, *extra),
            input=data,
            capture_output=True,
            timeout=timeout_s,
            check=False,
        )

    def text(self, machine: Machine, command: str, *extra: str) -> str:
        result = self.run(machine, command, *extra)
        assert result.returncode == 0, result.stderr
        return result.stdout.decode()


@pytest.fixture(scope="session")
def client(tmp_path_factory: pytest.TempPathFactory) -> Client:
    from cryptography.hazmat.primitives import serialization

    folder = tmp_path_factory.mktemp("client")
    text = generate()
    path = folder / "id"
    path.touch(mode=0o600)
    path.write_text(text)
    key = serialization.load_ssh_private_key(text.encode(), None)
    public = key.public_key().public_bytes(
        serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH
    )
    return Client(path, public.decode())


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Room]:
    """A room that must be empty, without a process, when its machines were ended."""
    room = Room(tmp_path / "room")
    yield room
    for machine in room.list():
        assert room.terminate(machine.id)
    assert list(room.machines.iterdir()) == []
    assert processes_below(room.path) == []


@pytest.fixture
def make(room: Room, client: Client):
    """Make machines that the client may enter; wait until they run."""

    def make_machine(token: str = "one", *, wait: bool = True, **spec: object) -> Machine:
        spec.setdefault("authorized_keys", (client.public,))
        machine = room.make(MachineSpec(token=token, **spec))  # type: ignore[arg-type]
        return room.wait(machine.id, MachineState.RUNNING) if wait else machine

    return make_machine


needs_ssh = pytest.mark.skipif(shutil.which("ssh") is None, reason="no OpenSSH client here")


@pytest.fixture
def ssh(client: Client) -> Client:
    if shutil.which("ssh") is None:
        pytest.skip("no OpenSSH client here")
    return client


def processes_below(path: Path) -> Sequence[int]:
    """Find living processes whose environment, working folder or arguments name a folder."""
    found = []
    for entry in Path("/proc").iterdir() if Path("/proc/self").exists() else ():
        if not entry.name.isdigit():
            continue
        try:
            texts = [(entry / "environ").read_bytes(), str((entry / "cwd").readlink()).encode()]
        except OSError:
            continue
        if any(str(path).encode() in text for text in texts):
            found.append(int(entry.name))
    return found
