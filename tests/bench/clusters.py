"""Launching and running, against a fresh OpenSSH connection to a real sshd."""

from __future__ import annotations

import itertools
import json
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

from tests.bench.rows import Row, alternately, first_byte_s, median_s, run_s

from arb.nodes.fanout import fan_out

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.bench.world import World

    from arb.nodes.ssh import SshNode

NODES = 32
REFUSALS = 100
IDLE_S = 10


def rows(world: World) -> Iterator[Row]:
    """Yield the rows of launch, exec, fan-out, fall-through and the idle agent."""
    if world.has_openssh:
        yield launch_row(world, 1, 1.2)
        yield launch_row(world, 2, 1.8)
        yield from exec_and_idle_rows(world)
        yield from fan_out_rows(world)
    yield walk_row(world)


def launch_row(world: World, nodes: int, limit_s: float) -> Row:
    """Time ``arb launch`` on this machine to its first output."""
    names = itertools.count()

    def launch_s() -> float:
        name = f"n{nodes}-{next(names)}"
        what = ["--infra", "local", "--num-nodes", str(nodes), "echo ready"]
        taken = first_byte_s([world.arb, "launch", "-y", "-c", name, *what], world.env)
        run_s([world.arb, "down", "-y", name], world.env)
        return taken

    command = world.openssh("echo ready")
    ours, bare = alternately(launch_s, lambda: first_byte_s(command, world.env))
    detail = f"{ours:.2f} s against {bare:.2f} s of ssh HOST echo"
    what = f"launch on arb-local to the first line, {nodes} node{'s'[: nodes - 1]}"
    return Row(what, ours - bare, limit_s, "s", detail)


def exec_and_idle_rows(world: World) -> Iterator[Row]:
    """Time ``arb exec`` to its first output, and watch the agent afterwards."""
    run_s([world.arb, "launch", "-y", "-c", "kept", "--infra", "local", "true"], world.env)
    command = world.openssh("echo ready")
    ours, bare = alternately(
        lambda: first_byte_s([world.arb, "exec", "kept", "echo ready"], world.env),
        lambda: first_byte_s(command, world.env),
    )
    detail = f"{ours * 1000:.0f} ms against {bare * 1000:.0f} ms of ssh HOST echo"
    yield Row("exec to the first line", (ours - bare) * 1000, 200, "ms", detail)
    yield from idle_rows(world)
    run_s([world.arb, "down", "-y", "kept"], world.env)


def idle_rows(world: World) -> Iterator[Row]:
    """Measure what the agent of an idle node takes."""
    (pid,) = agents(world)
    begun = cpu_s(pid)
    time.sleep(IDLE_S)
    share = (cpu_s(pid) - begun) / IDLE_S * 100
    yield Row("agent idle, CPU", share, 1, "%", f"of a core, over {IDLE_S} s")
    status = Path(f"/proc/{pid}/status").read_text()
    kib = int(status.split("VmRSS:")[1].split()[0])
    yield Row("agent idle, memory", kib / 1000, 20, "MB", "resident")


def agents(world: World) -> list[int]:
    """Return the daemons of agents on nodes of this home."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = entry.read_bytes().split(b"\0")
        except OSError:
            continue
        ours = any(w.startswith(bytes(world.root)) and b"/.arb/agent/" in w for w in words)
        if ours and b"python" in words[0] and b"serve" in words:
            found.append(int(entry.parent.name))
    return found


def cpu_s(pid: int) -> float:
    """Return the processor seconds that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100


def fan_out_rows(world: World) -> Iterator[Row]:
    """Run one command over many connections to one sshd, new ones and kept ones."""
    sshd = world.sshd()

    def fresh(count: int) -> None:
        nodes = [sshd.node() for _ in range(count)]
        fan_out(say_true, nodes)
        for node in nodes:
            node.close()

    one, many = median_s(lambda: fresh(1)), median_s(lambda: fresh(NODES), runs=5)
    detail = f"{many * 1000:.0f} ms against {one * 1000:.0f} ms for one node, all on this machine"
    yield Row(f"{NODES} nodes, fresh connections", many / one, 2.5, "x", detail)
    kept = [sshd.node() for _ in range(NODES)]
    all_kept = median_s(lambda: fan_out(say_true, kept))
    yield Row(f"{NODES} nodes, kept connections", all_kept * 1000, 120, "ms", "true on each")


def say_true(node: SshNode) -> None:
    """Run the cheapest command there is."""
    node.exec("true")


def walk_row(world: World) -> Row:
    """Walk over offers without capacity; each costs two commits and a refused order."""

    def refused_s(count: int) -> float:
        kind = {
            "instance_type": "full",
            "price_usd_hour": 1.0,
            "capacity": 0,
            "regions": {f"r{i:03}": [] for i in range(count)},
        }
        task = world.root / "full.yaml"
        task.write_text("run: 'true'\nresources: {instance_type: full}\n")
        home = world.root / f"walk{count}-{time.monotonic_ns()}"
        home.mkdir()
        options = {"provider_options": {"local": {"simulated": [kind]}}}
        (home / "config.yaml").write_text(json.dumps(options))
        env = {**world.env, "ARB_HOME": str(home)}
        begun = time.perf_counter()
        walk = [world.arb, "launch", "-y", str(task), "--infra", "local"]
        done = subprocess.run(walk, env=env, capture_output=True, text=True, check=False)
        assert done.returncode not in {0, 2}, done.stderr
        assert done.stderr.count("no capacity") >= count, done.stderr
        return time.perf_counter() - begun

    few, many = alternately(lambda: refused_s(1), lambda: refused_s(REFUSALS + 1), runs=5)
    detail = f"{REFUSALS} refusals in one launch, the provider's own work included"
    return Row("fall-through to the next offer", (many - few) / REFUSALS * 1000, 5, "ms", detail)
