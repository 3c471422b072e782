"""What the next command does for those that died: it carries on with everything that is open."""

from __future__ import annotations

from typing import TYPE_CHECKING

from arb.errors import ArbError
from arb.provision.giveback import finish
from arb.provision.lost import look_for_lost
from arb.state.attempts import AttemptState, open_attempts
from arb.state.clusters import ClusterStatus, list_clusters
from arb.state.leases import LeaseHeld, Leases

if TYPE_CHECKING:
    from arb.provision.shop import Shop
    from arb.state.clusters import ClusterRecord
    from arb.state.store import Store

__all__ = ["cluster_lease", "has_unfinished", "resume"]

_UNFINISHED = frozenset({ClusterStatus.INIT, ClusterStatus.TERMINATING})


def cluster_lease(name: str) -> str:
    """Return the name of the lease that whoever works on a cluster holds."""
    return f"cluster/{name}"


def has_unfinished(store: Store) -> bool:
    """Say whether there may be something to carry on with. Reads state only."""
    if any(record.status in _UNFINISHED for record in list_clusters(store)):
        return True
    return any(a.state is not AttemptState.READY for a in open_attempts(store))


def resume(shop: Shop, *, busy: str = "") -> None:
    """End what was left half made or half ended by processes that are no more.

    A cluster that another living process works on is left to it. Failures are warnings: they must
    not keep the command from its own work.

    Args:
        shop: The means.
        busy: Name of the cluster that the caller itself holds.
    """
    for record in list_clusters(shop.journal.store):
        if record.status in _UNFINISHED and record.name != busy:
            _carry_on(shop, record)
    _lost_of_ended_clusters(shop)


def _carry_on(shop: Shop, record: ClusterRecord) -> None:
    try:
        with Leases(shop.journal.store).held(cluster_lease(record.name)):
            if record.status is ClusterStatus.INIT:
                shop.progress.step(f"Ending cluster {record.name}, whose launch was cut off")
            finish(shop, record.id, patience_s=0)
    except LeaseHeld:
        return
    except ArbError as error:
        shop.progress.warn(f"cluster {record.name}: {error.summary}")


def _lost_of_ended_clusters(shop: Shop) -> None:
    """Look for what appears late under intents of clusters that are gone."""
    live = {record.id for record in list_clusters(shop.journal.store)}
    for cluster_id in {a.cluster_id for a in open_attempts(shop.journal.store)} - live:
        look_for_lost(shop, cluster_id)
        finish(shop, cluster_id, patience_s=0)
