"""From a provider's frame to offers. Bad rows are refused with their reason; good ones stay."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Final

from arb.errors import PluginError
from arb.types import Offer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from arb.types import Catalog

__all__ = ["Rejected", "offers_from_catalog"]

REQUIRED: Final = (
    "offer_id",
    "region",
    "zone",
    "instance_type",
    "accelerator",
    "accelerator_count",
    "accelerator_gib",
    "vcpus",
    "memory_gib",
    "spot",
    "price_usd_hour",
)
_FLOATS: Final = frozenset(f.name for f in fields(Offer) if f.type == "float")
_FLOORED: Final = sorted(_FLOATS - {"price_usd_hour", "as_of"})
_DEFAULTED: Final = _FLOATS - frozenset(REQUIRED)
_UNKNOWABLE: Final[dict[str, type]] = {
    "available": bool,
    "capacity": int,
    "user_data": bool,
    "latitude": float,
    "longitude": float,
}


@dataclass(frozen=True, slots=True)
class Rejected:
    """A row that was refused: which, and why."""

    offer_id: str
    reason: str


def offers_from_catalog(
    provider: str, catalog: Catalog, *, owned: bool
) -> tuple[list[Offer], list[Rejected]]:
    """Read a catalog's rows.

    Args:
        provider: The provider's id.
        catalog: What ``arb_catalog`` returned.
        owned: Whether price 0 is allowed.

    Raises:
        PluginError: A required column is missing.
    """
    columns = set(catalog.frame.columns)
    if missing := [name for name in REQUIRED if name not in columns]:
        summary = f"catalog of provider {provider} has no column {', '.join(missing)}"
        raise PluginError(summary, code="catalog-columns")
    known = {f.name for f in fields(Offer)} & columns
    offers: dict[tuple[str, str, bool], Offer] = {}
    rejected = []
    for row in catalog.frame[sorted(known)].to_dict("records"):
        offer = _offer(provider, catalog, row)
        reason = "the same offer_id stands twice" if offer.key in offers else _fault(offer, owned)
        if reason:
            rejected.append(Rejected(offer.offer_id, reason))
        else:
            offers[offer.key] = offer
    return list(offers.values()), rejected


def _offer(provider: str, catalog: Catalog, row: Mapping[Any, Any]) -> Offer:
    values = {str(key): _plain(str(key), value) for key, value in row.items()}
    values.update(provider=provider, source=catalog.source, as_of=catalog.as_of)
    return Offer(**values)


def _plain(name: str, value: Any) -> Any:
    """Turn numpy scalars into Python's own; what is missing becomes None, NaN, 0 or no text."""
    unknown = _is_missing(value)
    if name in _UNKNOWABLE:
        return None if unknown else _UNKNOWABLE[name](value)
    if name in _FLOATS:
        missing = 0.0 if name in _DEFAULTED else math.nan
        return missing if unknown else _number(value)
    if name == "spot":
        return not unknown and bool(value)
    return "" if unknown else str(value)


def _is_missing(value: Any) -> bool:
    if isinstance(value, str | int):
        return False
    if isinstance(value, float):
        return math.isnan(value)
    return value is None or repr(value) in {"<NA>", "NaT"}


def _number(value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        return math.nan


def _fault(offer: Offer, owned: bool) -> str:  # noqa: FBT001 - one private caller
    price = offer.price_usd_hour
    if not math.isfinite(price):
        return "the price is not a number"
    if price < 0:
        return f"the price is negative ({price})"
    if price == 0 and not owned:
        return "the price is 0"
    return _amount_fault(offer) or _name_fault(offer)


def _amount_fault(offer: Offer) -> str:
    for name in _FLOORED:
        value = getattr(offer, name)
        if not math.isfinite(value):
            return f"{name} is not a number"
        if value < 0:
            return f"{name} is negative ({value})"
    return ""


def _name_fault(offer: Offer) -> str:
    if not (offer.offer_id and offer.instance_type):
        return "the offer has no id"
    return "" if offer.region else "the offer has no region"
