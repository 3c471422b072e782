"""Rows of one command on many nodes at once."""

from __future__ import annotations

import os
import time
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from .harness import Kind, Limit, MeasureError, Measurement, Row, interleave

if TYPE_CHECKING:
    from collections.abc import Sequence

    from arb.nodes.ssh import SshNode

    from .sshd import OpenSsh
    from .workbench import Workbench

__all__ = ["ROWS"]

_NODES: Final = 32
_COMMAND: Final = "echo first-line"


def _fresh(workbench: Workbench) -> Measurement:
    servers = workbench.open_ssh("fanout-fresh", _NODES)
    subject, yardstick = interleave(
        partial(_connect_and_run, servers, _NODES),
        partial(_connect_and_run, servers, 1),
        workbench.runs,
    )
    note = _processor_time(servers)
    return Measurement(subject, yardstick, f"{_NODES} ports of sshd", notes=(note,))


def _processor_time(servers: OpenSsh) -> str:
    """Say who works while all connect: here the nodes' servers share this machine's cores."""
    before, ours = _ticks(), time.process_time()
    took = _connect_and_run(servers, _NODES)
    ours, after = time.process_time() - ours, _ticks()
    if before is None or after is None:
        return (
            f"one more run of {took * 1000:.0f} ms took {ours * 1000:.0f} ms of our processor time"
        )
    busy, whole = (now - then for now, then in zip(after, before, strict=True))
    return (
        f"one more run of {took * 1000:.0f} ms took {ours * 1000:.0f} ms of our processor time; "
        f"all {os.cpu_count()} cores were {busy / whole:.0%} busy meanwhile: with the servers of the "
        "nodes, which elsewhere have cores of their own"
    )


def _ticks() -> tuple[int, int] | None:
    """Return how long all cores worked, and how long they were there; None if nothing says so."""
    stat = Path("/proc/stat")
    if not stat.exists():
        return None
    user, nice, system, idle, waiting, *rest = map(int, stat.read_text().split()[1:9])
    busy = user + nice + system + sum(rest)
    return busy, busy + idle + waiting


def _kept(workbench: Workbench) -> Measurement:
    servers = workbench.open_ssh("fanout-kept", _NODES)
    with ExitStack() as stack:
        nodes = [stack.enter_context(node) for node in _nodes(servers, _NODES)]
        _run_on(nodes)
        subject, yardstick = interleave(
            partial(_run_on, nodes), partial(_run_on, nodes[:1]), workbench.runs
        )
    return Measurement(subject, yardstick, f"{_NODES} ports of sshd")


def _nodes(servers: OpenSsh, count: int) -> list[SshNode]:
    from arb.nodes.ssh import SshNode
    from arb.types import SshEndpoint

    return [
        SshNode(
            SshEndpoint("127.0.0.1", port, servers.user),
            servers.client,
            servers.host.public,
            host_key_seen=True,
        )
        for port in servers.ports[:count]
    ]


def _connect_and_run(servers: OpenSsh, count: int) -> float:
    with ExitStack() as stack:
        return _run_on([stack.enter_context(node) for node in _nodes(servers, count)])


def _run_on(nodes: Sequence[SshNode]) -> float:
    """Return the seconds until the last node has answered."""
    from arb.nodes.fanout import fan_out

    begun = time.perf_counter()
    results = fan_out(lambda node: node.exec(_COMMAND, timeout_s=60), nodes)
    took = time.perf_counter() - begun
    if any(result.text != "first-line" for result in results):
        raise MeasureError("a node did not answer as it should")
    return took


ROWS: Final = (
    Row(
        "fanout-fresh",
        f"one command on {_NODES} nodes, fresh connections",
        Limit(Kind.RATIO, 2.5),
        "the same on one node",
        _fresh,
    ),
    Row(
        "fanout-kept",
        f"one command on {_NODES} nodes, kept connections",
        Limit(Kind.TOTAL, 0.12),
        "the same on one node",
        _kept,
    ),
)
