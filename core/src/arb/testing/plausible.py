"""Bounds that no real offer is outside of: what is, has its number in another unit.

The core finds rows that contradict each other; a catalog that is wrong as a whole agrees with itself,
and here each offer is held against the world. The bounds are wide on purpose: the dearest accelerator
rents for about 20 USD an hour, the cheapest for some cents; no machine has more than 100 GiB a CPU.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from arb.types import Offer

__all__ = ["faults_of_pieces", "faults_of_units", "few", "implausible", "per_accelerator_prices"]

_SHOWN: Final = 3

_ACCELERATOR_USD_HOUR: Final = (0.005, 60.0)
_CPU_USD_HOUR: Final = (0.0005, 2.0)
_ACCELERATOR_GIB: Final = (0.0, 1024.0)
_GIB_OF_A_CPU: Final = (0.1, 256.0)
_MINIMUM_S: Final = (0.0, 31 * 86_400.0)
_ALMOST_THE_SAME: Final = 1.2
_PAIR: Final = 2


def faults_of_units() -> frozenset[str]:
    """Return the core's reasons that speak of units."""
    from arb.catalog import plausible

    told = {plausible.CENTS, plausible.LOW, plausible.SPOT_CENTS, plausible.DEMAND_CENTS}
    mib = {f"{name} is too large: is it MiB?" for name in ("memory_gib", "accelerator_gib")}
    return frozenset(told | mib | {plausible.DISAGREE, plausible.TOO_DEAR})


def faults_of_pieces() -> frozenset[str]:
    """Return the core's reasons that speak of prices for one accelerator of several."""
    from arb.catalog import plausible

    return frozenset({plausible.PIECE, plausible.DEMAND_PIECE})


def few(lines: Sequence[str]) -> str:
    """Return the first lines and how many more there are."""
    more = f" and {len(lines) - _SHOWN} more" if len(lines) > _SHOWN else ""
    return "; ".join(lines[:_SHOWN]) + more


def implausible(offer: Offer) -> str:
    """Return what cannot be true of an offer, or no text."""
    for what, value, (low, high), unit in _measures(offer):
        if not low <= value <= high:
            return f"{offer.offer_id}: {what} is {value:g} {unit}, which is no {unit}"
    if bool(offer.accelerator) != (offer.accelerator_count > 0):
        count = offer.accelerator_count
        return f"{offer.offer_id}: {count:g} accelerators of the name {offer.accelerator!r}"
    return _memory_of_all(offer) or _wrong_place(offer)


def per_accelerator_prices(
    offers: Sequence[Offer],
) -> tuple[int, list[tuple[Offer, Offer]]]:
    """Compare the prices of instances with few and many of the same accelerator in one place.

    Returns:
        How many pairs were compared, and those with at least twice as many accelerators for about
        the same price.
    """
    groups: dict[tuple[object, ...], dict[float, Offer]] = {}
    for offer in offers:
        if offer.accelerator_count > 0 and offer.price_usd_hour > 0:
            place = (offer.accelerator, offer.accelerator_gib, offer.region, offer.zone, offer.spot)
            cheapest = groups.setdefault(place, {})
            known = cheapest.get(offer.accelerator_count)
            if known is None or offer.price_usd_hour < known.price_usd_hour:
                cheapest[offer.accelerator_count] = offer
    pairs = [pair for cheapest in groups.values() for pair in _pairs(cheapest)]
    return len(pairs), [
        (few, many)
        for few, many in pairs
        if many.price_usd_hour < _ALMOST_THE_SAME * few.price_usd_hour
    ]


def _pairs(cheapest: dict[float, Offer]) -> Iterable[tuple[Offer, Offer]]:
    counts = sorted(cheapest)
    for few in counts:
        for many in counts:
            if many >= 2 * few:
                yield cheapest[few], cheapest[many]


def _measures(offer: Offer) -> Iterable[tuple[str, float, tuple[float, float], str]]:
    """Yield what is measured: words, number, bounds, unit."""
    if offer.price_usd_hour > 0 and offer.accelerator_count > 0:
        each = offer.price_usd_hour / offer.accelerator_count
        yield "the price of one accelerator", each, _ACCELERATOR_USD_HOUR, "USD an hour"
    elif offer.price_usd_hour > 0 and offer.vcpus > 0:
        each = offer.price_usd_hour / offer.vcpus
        yield "the price of one CPU", each, _CPU_USD_HOUR, "USD an hour"
    if offer.vcpus > 0 and offer.memory_gib > 0:
        yield "the memory of one CPU", offer.memory_gib / offer.vcpus, _GIB_OF_A_CPU, "GiB"
    yield "the memory of one accelerator", offer.accelerator_gib, _ACCELERATOR_GIB, "GiB"
    yield "the billing floor", offer.minimum_s, _MINIMUM_S, "seconds"


def _memory_of_all(offer: Offer) -> str:
    """Return a fault where ``accelerator_gib`` is what all accelerators have together.

    Of two it is not told: some models are sold with twice the memory.
    """
    from arb.catalog.names import canonical, facts

    known, count = facts(canonical(offer.accelerator)), offer.accelerator_count
    if known is None or count <= _PAIR or known.nearest_gib(offer.accelerator_gib):
        return ""
    if not known.nearest_gib(offer.accelerator_gib / count):
        return ""
    return f"{offer.offer_id}: accelerator_gib is {offer.accelerator_gib:g}, which {count:g} of them have"


def _wrong_place(offer: Offer) -> str:
    latitude, longitude = offer.latitude or 0.0, offer.longitude or 0.0
    if abs(latitude) > 90 or abs(longitude) > 180:  # noqa: PLR2004 - degrees
        return f"{offer.offer_id}: {latitude:g}, {longitude:g} is no place on Earth"
    return ""
