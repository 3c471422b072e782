"""What offers cost right now, before one of them is bought."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from arb.errors import CredentialsError, ProviderUnavailable
from arb_gcp.catalog.accelerators import ACCELERATORS
from arb_gcp.catalog.compose import is_sold_on_demand, price_of
from arb_gcp.catalog.read import NO_BILLING_API, read_unit_prices
from arb_gcp.catalog.shapes import Shape, bundled_ssd_gib
from arb_gcp.client import Client

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from arb.types import Offer, ProviderContext

__all__ = ["query_prices", "shape_of"]

_COLUMNS: Final = {
    "offer_id": "str",
    "spot": "bool",
    "price_usd_hour": "float64",
    "available": "boolean",
}


def query_prices(context: ProviderContext, offers: Sequence[Offer]) -> pd.DataFrame:
    """Return live prices; whether there is any capacity only an order tells.

    Every page of the Billing Catalog is read for it: it cannot be asked about a few SKUs. An offer
    that has no price any more is left out.

    Raises:
        CredentialsError: The account was refused.
        ProviderUnavailable, RateLimited: No prices can be had; the account may buy all the same.
    """
    import pandas as pd

    client = Client.from_context(context)
    try:
        prices = read_unit_prices(client)
    except CredentialsError as error:
        if error.code not in NO_BILLING_API:
            raise
        raise ProviderUnavailable(error.summary, code=error.code, hint=error.hint) from error
    rows = [
        (offer.offer_id, offer.spot, price, None)
        for offer in offers
        if (offer.spot or is_sold_on_demand(offer.instance_type))
        and (price := price_of(shape_of(offer), prices, spot=offer.spot))
    ]
    return pd.DataFrame(rows, columns=list(_COLUMNS)).astype(_COLUMNS)


def shape_of(offer: Offer) -> Shape:
    """Return the machine type of an offer, also of one out of the shipped list."""
    payload: dict[str, Any] = json.loads(offer.payload or "{}")
    guest = payload.get("guest")
    return Shape(
        zone=offer.zone,
        name=offer.instance_type,
        vcpus=round(offer.vcpus),
        memory_gib=offer.memory_gib,
        accelerator=guest["type"] if guest else _accelerator_of(offer),
        count=round(offer.accelerator_count),
        ssd_gib=payload.get("ssd_gib", bundled_ssd_gib(offer.instance_type)),
        arch=offer.arch,
        guest=bool(guest),
    )


def _accelerator_of(offer: Offer) -> str:
    """Return Google's name of the accelerator that comes with a machine type; empty for none.

    Two of them are H100 to everybody else: the one of the Mega types costs more.
    """
    fitting = [name for name, known in ACCELERATORS.items() if known.name == offer.accelerator]
    is_mega = "megagpu" in offer.instance_type
    return next((name for name in fitting if ("mega" in name) == is_mega), "".join(fitting[:1]))
