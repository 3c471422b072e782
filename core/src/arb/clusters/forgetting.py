"""Give up machines that arb can never end: only on the user's request, and never quietly.

This does not make a machine gone. arb stops counting it and looking after it, says so, and keeps
that in the log. If its provider can ever be listed again, the reaper finds the machine by its token
and ends it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from arb.clusters.lock import cluster_lock
from arb.clusters.sshaccess import rewrite
from arb.errors import ArbError, UsageError, closest
from arb.nodes.keys import forget_gang_key
from arb.provision.giveback import forget_host_keys
from arb.provision.lost import LOST
from arb.provision.shop import explained
from arb.state import events
from arb.state.attempts import attempts_of_cluster, open_attempts
from arb.state.clusters import ClusterStatus, list_clusters
from arb.state.machines import machines_of_cluster

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from arb.clusters.session import Session
    from arb.state.attempts import Attempt
    from arb.state.clusters import ClusterRecord
    from arb.state.machines import Machine

__all__ = ["Hopeless", "forget", "forgettable", "look"]

_PATIENCE_S: Final = 3600.0
"""A provider that has not confirmed an end for so long never may."""


@dataclass(frozen=True, slots=True)
class Hopeless:
    """One life of a cluster, and what of it cannot be ended.

    Attributes:
        machines: With why each cannot be ended.
        attempts: Purchases that may have made more, and that cannot be looked up.
        waiting: Machines that arb goes on ending: while there are any nothing is given up.
    """

    record: ClusterRecord
    machines: tuple[tuple[Machine, str], ...] = ()
    attempts: tuple[tuple[Attempt, str], ...] = ()
    waiting: tuple[Machine, ...] = ()


def forgettable(session: Session, names: Iterable[str]) -> list[ClusterRecord]:
    """Return the clusters of these names that something may be left of, live or gone.

    Raises:
        UsageError: There is none of a name.
    """
    records = list_clusters(session.store, include_gone=True)
    open_ones = {attempt.cluster_id for attempt in open_attempts(session.store)}
    left = [r for r in records if r.status is not ClusterStatus.GONE or r.id in open_ones]
    for name in names:
        if name not in {record.name for record in left}:
            known = [record.name for record in left]
            raise UsageError(closest(name, known, what="cluster"), code="unknown-cluster")
    return [record for record in left if record.name in set(names)]


def look(session: Session, records: Sequence[ClusterRecord]) -> list[Hopeless]:
    """Say what of clusters whose end was just tried cannot be ended; nothing changes."""
    return [_look(session, record) for record in records]


def forget(session: Session, hopeless: Hopeless) -> None:
    """Give up on all that is left of a cluster, and let its name go.

    Raises:
        UsageError: Something of it still ends by itself.
    """
    record = hopeless.record
    if hopeless.waiting:
        machine = hopeless.waiting[0]
        why = machine.terminate_detail or "its end was asked for within the hour"
        summary = f"{machine.key} of {record.name} is still being ended ({why})"
        raise UsageError(summary, code="still-ending", hint="arb goes on with it; see: arb status")
    with cluster_lock(session, record.name) as lease:
        session.journal.under(lease).given_up(
            record.id,
            [(machine, why) for machine, why in hopeless.machines],
            [attempt for attempt, _ in hopeless.attempts],
        )
    for attempt in attempts_of_cluster(session.store, record.id):
        forget_host_keys(session.shop, attempt.id)
    forget_gang_key(session.vault, record.id)
    rewrite(session)


def _look(session: Session, record: ClusterRecord) -> Hopeless:
    machines: list[tuple[Machine, str]] = []
    waiting: list[Machine] = []
    for machine in machines_of_cluster(session.store, record.id):
        why = _hopeless(session, record, machine)
        if why:
            machines.append((machine, why))
        else:
            waiting.append(machine)
    attempts = [
        (attempt, why)
        for attempt in open_attempts(session.store, cluster_id=record.id)
        if attempt.state in LOST and (why := _unreachable(session, attempt.provider))
    ]
    return Hopeless(record, tuple(machines), tuple(attempts), tuple(waiting))


def _hopeless(session: Session, record: ClusterRecord, machine: Machine) -> str:
    """Return why a machine cannot be ended; empty while it still may be."""
    error = session.shop.unfinished.get(machine.key)
    if error is not None:
        return explained(error)
    wanted_at = _wanted_at(session, record, machine)
    if machine.terminate_after is None or session.store.now() - wanted_at < _PATIENCE_S:
        return ""
    return f"its provider has not confirmed its end for an hour ({machine.terminate_detail})"


def _wanted_at(session: Session, record: ClusterRecord, machine: Machine) -> float:
    """Return when the end of a machine was first asked for; the present when that is not known."""
    kinds = (events.CLUSTER_STATUS, events.ATTEMPT_STATE, events.MACHINE_REAPED)
    for event in events.read_events(session.store, cluster=record.name, kinds=kinds):
        is_cluster = event.kind == events.CLUSTER_STATUS and record.id in event.data
        is_attempt = event.attempt == machine.attempt_id and "giving-back" in event.data
        if (is_cluster and '"to": "terminating"' in event.data) or is_attempt:
            return event.at
    return session.store.now()


def _unreachable(session: Session, provider: str) -> str:
    """Return why a provider cannot be asked at all; empty when it can."""
    try:
        session.shop.provider(provider)
    except ArbError as error:
        return explained(error)
    return ""
