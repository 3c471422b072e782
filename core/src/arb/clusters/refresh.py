"""What the provider says about a cluster's machines now. Only its answer makes one gone."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from arb.errors import ArbError, NodeError, NodeUnreachable
from arb.provision.sightings import settle
from arb.state.attempts import AttemptState, attempts_of_cluster
from arb.state.clusters import ClusterStatus
from arb.state.leases import LeaseHeld
from arb.state.machines import machines_of_cluster
from arb.types import InstanceState, ListQuery

if TYPE_CHECKING:
    from collections.abc import Iterator

    from arb.clusters.session import Session
    from arb.state.clusters import ClusterRecord
    from arb.state.machines import Machine

__all__ = [
    "LossWatch",
    "close_if_empty",
    "how_to_go_on",
    "lost_nodes",
    "refresh",
    "stopped_nodes",
    "told_if_gone",
]

_ASK_S: Final = 10.0
"""How often a provider is asked about nodes that are waited for."""


def refresh(session: Session, cluster: ClusterRecord) -> list[Machine]:
    """Ask the provider about a cluster's machines, record the answer and return those that are no use.

    That are those that are gone, and those that their provider took or that failed, whatever of them
    is still billed.

    A machine that is missing from a complete listing is gone once it is older than the provider's
    listing lag; one that is missing from an incomplete listing is left as it is.

    Raises:
        ArbError: The provider did not answer; nothing is known and nothing changed.
    """
    machines = machines_of_cluster(session.store, cluster.id)
    for name in sorted({machine.provider for machine in machines}):
        _ask(session, name, [m for m in machines if m.provider == name])
    everything = machines_of_cluster(session.store, cluster.id, include_gone=True)
    return [machine for machine in everything if _is_no_use(machine)]


def lost_nodes(session: Session, cluster: ClusterRecord) -> list[Machine]:
    """Return the nodes of a cluster that is up whose provider says that they are no use any more.

    A provider that does not answer says nothing. A machine that was made beside the nodes is none.
    """
    try:
        gone = refresh(session, cluster)
    except ArbError as error:
        session.progress.warn(f"{cluster.provider} could not be asked: {error.summary}")
        return []
    current = current_attempt(session, cluster)
    return [machine for machine in gone if machine.attempt_id == current and machine.ssh_host]


def stopped_nodes(session: Session, cluster: ClusterRecord) -> list[Machine]:
    """Return the nodes of a cluster that were without power when their provider was last asked."""
    machines = machines_of_cluster(session.store, cluster.id)
    return [m for m in machines if m.is_stopped and m.terminate_after is None]


class LossWatch:
    """Finds out, while nodes are waited for, that the provider has taken one: it will never answer.

    Args:
        session: Of this process.
        cluster: Whose nodes are waited for; several threads may do that.
    """

    def __init__(self, session: Session, cluster: ClusterRecord) -> None:
        self._session, self._cluster = session, cluster
        self._lock = threading.Lock()
        self._ask_at = session.clock.monotonic() + _ASK_S

    def check(self) -> None:
        """Ask the provider when that is due; one that does not answer says nothing.

        Raises:
            NodeError: A node is gone.
        """
        with self._lock:
            now = self._session.clock.monotonic()
            if now < self._ask_at:
                return
            self._ask_at = now + _ASK_S
            lost = lost_nodes(self._session, self._cluster)
        if lost:
            raise _gone(self._cluster, lost[0])


@contextmanager
def told_if_gone(session: Session, cluster: ClusterRecord) -> Iterator[None]:
    """Ask the provider about nodes that cannot be reached, and say so when they are gone or stopped.

    Raises:
        NodeError: A node that could not be reached is gone or stopped.
        NodeUnreachable: It could not be reached, and its provider does not know why either.
    """
    try:
        yield
    except NodeUnreachable as error:
        lost = lost_nodes(session, cluster)
        stopped = stopped_nodes(session, cluster)
        if not lost and stopped:
            summary = f"{cluster.name} rank {stopped[0].rank} is stopped"
            raise NodeError(summary, code="node-stopped", hint=how_to_go_on(cluster)) from error
        if not lost:
            raise
        hint = f"launch it again to replace it, or end it with: arb down {cluster.name}"
        raise _gone(cluster, lost[0], hint) from error


def how_to_go_on(cluster: ClusterRecord) -> str:
    """Return what can be done about stopped nodes. Starting them may be worth what is on their disks."""
    return f"start it at its provider, or end it with: arb down {cluster.name}"


def close_if_empty(session: Session, cluster: ClusterRecord) -> bool:
    """End a cluster whose machines are all gone: nothing is paid for, and its name is free again.

    One that another command works on is left to it.

    Returns:
        Whether that was so.
    """
    if cluster.status is not ClusterStatus.UP or machines_of_cluster(session.store, cluster.id):
        return False
    from arb.clusters.lock import cluster_lock
    from arb.provision.giveback import finish

    try:
        with cluster_lock(session, cluster.name, patience_s=0) as lease:
            finish(session.shop.under(lease), cluster.id)
    except LeaseHeld:
        return False
    session.progress.step(f"cluster {cluster.name} is gone: no machine of it is left")
    return True


def current_attempt(session: Session, cluster: ClusterRecord) -> str:
    """Return the token of the purchase that serves a cluster; empty when there is none."""
    ready = [
        attempt.id
        for attempt in attempts_of_cluster(session.store, cluster.id)
        if attempt.state is AttemptState.READY
    ]
    return ready[-1] if ready else ""


def _gone(cluster: ClusterRecord, machine: Machine, hint: str = "") -> NodeError:
    why = machine.reason.value or machine.detail
    summary = f"{cluster.name} rank {machine.rank} is gone: {why}"
    return NodeError(summary, code="node-gone", hint=hint)


def _is_no_use(machine: Machine) -> bool:
    """Say whether a machine has ended, or ends although nobody here asked for that."""
    ends = machine.state is InstanceState.TERMINATING and machine.terminate_after is None
    return ends or machine.state is InstanceState.GONE


def _ask(session: Session, name: str, machines: list[Machine]) -> None:
    provider = session.plugins.provider(name)
    query = ListQuery(
        tokens=frozenset(machine.token for machine in machines),
        regions=frozenset(machine.region for machine in machines),
    )
    listed_at = session.store.now()
    listing = provider.list_instances(query)
    settle(
        session.journal,
        machines,
        listing,
        listed_at=listed_at,
        lag_s=provider.info.listing_lag_s,
    )
