"""What offers cost right now, before one of them is bought."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final

from arb.errors import ArbError, CredentialsError
from arb_aws.catalog.prices import read_price
from arb_aws.catalog.spot import read_spot
from arb_aws.client import Client
from arb_aws.faults import Forbidden
from arb_aws.threads import side_by_side

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from arb.types import Offer, ProviderContext

__all__ = ["query_prices"]

_COLUMNS: Final = {
    "offer_id": "str",
    "spot": "bool",
    "price_usd_hour": "float64",
    "available": "boolean",
}


def query_prices(context: ProviderContext, offers: Sequence[Offer]) -> pd.DataFrame:
    """Return live prices; whether there is any capacity only an order tells.

    A spot offer that has no price any more is left out. On demand, the price of the catalog stands
    where the price list does not answer in time: it changes a few times a year.

    Raises:
        CredentialsError, ProviderUnavailable, RateLimited: Spot prices were asked for, and none came.
    """
    import pandas as pd

    client = Client.from_context(context)
    spot = sorted({(o.region, o.instance_type) for o in offers if o.spot})
    regions = sorted({region for region, _ in spot})
    listed = sorted({(o.region, o.instance_type) for o in offers if not o.spot})
    calls: list[Any] = [
        partial(read_spot, client, region, [t for r, t in spot if r == region])
        for region in regions
    ]
    calls += [partial(read_price, client, region, kind) for region, kind in listed]
    outcomes = side_by_side(lambda call: call(), calls)
    by_zone = _spot_prices(regions, outcomes[: len(regions)])
    prices = dict(zip(listed, outcomes[len(regions) :], strict=True))
    rows = []
    for offer in offers:
        price = by_zone(offer) if offer.spot else _list_price(offer, prices)
        if price:
            rows.append((offer.offer_id, offer.spot, price, None))
    return pd.DataFrame(rows, columns=list(_COLUMNS)).astype(_COLUMNS)


def _spot_prices(regions: Sequence[str], outcomes: Sequence[Any]) -> Any:
    """Return what looks a spot price up.

    Raises:
        ArbError: A region did not answer: its offers may still be sold.
    """
    found: dict[tuple[str, str, str], float] = {}
    for region, outcome in zip(regions, outcomes, strict=True):
        if isinstance(outcome, Exception):
            raise outcome
        found |= {(region, zone, kind): price for kind, zone, price in outcome}

    def of(offer: Offer) -> float | None:
        if offer.zone:
            return found.get((offer.region, offer.zone, offer.instance_type))
        here = (
            p
            for (r, _, kind), p in found.items()
            if (r, kind) == (offer.region, offer.instance_type)
        )
        return min(here, default=None)

    return of


def _list_price(offer: Offer, prices: dict[tuple[str, str], Any]) -> float | None:
    """Return the price list's price; the catalog's where the list says nothing.

    Raises:
        CredentialsError: The account was refused.
    """
    said = prices[offer.region, offer.instance_type]
    if isinstance(said, CredentialsError) and not isinstance(said, Forbidden):
        raise said
    if isinstance(said, Exception) and not isinstance(said, ArbError):
        raise said
    return offer.price_usd_hour if isinstance(said, Exception) or not said else float(said)
