"""Rows from a command to its first line of output: launch and exec."""

from __future__ import annotations

from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Final

from .harness import Kind, Limit, Measurement, Row, Skipped, interleave
from .timing import ARB, to_line

if TYPE_CHECKING:
    from collections.abc import Callable

    from arb.state.clusters import ClusterRecord

    from .sshd import OpenSsh
    from .workbench import Home, Workbench

__all__ = ["ROWS"]

_LINE: Final = "first-line"
_ECHO: Final = f"echo {_LINE}"


def _launch(nodes: int) -> Callable[[Workbench], Measurement]:
    def measure(workbench: Workbench) -> Measurement:
        home, numbers = workbench.home_of_clusters(f"launch-{nodes}"), count(1)
        command, env, server = workbench.bare_ssh(_ECHO)
        subject, yardstick = interleave(
            lambda: _launch_once(home, f"launch{next(numbers)}", nodes),
            lambda: to_line(command, env, _LINE),
            workbench.runs,
        )
        many = "node" if nodes == 1 else "nodes"
        return Measurement(subject, yardstick, f"{nodes} {many}; {server}")

    return measure


def _launch_once(home: Home, name: str, nodes: int) -> float:
    """Return the seconds to the first line; the cluster ends afterwards."""
    options = ("--yes", "--cluster", name, "--infra", "local", "--num-nodes", str(nodes))
    took = to_line([*ARB, "launch", *options, _ECHO], home.env, _LINE)
    home.run("down", "--yes", name)
    return took


def _exec(workbench: Workbench) -> Measurement:
    """Compare on one real SSH server: a cluster whose only node is this server."""
    home = workbench.home("exec")
    server = _server_as_node(workbench, home)
    subject, yardstick = interleave(
        partial(to_line, [*ARB, "exec", "bench", _ECHO], home.env, _LINE),
        partial(to_line, server.command(_ECHO), home.env, _LINE),
        workbench.runs,
    )
    slow = "the default key exchange of OpenSSH's client and server is part of the yardstick"
    return Measurement(subject, yardstick, "1 node; sshd", notes=(slow,))


def _exec_local(workbench: Workbench) -> Measurement:
    home = workbench.local
    command = workbench.local_ssh(_ECHO)
    subject, yardstick = interleave(
        partial(to_line, [*ARB, "exec", "bench", _ECHO], home.env, _LINE),
        partial(to_line, command, home.env, _LINE),
        workbench.runs,
    )
    return Measurement(subject, yardstick, "1 node; arb-local")


def _server_as_node(workbench: Workbench, home: Home) -> OpenSsh:
    """Write down a cluster ``bench`` that runs on a real SSH server, and start its agent."""
    from arb.clusters.bringup import configure
    from arb.clusters.nodes import Nodes
    from arb.clusters.session import Session

    with Session(home.env) as session:
        if "local" not in session.plugins.provider_names():
            raise Skipped("needs arb-local")
        server = workbench.open_ssh_for("exec-sshd", session.client_key)
        record = _write_cluster(session, server)
        configure(session, record, Nodes(session, record))
    workbench.exits.callback(_shut_down, home)
    return server


def _write_cluster(session: object, server: OpenSsh) -> ClusterRecord:
    from arb.clusters.session import Session
    from arb.state.clusters import ClusterRecord, ClusterStatus, insert_cluster
    from arb.state.machines import Machine, record_machine
    from arb.types import InstanceState, Offer
    from arb.types.tokens import attempt_token, machine_token, new_id

    assert isinstance(session, Session)
    offer = Offer("local", "bench", "local", "a real SSH server", 0.0)
    now, cluster = session.store.now(), new_id()
    record = ClusterRecord(
        cluster, "bench", ClusterStatus.UP, now, 1, "local", "local", offer_json=offer.to_json()
    )
    token = attempt_token(session.store.owner(), cluster, 0)
    machine = Machine(
        "local", "i-bench", machine_token(token, 0), token, cluster, 0, "local",
        InstanceState.RUNNING, now, 0.0, address="127.0.0.1", private_address="127.0.0.1",
        ssh_host="127.0.0.1", ssh_port=server.ports[0], ssh_user=server.user,
        host_key=server.host.public, host_key_seen=True,
    )  # fmt: skip
    with session.store.write() as tx:
        insert_cluster(tx, record)
        record_machine(tx, machine)
    return record


def _shut_down(home: Home) -> None:
    """End the agent that runs under the real SSH server: no provider does it."""
    from arb.clusters.nodes import Nodes
    from arb.clusters.session import Session
    from arb.state.clusters import get_cluster

    with Session(home.env) as session:
        record = get_cluster(session.store, "bench")
        if record is not None:
            Nodes(session, record).head.agent().call("shutdown", force=True)


_SSH: Final = "exec with the OpenSSH client over a fresh connection"

ROWS: Final = (
    *(
        Row(
            name,
            f"`arb launch` on arb-local, {words}, command to first output line, warm",
            Limit(Kind.EXTRA, at_most),
            _SSH,
            _launch(nodes),
        )
        for name, nodes, words, at_most in (
            ("launch", 1, "one node", 1.2),
            ("launch-2", 2, "two nodes", 1.8),
        )
    ),
    Row(
        "exec",
        "`arb exec` on a running cluster, command to first output line",
        Limit(Kind.EXTRA, 0.2),
        f"{_SSH} to the same server",
        _exec,
    ),
    Row(
        "exec-local",
        "the same on a node of arb-local",
        Limit(Kind.EXTRA, 0.2),
        f"{_SSH} to the same node",
        _exec_local,
    ),
)
