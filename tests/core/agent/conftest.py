from __future__ import annotations

import contextlib
import os
import select
import shlex
import shutil
import signal
import subprocess
import sys
import time
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from arb.nodes.agent_build import agent_payload
from arb.nodes.agent_client import AgentClient

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

GRACE_S = 0.4
LEASE_S = 3.0
PATIENCE_S = 20.0


class ProcessChannel:
    """What SSH gives the client, around a local process."""

    def __init__(self, argv: list[str], env: dict[str, str]) -> None:
        self.process = subprocess.Popen(
            argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=env, cwd=env["HOME"], bufsize=0
        )

    def send(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            view = view[self.process.stdin.write(view) :]

    def recv(self, n: int, timeout: float | None) -> bytes:
        ready, _, _ = select.select([self.process.stdout], [], [], timeout)
        if not ready:
            raise TimeoutError("nothing came")
        return os.read(self.process.stdout.fileno(), n)

    def last_words(self) -> str:
        return f"exit code {self.process.wait(10)}"

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self.process.stdin.close()
        self.process.wait(10)
        self.process.stdout.close()


def until(claim: Callable[[], object], what: str = "", patience_s: float = PATIENCE_S) -> object:
    """Return the first true value of ``claim()``; fail when none comes."""
    deadline = time.monotonic() + patience_s
    while True:
        value = claim()
        if value:
            return value
        assert time.monotonic() < deadline, f"waited {patience_s} s for {what or claim}"
        time.sleep(0.01)


def alive(pid: int) -> bool:
    """True for a process that runs; zombies do not."""
    try:
        return b") Z " not in Path(f"/proc/{pid}/stat").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return False


def processes_with(text: str) -> list[int]:
    """Return the processes whose environment holds ``text``."""
    found = []
    for name in os.listdir("/proc"):  # noqa: PTH208 - asked very often, and this costs a third
        if name.isdigit() and int(name) != os.getpid():
            with contextlib.suppress(OSError), open(f"/proc/{name}/environ", "rb") as file:  # noqa: PTH123 - the same
                if text.encode() in file.read() and alive(int(name)):
                    found.append(int(name))
    return found


def command_line(pid: int) -> bytes:
    """Return a process's arguments, empty when it has ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""


def kill(*pids: int) -> None:
    """SIGKILL processes that may be gone."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    for pid in pids:
        until(lambda pid=pid: not alive(pid), f"{pid} to be dead")


def _watched(pid: int) -> int:
    """Return 0 for the agent's processes, 1 for wrappers, which the agent watches, 2 for jobs."""
    words = command_line(pid)
    return 0 if b"/.arb/" in words else 1 if b"\0wrapper.sh\0" in words else 2


@dataclass
class Node:
    """One simulated node: a home of its own on this machine."""

    home: Path
    env: dict[str, str]
    clients: list[AgentClient] = field(default_factory=list)

    @property
    def arb(self) -> Path:
        return self.home / ".arb"

    def connect(self, payload=None) -> AgentClient:
        payload = payload or agent_payload()
        channel = ProcessChannel(["/bin/sh", "-c", payload.command], self.env)
        client = AgentClient(channel, payload=payload, where=self.home.name)
        self.clients.append(client)
        return client

    def run(self, script: str, **more) -> tuple[AgentClient, int]:
        client = self.connect()
        return client, client.submit(token=uuid.uuid4().hex, run=script, **more)

    def daemon(self) -> int:
        """Return the process id of the daemon that serves."""
        with self.connect() as client:
            return client.call("status")["pid"]

    def keeper(self) -> int:
        return next(
            pid
            for pid in processes_with(f"HOME={self.home}\0")
            if b"arb-agent-keeper" in command_line(pid)
        )

    def kill_agent(self) -> None:
        """Kill the daemon, and the keeper first so that it stays dead."""
        daemon = self.daemon()
        kill(self.keeper())
        kill(daemon)

    def job_file(self, job: int, name: str) -> Path:
        return self.arb / "jobs" / str(job) / name

    def wrapper(self, job: int, phase: str = "run") -> int:
        file = self.job_file(job, f"{phase}.pid")
        return int(until(lambda: file.exists() and file.read_text().split(), "a wrapper")[0])

    def log(self, job: int) -> str:
        file = self.job_file(job, "log")
        return file.read_text() if file.exists() else ""

    def says(self, job: int, text: str) -> None:
        until(lambda: text in self.log(job), f"{text!r} in the log of job {job}")

    def marked(self, job: int) -> list[int]:
        """Return the processes of a job."""
        import json

        mark = json.loads(self.job_file(job, "state.json").read_text())["mark"]
        return processes_with(f"ARB_JOB_MARK={mark}.")

    def reboot(self) -> None:
        """Kill everything at once and come back with another boot id."""
        self.end()
        Path(self.env["ARB_BOOT_ID_FILE"]).write_text(uuid.uuid4().hex)

    def end(self) -> None:
        for client in self.clients:
            client._channel.process.kill()
            client.close()
        self.clients.clear()
        for _ in range(3):
            found = processes_with(f"HOME={self.home}\0")
            # As if all died at once: nobody may see and record how what it watches dies.
            kill(*sorted(found, key=_watched))


def finished(client: AgentClient, job: int, patience_s: float = PATIENCE_S):
    """Wait for a job's end and return it."""
    until(lambda: client.job(job).state.is_final, f"the end of job {job}", patience_s)
    return client.job(job)


def find_python38() -> str:
    candidates = [
        Path(os.environ.get("ARB_TEST_PYTHON38", "")),
        *Path("~/.pyenv/versions").expanduser().glob("3.8.*/bin/python3.8"),
        *(Path(folder) / "python3.8" for folder in os.environ.get("PATH", "").split(":")),
    ]
    for path in candidates:
        if path.is_file():
            done = subprocess.run(
                [path, "-c", "import sys; print(sys.version_info[:2])"],
                check=False,
                capture_output=True,
                text=True,
            )
            if done.stdout.strip() == "(3, 8)":
                return str(path)
    return ""


@pytest.fixture(params=["own", "3.8"], ids=["python-own", "python-3.8"])
def python(request) -> str:
    """The interpreter of the nodes: the one that runs the tests, and the oldest one served."""
    if request.param == "own":
        return os.path.realpath(sys.executable)
    found = find_python38()
    if not found:
        pytest.skip("no Python 3.8 here; name one in ARB_TEST_PYTHON38")
    return found


@pytest.fixture(scope="session")
def agents(tmp_path_factory) -> Path | None:
    """The agent as a first connection leaves it: most tests want a node that had one.

    Compiling it takes longer than the rest of a short test. None lets every node begin bare.
    """
    arb = tmp_path_factory.mktemp("agents")
    payload = agent_payload()
    archive = arb / "agent" / f"{payload.digest}.pyz"
    archive.parent.mkdir(mode=0o700)
    archive.write_bytes(payload.data)
    code = "import sys; sys.path.insert(0, sys.argv[1]); from arb_agent import install"
    unpack = f"{code}; install.unpack(*sys.argv[1:])"
    python = os.path.realpath(sys.executable)
    command = [python, "-I", "-S", "-c", unpack, str(archive), payload.digest]
    subprocess.run(command, cwd=arb, umask=0o077, check=True)
    archive.unlink()
    return archive.parent


@pytest.fixture
def make_node(tmp_path, agents) -> Iterator[Callable[..., Node]]:
    """Make nodes; all their processes are ended afterwards."""
    made: list[Node] = []

    def make(name: str = "node", python: str | None = None, **env: str) -> Node:
        home = tmp_path / "nodes" / name
        tools = tmp_path / "tools" / name
        home.mkdir(parents=True)
        tools.mkdir(parents=True)
        own = os.path.realpath(sys.executable)
        (tools / "python3").symlink_to(python or own)
        if agents and (python or own) == own:
            (home / ".arb").mkdir(mode=0o700)
            shutil.copytree(agents, home / ".arb" / "agent")
        boot = tmp_path / f"{name}.boot_id"
        boot.write_text("first")
        base = {
            "HOME": str(home),
            "PATH": f"{tmp_path / 'bin'}:{tools}:/usr/bin:/bin",
            "USER": "tester",
            "ARB_BOOT_ID_FILE": str(boot),
            "ARB_AGENT_GRACE_S": str(GRACE_S),
            "ARB_AGENT_LEASE_S": str(LEASE_S),
            "ARB_AGENT_RESTART_S": "0.05",
        }
        node = Node(home=home, env={**base, **env})
        made.append(node)
        return node

    yield make
    for node in made:
        node.end()


@pytest.fixture
def node(make_node) -> Node:
    return make_node()


SSH = """#!/bin/sh
# ssh [options] user@host command: runs it as that node would; HOST.down is a broken network.
while [ $# -gt 2 ]; do shift; done
host=${1#*@}
if [ -e "NODES/$host.down" ]; then
  echo "ssh: connect to host $host port 22: No route to host" >&2
  exit 255
fi
. "NODES/$host.env"
exec sh -c "$2"
"""


@dataclass
class Cluster:
    """A head and its peers, joined by a make-believe ssh."""

    nodes: list[Node]
    folder: Path
    client: AgentClient | None = None

    @property
    def head(self) -> Node:
        return self.nodes[0]

    def submit(self, script: str, **more) -> int:
        if self.client is None:
            self.client = self.head.connect()
        more.setdefault("num_nodes", len(self.nodes))
        return self.client.submit(token=uuid.uuid4().hex, run=script, **more)

    def finished(self, job: int, patience_s: float = PATIENCE_S):
        with self.head.connect() as client:
            return finished(client, job, patience_s)

    def say(self, job: int, text: str) -> None:
        for node in self.nodes:
            node.says(job, text)

    def nothing_left(self, job: int) -> None:
        for node in self.nodes:
            until(lambda node=node: not node.marked(job), f"no process of job {job} on {node.home}")

    def cut(self, rank: int) -> None:
        """Break the network between the head and a peer."""
        (self.folder / f"rank-{rank}.down").touch()
        kill(*self.front_ends(rank))

    def mend(self, rank: int) -> None:
        (self.folder / f"rank-{rank}.down").unlink()

    def front_ends(self, rank: int) -> list[int]:
        """Return the front ends that the head's ssh runs on a peer."""
        return [
            pid
            for pid in processes_with(f"HOME={self.nodes[rank].home}\0")
            if command_line(pid).endswith(b"\0rpc\0")
        ]


def configure(nodes: list[Node], port: int, ips: list[str] | None = None, **more) -> None:
    """Tell every node its cluster, as a launch does."""
    ips = ips or [f"127.0.0.{n + 1}" for n in range(len(nodes))]
    listed = [
        {"rank": n, "host": f"rank-{n}", "port": 22, "user": "tester", "ip": ips[n]}
        for n in range(len(nodes))
    ]
    for rank, node in enumerate(nodes):
        fields = {
            "cluster": "trial",
            "cluster_id": "abcdefgh",
            "rank": rank,
            "num_nodes": len(nodes),
            "nodes": listed,
            "rendezvous_port": port,
            "info": {"cluster_name": "trial", "cloud": "local", "region": "here", "zone": ""},
            **more,
        }
        with node.connect() as client:
            client.call("configure", **fields)


@pytest.fixture
def free_port() -> int:
    """A port range of this test process; rendezvous ports are tried upwards from it."""
    return 15000 + os.getpid() % 240 * 70


@pytest.fixture
def make_cluster(make_node, tmp_path, free_port) -> Callable[..., Cluster]:
    """Make a configured cluster."""

    def make(count: int = 2, **more) -> Cluster:
        folder = tmp_path / "network"
        folder.mkdir()
        (tmp_path / "bin").mkdir(exist_ok=True)
        ssh = tmp_path / "bin" / "ssh"
        ssh.write_text(SSH.replace("NODES", str(folder)))
        ssh.chmod(0o755)
        nodes = [make_node(f"rank-{n}") for n in range(count)]
        for number, node in enumerate(nodes):
            lines = [f"export {k}={shlex.quote(v)}\n" for k, v in node.env.items()]
            (folder / f"rank-{number}.env").write_text("".join(lines))
        configure(nodes, free_port, **more)
        return Cluster(nodes, folder)

    return make


@pytest.fixture(name="until")
def until_fixture():
    return until


@pytest.fixture(name="finished")
def finished_fixture():
    return finished


@pytest.fixture(name="configure")
def configure_fixture():
    return configure


@pytest.fixture(name="kill")
def kill_fixture():
    return kill


@pytest.fixture(name="alive")
def alive_fixture():
    return alive


@pytest.fixture(name="processes_with")
def processes_with_fixture():
    return processes_with


@pytest.fixture(name="process_channel")
def process_channel_fixture():
    return ProcessChannel
