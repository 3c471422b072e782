"""A cluster's nodes as seen from here: SSH connections and agents, opened on first use."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from arb.errors import NodeError, NodeUnreachable
from arb.nodes.bootstrap import connect_agent
from arb.nodes.fanout import fan_out
from arb.nodes.ssh import SshNode
from arb.state.machines import machines_of_cluster
from arb.types import SshEndpoint

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    from arb.clusters.session import Session
    from arb.nodes.agent_client import AgentClient
    from arb.state.clusters import ClusterRecord
    from arb.state.machines import Machine

    Result = TypeVar("Result")

__all__ = ["ClusterNode", "KeptNodes", "Nodes"]


class ClusterNode:
    """One node: its machine record, its connection and its agent."""

    def __init__(self, session: Session, cluster: str, machine: Machine) -> None:
        self.machine = machine
        self.rank = machine.rank
        self._agent: AgentClient | None = None
        self._lock = threading.Lock()
        self.ssh = SshNode(
            SshEndpoint(machine.ssh_host, machine.ssh_port, machine.ssh_user),
            session.client_key,
            machine.host_key or None,
            host_key_seen=bool(machine.host_key) and machine.host_key_seen,
            name=f"{cluster} rank {machine.rank}",
        )

    def is_still(self, machine: Machine) -> bool:
        """Say whether this is how a machine is reached, by what is known of it now."""
        endpoint = SshEndpoint(machine.ssh_host, machine.ssh_port, machine.ssh_user)
        return endpoint == self.ssh.endpoint and machine.host_key in {"", self.ssh.host_key}

    def agent(self) -> AgentClient:
        """Return the node's agent, installing and starting it when it is not there.

        Raises:
            NodeError: As ``connect_agent``.
        """
        with self._lock:
            if self._agent is None or not self.ssh.is_connected:
                self._agent = connect_agent(self.ssh)
            return self._agent

    def forget_agent(self) -> None:
        """Drop a connection that broke; the next use makes a new one."""
        with self._lock:
            self._agent = None
        self.ssh.close()

    def close(self) -> None:
        """Close agent and connection; what runs there goes on."""
        if self._agent is not None:
            self._agent.close()
        self.ssh.close()


class KeptNodes:
    """The nodes that a session has spoken to: one connection each, however often it is used.

    Args:
        session: Of this process.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._nodes: dict[str, ClusterNode] = {}
        self._lock = threading.Lock()

    def get(self, cluster: str, machine: Machine) -> ClusterNode:
        """Return the node that a machine is now."""
        with self._lock:
            node = self._nodes.get(machine.key)
            if node is None or not node.is_still(machine):
                node = ClusterNode(self._session, cluster, machine)
                self._nodes[machine.key] = node
            node.machine = machine
            return node

    def close(self) -> None:
        """Close every connection."""
        with self._lock:
            nodes, self._nodes = self._nodes, {}
        for node in nodes.values():
            node.close()


class Nodes:
    """All nodes of a cluster, head first. Their connections are kept until the session closes.

    Args:
        session: Of this process.
        cluster: Whose.
        whole: Whether all must be there; else the head is enough, which knows of every job.

    Raises:
        NodeUnreachable: Machines of the cluster are gone.
    """

    def __init__(self, session: Session, cluster: ClusterRecord, *, whole: bool = True) -> None:
        self.cluster = cluster
        machines = [m for m in machines_of_cluster(session.store, cluster.id) if _serves(m)]
        has_head = any(machine.rank == 0 for machine in machines)
        if len(machines) != cluster.num_nodes and (whole or not has_head):
            summary = (
                f"cluster {cluster.name} has {len(machines)} of {cluster.num_nodes} nodes left"
            )
            hint = f"launch it again to replace it, or end it with: arb down {cluster.name}"
            raise NodeUnreachable(summary, code="nodes-lost", hint=hint)
        self._all = [session.nodes.get(cluster.name, m) for m in machines]

    def __len__(self) -> int:
        return len(self._all)

    @property
    def head(self) -> ClusterNode:
        """Rank 0."""
        return self._all[0]

    def rank(self, rank: int) -> ClusterNode:
        """Return one node.

        Raises:
            NodeError: There is none of this rank, or not any more.
        """
        found = next((node for node in self._all if node.rank == rank), None)
        if found is not None:
            return found
        last = self.cluster.num_nodes - 1
        if 0 <= rank <= last:
            summary = f"the machine of rank {rank} of cluster {self.cluster.name} is gone"
            raise NodeError(summary, code="node-gone")
        summary = f"cluster {self.cluster.name} has ranks 0 to {last}, not {rank}"
        raise NodeError(summary, code="no-such-rank")

    def has(self, rank: int) -> bool:
        """Say whether the node of a rank is there."""
        return any(node.rank == rank for node in self._all)

    def first(self, count: int) -> list[ClusterNode]:
        """Return the nodes that a job of ``count`` nodes runs on."""
        return self._all[:count]

    def on_all(self, function: Callable[[ClusterNode], Result]) -> list[Result]:
        """Call a function for every node at once; results in rank order."""
        return fan_out(function, self._all)


def _serves(machine: Machine) -> bool:
    """Say whether a machine is a node of its cluster, and not one that is being given back."""
    return bool(machine.ssh_host) and machine.terminate_after is None
