"""Remove what purchases make beside machines (groups, rules, keys, disks) after the machines."""

from __future__ import annotations

from typing import TYPE_CHECKING

from arb.errors import ArbError
from arb.provision.records import instance_ref
from arb.state.attempts import attempts_of_cluster
from arb.state.machines import machines_of_cluster
from arb.types import ClusterRef, InstanceState

if TYPE_CHECKING:
    from collections.abc import Sequence

    from arb.provision.shop import Shop
    from arb.state.attempts import Attempt
    from arb.state.clusters import ClusterRecord

__all__ = ["clean", "clean_up"]


def clean_up(shop: Shop, cluster: ClusterRecord, *, only: frozenset[str] = frozenset()) -> bool:
    """Remove what all purchases of a cluster may have left beside machines.

    Args:
        shop: The means.
        cluster: Whose.
        only: At these providers; empty means all.

    Returns:
        Whether that is done everywhere.
    """
    attempts = attempts_of_cluster(shop.journal.store, cluster.id)
    return clean(shop, cluster, [a for a in attempts if not only or a.provider in only])


def clean(shop: Shop, cluster: ClusterRecord, attempts: Sequence[Attempt]) -> bool:
    """Remove what is not an instance; say whether that is done everywhere."""
    done = True
    for name in sorted({attempt.provider for attempt in attempts}):
        own = [attempt for attempt in attempts if attempt.provider == name]
        try:
            provider = shop.provider(name)
            if provider.has("arb_cleanup"):
                provider.cleanup(_cluster_ref(shop, cluster, own))
        except ArbError as error:
            shop.warn_left_open(f"{name}: clean-up of {cluster.name} goes on later", error)
            done = False
    return done


def _cluster_ref(shop: Shop, cluster: ClusterRecord, attempts: Sequence[Attempt]) -> ClusterRef:
    machines = machines_of_cluster(shop.journal.store, cluster.id, include_gone=True)
    own = [m for m in machines if m.provider == attempts[0].provider]
    alive = tuple(instance_ref(m) for m in own if m.state is not InstanceState.GONE)
    return ClusterRef(
        name=cluster.name,
        owner=shop.journal.store.owner(),
        tokens=tuple(attempt.id for attempt in attempts),
        regions=frozenset(m.region for m in own),
        instances=alive,
        handles=tuple(attempt.handle for attempt in attempts),
        account=attempts[0].account,
    )
