"""Ask providers in parallel what offers cost at this moment."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from arb.errors import ArbError
from arb.optimizer.slippage import Quote
from arb.types import Capability

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from arb.plugins.provider import Provider
    from arb.provision.shop import Shop
    from arb.types import Offer

    Key = tuple[str, str, bool]

__all__ = ["Quotes", "ask_prices", "tells_prices"]

_HOOK = "arb_query_prices"


@dataclass(frozen=True, slots=True)
class Quotes:
    """What providers said.

    Attributes:
        by_key: Of the offers whose provider answered, by ``Offer.key``.
        failed: Provider -> why it did not answer.
    """

    by_key: dict[Key, Quote] = field(default_factory=dict)
    failed: dict[str, ArbError] = field(default_factory=dict)


def tells_prices(shop: Shop, name: str) -> bool:
    """Say whether a provider can be asked; one that cannot be loaded cannot."""
    try:
        return shop.provider(name).has(_HOOK)
    except ArbError:
        return False


def ask_prices(shop: Shop, offers: Sequence[Offer]) -> Quotes:
    """Ask every provider about its own offers, all at once, within the hook's budget.

    Args:
        shop: The means.
        offers: At most 50 of a provider; of providers that tell prices.
    """
    asked: dict[str, list[Offer]] = {}
    for offer in offers:
        asked.setdefault(offer.provider, []).append(offer)
    now = shop.clock.now()
    quotes = Quotes()
    for reply in shop.plugins.ask_all(lambda p: _ask(p, asked[p.name], now), asked):
        if reply.error is not None:
            quotes.failed[reply.provider] = reply.error
        else:
            quotes.by_key.update(reply.value or {})
    return quotes


def _ask(provider: Provider, offers: Sequence[Offer], now: float) -> dict[Key, Quote]:
    owned = provider.can(Capability.OWNED)
    told = _read(provider.query_prices(offers), now, owned=owned)
    return {o.key: told.get((o.offer_id, o.spot)) or Quote(missing=True, as_of=now) for o in offers}


def _read(frame: pd.DataFrame, now: float, *, owned: bool) -> dict[tuple[str, bool], Quote]:
    known = frame["available"].notna()
    columns = (frame["offer_id"], frame["spot"], frame["price_usd_hour"], frame["available"], known)
    told: dict[tuple[str, bool], Quote] = {}
    for offer_id, spot, price, available, is_known in zip(*columns, strict=True):
        key = (str(offer_id), bool(spot))
        can_be_had = bool(available) if is_known else None
        quote = Quote(_price(price, owned=owned), can_be_had, as_of=now)
        told[key] = _dearer(told.get(key), quote)
    return told


def _dearer(one: Quote | None, other: Quote) -> Quote:
    """Return the worse of two answers about one offer: who tells two prices may ask the higher."""
    if one is None:
        return other
    prices = [q.price_usd_hour for q in (one, other) if math.isfinite(q.price_usd_hour)]
    is_out = one.available is False or other.available is False
    price = max(prices, default=math.nan)
    return replace(other, price_usd_hour=price, available=False if is_out else other.available)


def _price(value: object, *, owned: bool) -> float:
    """Return a price; NaN for what is none. Nothing is free but the user's own."""
    try:
        price = float(value)  # type: ignore[arg-type]  # whatever the frame holds
    except (TypeError, ValueError):
        return math.nan
    return price if price > 0 or owned else math.nan
