"""Stop paying for clusters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from arb.clusters import names
from arb.clusters.announce import announce
from arb.clusters.lock import cluster_lock
from arb.clusters.sshaccess import rewrite
from arb.errors import ArbError
from arb.nodes.fanout import fan_out_all
from arb.provision.giveback import end_cluster, finish
from arb.state.clusters import ClusterStatus, get_by_id

if TYPE_CHECKING:
    from collections.abc import Sequence

    from arb.clusters.session import Session
    from arb.state.clusters import ClusterRecord
    from arb.state.machines import Machine

__all__ = ["Ended", "down"]


@dataclass(frozen=True, slots=True)
class Ended:
    """What became of one cluster.

    Attributes:
        left: Machines whose end the provider has not confirmed yet; the wish stays on disk and the
            next command carries on.
        error: What went wrong; None when nothing did, also when a provider asks for patience.
        beside: Whether all machines are gone, and what was made beside them (rules, disks) is not.
    """

    cluster: str
    left: tuple[Machine, ...] = ()
    error: ArbError | None = None
    beside: bool = False


def down(session: Session, patterns: Sequence[str], *, everything: bool = False) -> list[Ended]:
    """End clusters by name or glob, all at once.

    Raises:
        UsageError: A name that is no cluster.
    """
    records = names.matching(session.store, patterns, everything=everything)
    outcomes = fan_out_all(lambda record: _end(session, record), records)
    ended = []
    for record, outcome in zip(records, outcomes, strict=True):
        if outcome.result is not None:
            ended.append(outcome.result)
        elif isinstance(outcome.error, ArbError):
            ended.append(Ended(record.name, error=outcome.error))
        elif outcome.error is not None:
            raise outcome.error
    if records:
        rewrite(session)
        announce(session)
    return ended


def _end(session: Session, record: ClusterRecord) -> Ended:
    """Commit the wish first: a launch that is under way sees it, gives back and lets go."""
    end_cluster(session.shop, record.id)
    with cluster_lock(session, record.name) as lease:
        left = tuple(finish(session.shop.under(lease), record.id))
    failures = [session.shop.unfinished.get(machine.key) for machine in left]
    after = get_by_id(session.store, record.id)
    beside = not left and after is not None and after.status is not ClusterStatus.GONE
    return Ended(record.name, left, next((error for error in failures if error), None), beside)
