"""One scoring pass gives the whole ranked list; fall-through is its next row."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from arb.tasks import Resources
    from arb.types import Offer

__all__ = ["Ranking", "rank_offers"]


@dataclass(frozen=True, slots=True)
class Ranking:
    """Offers to try in this order, and how many each filter removed.

    Attributes:
        offers: Best first: price, then provider, region, zone, instance type.
        rejected: Filter -> number of offers that it removed, in the order of the filters.
    """

    offers: tuple[Offer, ...]
    rejected: Mapping[str, int] = field(default_factory=dict)

    def last_filter(self) -> str:
        """Return the filter that removed the last offers; empty when none removed any."""
        return next(reversed([name for name, count in self.rejected.items() if count]), "")


def rank_offers(offers: Iterable[Offer], resources: Resources) -> Ranking:
    """Filter by what the task asks for and sort by price."""
    left = list(offers)
    rejected: dict[str, int] = {}
    for name, keeps in _filters(resources):
        kept = [offer for offer in left if keeps(offer)]
        rejected[name] = len(left) - len(kept)
        left = kept
        if not left:
            break
    return Ranking(tuple(sorted(left, key=_order)), rejected)


def _order(offer: Offer) -> tuple[object, ...]:
    return (
        offer.price_usd_hour,
        offer.provider,
        offer.region,
        offer.zone,
        offer.instance_type,
        offer.offer_id,
    )


def _filters(resources: Resources) -> Iterable[tuple[str, Callable[[Offer], bool]]]:
    provider, region, zone = resources.place
    if provider:
        yield f"provider {provider}", lambda o: o.provider == provider
    if region:
        yield f"region {region}", lambda o: o.region == region
    if zone:
        yield f"zone {zone}", lambda o: o.zone == zone
    if resources.instance_type:
        wanted = resources.instance_type
        yield f"instance_type {wanted}", lambda o: o.instance_type == wanted
    if (accelerator := resources.accelerators) is not None:
        name = accelerator.name.casefold()
        yield f"accelerators {accelerator.name}", lambda o: o.accelerator.casefold() == name
        count = accelerator.count
        yield f"accelerators {accelerator}", lambda o: o.accelerator_count == count
    if (cpus := resources.cpus) is not None:
        yield "cpus", lambda o: cpus.admits(o.vcpus)
    if (memory := resources.memory) is not None:
        yield "memory", lambda o: memory.admits(o.memory_gib)
    spot = resources.use_spot
    yield f"use_spot: {str(spot).lower()}", lambda o: o.spot == spot
    yield "availability", lambda o: o.available is not False
