"""The optimizer once more, naively: one offer at a time, nothing shared with the real one."""

from __future__ import annotations

import fnmatch
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from arb.catalog.names import canonical, facts
from arb.tasks.alternatives import SpotUse

if TYPE_CHECKING:
    from arb.optimizer import RankOptions
    from arb.tasks.alternatives import Alternative
    from arb.types import Offer

__all__ = ["Outcome", "reference"]


@dataclass(frozen=True)
class Outcome:
    """What a ranking comes to: offers, the alternative of each, and counts by reason."""

    offers: list[Offer]
    alternatives: list[int]
    rejected: list[dict[str, int]]


def reference(
    offers: list[Offer], owned: set[str], alternatives: list[Alternative], options: RankOptions
) -> Outcome:
    rejected: list[dict[str, int]] = [{} for _ in alternatives]
    best: dict[tuple, tuple] = {}
    for offer in offers:
        for number, alternative in enumerate(alternatives):
            why = reason(offer, offers, owned, alternative, options)
            if why:
                rejected[number][why] = rejected[number].get(why, 0) + 1
                continue
            key = (alternative.preference, number)
            if offer.key not in best or key < best[offer.key][0]:
                best[offer.key] = (key, offer)
    ranked = sorted(best.values(), key=lambda pair: sort_key(pair[1], pair[0][0], options))
    return Outcome([o for _, o in ranked], [key[1] for key, _ in ranked], rejected)


def reason(offer, offers, owned, wanted, options) -> str:
    """Return the first filter that an offer fails; empty when it passes all."""
    claims = (
        *provider_claims(offer, owned, wanted, options),
        *accelerator_claims(offer, wanted),
        (f"use_spot: {wanted.spot}", spot_fits(offer, offers, wanted)),
        *machine_claims(offer, wanted),
        *buying_claims(offer, wanted, options),
    )
    return next((name for name, holds in claims if not holds), "")


def provider_claims(offer, owned, wanted, options):
    is_named = wanted.provider or offer.provider not in owned or offer.provider in options.named
    yield f"provider {wanted.provider}", wanted.provider in {"", offer.provider}
    yield "own machines that nobody named", is_named
    yield options.excluded.get(offer.provider), offer.provider not in options.excluded


def accelerator_claims(offer, wanted):
    name = canonical(offer.accelerator, offer.accelerator_gib)
    known = facts(name)
    gib, maker, count = wanted.accelerator_gib, wanted.accelerator_maker, wanted.count
    shown = f"{gib.value:g}GB{'+' if gib.at_least else ''}" if gib else ""
    sizes = {offer.accelerator_gib, known.nearest_gib(offer.accelerator_gib) if known else 0}
    called = canonical(wanted.accelerator).lower()
    yield f"accelerators {wanted.accelerator}", not called or name.lower() == called
    yield f"accelerators {shown}", not gib or (name and any(map(gib.admits, sizes)))
    yield f"accelerators {maker}", not maker or (known and known.maker.lower() == maker.lower())
    yield (
        f"accelerators {wanted.accelerator or shown}:{count}",
        not count or (offer.accelerator_count > 0 and count.admits(offer.accelerator_count)),
    )


def machine_claims(offer, wanted):
    ratio = wanted.memory_per_cpu
    kind = wanted.instance_type.lower()
    for field in ("region", "zone"):
        pattern = getattr(wanted, field).lower()
        text = getattr(offer, field).lower()
        yield f"{field} {getattr(wanted, field)}", not pattern or fnmatch.fnmatchcase(text, pattern)
    yield f"instance_type {wanted.instance_type}", kind in {"", offer.instance_type.lower()}
    yield f"cpus {wanted.cpus}", not wanted.cpus or wanted.cpus.admits(offer.vcpus)
    yield f"memory {wanted.memory}", not wanted.memory or wanted.memory.admits(offer.memory_gib)
    has_ratio = offer.vcpus and offer.memory_gib >= (ratio or 0) * offer.vcpus
    yield f"memory {ratio or 0:g}x", not ratio or has_ratio
    yield f"arch {wanted.arch}", wanted.arch in {"", offer.arch}
    is_fast = offer.fabric not in {"", "ethernet"}
    yield "network_tier best", wanted.network_tier != "best" or is_fast
    disk = wanted.local_disk
    gb = offer.disk_gib * 2**30 / 1e9
    yield f"local_disk {disk}", not disk or gb >= 0.98 * float(disk[5:-1])


def buying_claims(offer, wanted, options):
    limit, nodes = wanted.max_price_usd_hour, options.num_nodes
    yield f"max_hourly_cost {limit or 0:g}", limit is None or offer.price_usd_hour <= limit
    yield "availability", offer.available is not False
    yield f"num_nodes {nodes}", nodes == 1 or offer.capacity is None or offer.capacity >= nodes


def spot_fits(offer, offers, wanted) -> bool:
    if wanted.spot is SpotUse.PREFER:
        return True
    if wanted.spot is SpotUse.NEVER:
        return not offer.spot
    sold_as_spot = any(o.spot for o in offers if o.provider == wanted.provider)
    if wanted.provider and not sold_as_spot:
        return not offer.spot
    return offer.spot


def sort_key(offer, preference, options) -> tuple:
    hours = options.duration_h
    factor = max(hours, offer.minimum_s / 3600) / hours
    comparable = True
    if options.objective == "value":
        known = facts(canonical(offer.accelerator, offer.accelerator_gib))
        each = known.tflops(offer.interconnect) if known else 0
        comparable = each * offer.accelerator_count > 0
        if comparable:
            factor = factor / (each * offer.accelerator_count / 1000)
    if options.objective == "latency":
        comparable = offer.latitude is not None and offer.longitude is not None
        if comparable:
            here = (offer.latitude, offer.longitude)
            km = round(
                math.fsum(great_circle(here, near) for near in options.near) / len(options.near)
            )
            factor = factor * (1 + km / 10_000 * options.near_weight)
    return (
        preference, not comparable, offer.price_usd_hour * factor, offer.spot, offer.provider,
        offer.region, offer.zone, offer.instance_type, offer.offer_id,
    )  # fmt: skip


def great_circle(one, other) -> float:
    """By the angle between unit vectors: another formula than the optimizer's."""
    vectors = [
        (math.cos(lat) * math.cos(lon), math.cos(lat) * math.sin(lon), math.sin(lat))
        for lat, lon in (tuple(map(math.radians, place)) for place in (one, other))
    ]
    (ax, ay, az), (bx, by, bz) = vectors
    cross = math.hypot(ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx)
    return 6371.0088 * math.atan2(cross, ax * bx + ay * by + az * bz)
