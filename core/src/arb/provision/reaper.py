"""The reaper: what providers list against what state knows. Providers first, state second.

That order is what makes it safe beside living launches: an intent is on disk before its machine can
exist, so whatever is listed has an intent that a later look at state must show.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from arb.provision.cleanup import clean_up
from arb.provision.giveback import drive
from arb.provision.leftovers import look_beside
from arb.provision.orphans import Orphan
from arb.provision.resume import carry_on
from arb.provision.sightings import settle
from arb.provision.unused_keys import forget_unused_keys
from arb.provision.verdicts import ORPHANS, YOUNG_S, Kind, Known, attempt_of, judge
from arb.state.attempts import get_attempt
from arb.state.clusters import get_by_id, gone_since
from arb.state.machines import ending_machines, get_machine, open_machines
from arb.state.marks import BORN, get_mark
from arb.types import Listing, ListQuery

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from arb.errors import ArbError
    from arb.plugins.provider import Provider
    from arb.provision.leftovers import Beside, Leftover
    from arb.provision.shop import Shop
    from arb.state.machines import Machine
    from arb.types import Instance

__all__ = ["Sighting", "Survey", "certain", "end_orphans", "survey", "tidy"]

_TIDY_S: Final = 86400.0
"""Clusters that ended within this time are cleaned up after once more."""


@dataclass(frozen=True, slots=True)
class Sighting:
    """One listed machine and what it is.

    Attributes:
        cluster: Name of the cluster that it is or was part of; empty when that is not known.
    """

    instance: Instance
    kind: Kind
    cluster: str = ""


@dataclass(frozen=True, slots=True)
class Survey:
    """What one provider listed.

    Attributes:
        account: Whose machines these are.
        sightings: Every machine that carries an arb token, by region and id.
        unlisted: Region -> why it could not be listed; its machines are as they were.
        error: Why nothing could be listed at all; None when something was.
        gone: Machines that state called alive and that are no more.
        beside: What is left that is not a machine; None when that was not asked for.
        listed_at: When it was asked, seconds since the epoch.
    """

    provider: str
    account: str = ""
    sightings: tuple[Sighting, ...] = ()
    unlisted: Mapping[str, str] = field(default_factory=dict)
    error: ArbError | None = None
    gone: tuple[Machine, ...] = ()
    beside: Beside | None = None
    listed_at: float = 0

    @property
    def orphans(self) -> list[Orphan]:
        """Machines that nobody asked for any more."""
        return [
            Orphan(sighting.instance, sighting.kind, self.account, self.listed_at)
            for sighting in self.sightings
            if sighting.kind in ORPHANS
        ]

    @property
    def leftovers(self) -> tuple[Leftover, ...]:
        """What nobody asks for any more and is not a machine."""
        return self.beside.leftovers if self.beside else ()


def survey(
    shop: Shop, names: Iterable[str], *, all_owners: bool = False, beside: bool = False
) -> list[Survey]:
    """List the machines of some providers, side by side, and say what each is.

    What state calls alive and a complete listing does not show is recorded as gone. Nothing else
    changes, and nothing is ended.

    Args:
        shop: The means.
        names: Of providers.
        all_owners: Show other owners' machines as well.
        beside: Look for what is not a machine as well.
    """
    replies = shop.plugins.ask_all(
        lambda p: _survey(shop, p, all_owners=all_owners, beside=beside), names
    )
    return [reply.value or Survey(reply.provider, error=reply.error) for reply in replies]


def end_orphans(
    shop: Shop,
    orphans: Sequence[Orphan],
    leftovers: Sequence[Leftover] = (),
    *,
    patience_s: float = 0,
) -> list[Machine]:
    """Commit the wish to end what nobody asked for, then carry it out as far as that goes now.

    Returns:
        Machines whose end is wanted and not confirmed: the next command carries on.
    """
    if not (orphans or leftovers) or not shop.journal.reaped(orphans, leftovers):
        return []
    store = shop.journal.store
    drive(shop, lambda: ending_machines(store), patience_s=patience_s)
    carry_on(shop)
    return ending_machines(store)


def certain(shop: Shop, orphans: Iterable[Orphan]) -> tuple[list[Orphan], list[Orphan]]:
    """Part orphans into those that may be ended without asking, and the others.

    A machine of which state knows nothing may be ended when it is older than this state: the one
    before was lost. A younger one may belong to another copy of this ``ARB_HOME``.
    """
    born = get_mark(shop.journal.store, BORN)
    sure: list[Orphan] = []
    unsure: list[Orphan] = []
    for orphan in orphans:
        is_older = 0 < orphan.instance.made_at < born
        is_sure = orphan.kind is not Kind.STRAY or is_older
        (sure if is_sure else unsure).append(orphan)
    return sure, unsure


def tidy(shop: Shop, names: Iterable[str]) -> None:
    """Remove what clusters that ended within a day may have left: rules, keys, disks.

    An order that was lost may have made them after the clean-up of its cluster. Keys in the vault that
    nothing refers to go as well.
    """
    forget_unused_keys(shop)
    store = shop.journal.store
    for record in gone_since(store, store.now() - _TIDY_S):
        clean_up(shop, record, only=frozenset(names))


def _survey(shop: Shop, provider: Provider, *, all_owners: bool, beside: bool) -> Survey:
    store = shop.journal.store
    owner, listed_at, lag_s = store.owner(), store.now(), provider.info.listing_lag_s
    listing = provider.list_instances(ListQuery(owner="" if all_owners else owner))
    known = _known(shop, listing)
    alive = open_machines(store, provider=provider.name)
    settled_s = max(lag_s, YOUNG_S)  # others may be making machines at this moment
    gone = settle(shop.journal, alive, listing, listed_at=listed_at, lag_s=settled_s)
    sightings = []
    for instance in sorted(listing.instances, key=lambda i: (i.region, i.id)):
        kind = judge(instance, known, listed_at=listed_at, lag_s=lag_s)
        if kind is Kind.RETURNED:
            shop.journal.seen(known.machines[instance.id], instance)
        sightings.append(Sighting(instance, kind, _cluster(instance, known)))
    found = look_beside(shop, provider, listing) if beside else None
    unlisted = {} if Listing.EVERYWHERE in listing.complete else dict(listing.errors)
    return Survey(
        provider.name,
        listing.account,
        tuple(sightings),
        {**(found.unlisted if found else {}), **unlisted},
        gone=tuple(gone),
        beside=found,
        listed_at=listed_at,
    )


def _known(shop: Shop, listing: Listing) -> Known:
    """Read what state knows of the listed machines. Never before they were listed."""
    store = shop.journal.store
    tokens = {attempt_of(instance) for instance in listing.instances}
    machines = [get_machine(store, i.provider, i.id) for i in listing.instances]
    attempts = [get_attempt(store, token) for token in tokens]
    ids = {attempt.cluster_id for attempt in attempts if attempt}
    clusters = [get_by_id(store, cluster_id) for cluster_id in ids]
    return Known(
        store.owner(),
        {machine.instance_id: machine for machine in machines if machine},
        {attempt.id: attempt for attempt in attempts if attempt},
        {cluster.id: cluster for cluster in clusters if cluster},
    )


def _cluster(instance: Instance, known: Known) -> str:
    attempt = known.attempts.get(attempt_of(instance))
    cluster = known.clusters.get(attempt.cluster_id) if attempt else None
    return cluster.name if cluster else ""
