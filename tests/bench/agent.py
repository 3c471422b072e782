"""Rows of the agent while it has nothing to do."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from .harness import Kind, Limit, Measurement, Row, Skipped

if TYPE_CHECKING:
    from .workbench import Workbench

__all__ = ["ROWS"]

_WINDOW_S: Final = 4.0
_KIB_A_MB: Final = 1024


def _cpu(workbench: Workbench) -> Measurement:
    """Take the share of a core over windows, children that ended included."""
    pid = _agent_pid(workbench)
    samples = []
    for _ in range(workbench.runs):
        begun, before = time.monotonic(), _cpu_s(pid)
        time.sleep(_WINDOW_S)
        samples.append(100 * (_cpu_s(pid) - before) / (time.monotonic() - begun))
    most = f"highest window: {max(samples):.2f} %"
    size = f"1 node of arb-local, windows of {_WINDOW_S:g} s"
    return Measurement(tuple(samples), size=size, notes=(most,))


def _memory(workbench: Workbench) -> Measurement:
    """Take the resident memory, beside that of a Python that does nothing."""
    pid = _agent_pid(workbench)
    interpreter = str(Path(f"/proc/{pid}/exe").readlink())
    samples, bare = [], []
    for _ in range(workbench.runs):
        samples.append(_resident_mb(pid))
        with subprocess.Popen(
            [interpreter, "-I", "-S", "-c", "print(flush=True); input()"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        ) as python:  # fmt: skip
            assert python.stdout is not None
            python.stdout.readline()
            bare.append(_resident_mb(python.pid))
            python.communicate(b"\n")
    return Measurement(tuple(samples), tuple(bare), "1 node of arb-local")


def _agent_pid(workbench: Workbench) -> int:
    """Return the process of the agent on the idle cluster's node; its front end has left."""
    from arb.clusters.nodes import Nodes
    from arb.clusters.session import Session
    from arb.state.clusters import get_cluster

    if not Path("/proc/self/schedstat").exists():
        raise Skipped("needs /proc of Linux")
    with Session(workbench.local.env) as session:
        record = get_cluster(session.store, "bench")
        assert record is not None
        return int(Nodes(session, record).head.agent().call("status")["pid"])


def _cpu_s(pid: int) -> float:
    """Return the processor seconds of a process's threads and of its children that ended."""
    threads = Path(f"/proc/{pid}/task").glob("*/schedstat")
    own_ns = sum(int(thread.read_text().split()[0]) for thread in threads)
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return own_ns / 1e9 + sum(map(int, fields[13:15])) / os.sysconf("SC_CLK_TCK")


def _resident_mb(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / _KIB_A_MB
    raise Skipped("the kernel does not tell the resident memory")


ROWS: Final = (
    Row("agent-cpu", "the node agent, idle: of one core", Limit(Kind.TOTAL, 1, "%"), "", _cpu),
    Row(
        "agent-memory",
        "the node agent, idle: resident memory",
        Limit(Kind.TOTAL, 20, "MB"),
        "a bare Python of the same version",
        _memory,
    ),
)
