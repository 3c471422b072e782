"""Carry on with everything that commands which died have left open.

Looking for open work does not import the modules that do the work.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from arb.errors import ArbError
from arb.state.attempts import AttemptState, open_attempts
from arb.state.clusters import ClusterStatus, get_by_id, list_clusters
from arb.state.machines import ending_machines
from arb.state.marks import STATE_LOST, get_mark

if TYPE_CHECKING:
    from arb.provision.shop import Shop
    from arb.state.clusters import ClusterRecord
    from arb.state.store import Store

__all__ = ["carry_on", "cluster_lease", "has_unfinished", "resume"]

_UNFINISHED = frozenset({ClusterStatus.INIT, ClusterStatus.TERMINATING})


def cluster_lease(name: str) -> str:
    """Return the name of the lease that whoever works on a cluster holds."""
    return f"cluster/{name}"


def has_unfinished(store: Store) -> bool:
    """Say whether there may be something to carry on with. Reads state only."""
    if any(record.status in _UNFINISHED for record in list_clusters(store)):
        return True
    if any(a.state is not AttemptState.READY for a in open_attempts(store)):
        return True
    return bool(ending_machines(store)) or bool(get_mark(store, STATE_LOST))


def resume(shop: Shop, *, busy: str = "") -> None:
    """End what was left half made or half ended by processes that are no more.

    A cluster that another living process works on is left to it. Failures are warnings: they must
    not keep the command from its own work.

    Args:
        shop: The means.
        busy: Name of the cluster that the caller itself holds.
    """
    if get_mark(shop.journal.store, STATE_LOST):
        from arb.provision.recover import recover

        recover(shop)
    carry_on(shop, busy=busy)


def carry_on(shop: Shop, *, busy: str = "") -> None:
    """Do the same from what state knows alone."""
    from arb.provision.giveback import finish

    store = shop.journal.store
    # Attempts first: a cluster that is younger than them has none here, and is not taken for gone.
    open_ones = {a.cluster_id for a in open_attempts(store) if a.state is not AttemptState.READY}
    open_ones |= {machine.cluster_id for machine in ending_machines(store)}
    live = list_clusters(store)
    for record in live:
        if record.name != busy and (record.status in _UNFINISHED or record.id in open_ones):
            _one(shop, record)
    for cluster_id in sorted(open_ones - {record.id for record in live}):
        finish(shop, cluster_id, patience_s=0)  # what appears late under an ended cluster's intents


def _one(shop: Shop, record: ClusterRecord) -> None:
    from arb.state.leases import LeaseHeld, Leases

    try:
        with Leases(shop.journal.store).held(cluster_lease(record.name)) as lease:
            _finish_or_tidy(shop.under(lease), record.id)
    except LeaseHeld:
        return
    except ArbError as error:
        shop.progress.warn(f"cluster {record.name}: {error.summary}")


def _finish_or_tidy(shop: Shop, cluster_id: str) -> None:
    """Do what is right under the lease: whoever held it may have brought the cluster up."""
    from arb.provision.giveback import finish, give_back_rest

    record = get_by_id(shop.journal.store, cluster_id)
    if record is None:
        return
    if record.status is ClusterStatus.INIT:
        shop.progress.step(f"Ending cluster {record.name}, whose launch was cut off")
    if record.status in _UNFINISHED:
        finish(shop, record.id, patience_s=0)
    elif record.status is not ClusterStatus.GONE:
        give_back_rest(shop, record.id)
