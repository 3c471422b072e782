"""Unit prices out of the Billing Catalog: a SKU is known by the words of its description."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from arb_gcp.catalog.accelerators import ACCELERATORS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

__all__ = ["HOURS_A_MONTH", "Part", "UnitPrices", "read_skus"]

HOURS_A_MONTH: Final = 730.0

_NOT_PLAIN: Final = re.compile(
    r"sole tenancy|reserved|premium|custom|commitment|dws|calendar mode|suspended|extended"
    r"|overcommit|upgrade|licen[cs]e|workstation|vws",
    re.IGNORECASE,
)
"""Other ways to buy, which this provider does not sell."""
_SPOT: Final = re.compile(r"spot preemptible|preemptible", re.IGNORECASE)
_PART: Final = re.compile(r"^(?:spot )?(?:preemptible )?(.+?) (core|ram) running in", re.IGNORECASE)
_WORD: Final = re.compile(r"[a-z0-9]+")
_SERIES: Final = {
    "a2 instance": "a2",
    "a3 instance": "a3",
    "a3plus instance": "a3-mega",
    "a3ultra instance": "a3-ultra",
    "g2 instance": "g2",
    "g4 instance": "g4",
    "n1 predefined instance": "n1",
    "n2 instance": "n2",
    "n2d amd instance": "n2d",
    "e2 instance": "e2",
    "c2d amd instance": "c2d",
    "compute optimized": "c2",
    "compute optimized instance": "c2",
    "c3 instance": "c3",
    "t2d amd instance": "t2d",
}
"""The words before ``Core`` or ``Ram``, and the series that they price."""
_UNITS: Final = {"h": 1.0, "GiBy.h": 1.0, "GiBy.mo": 1 / HOURS_A_MONTH}
"""Unit of usage, and what one of it is in hours of one core, GPU or GiB."""


class Part(NamedTuple):
    """One thing with a price an hour: a core, a GiB of memory or local SSD, a GPU.

    Attributes:
        kind: ``core``, ``ram``, ``gpu`` or ``ssd``.
        name: Series of the core and the memory, Google's name of the GPU, empty for an SSD.
        region: Where.
        spot: Capacity class.
    """

    kind: str
    name: str
    region: str
    spot: bool


UnitPrices = dict[Part, float]
"""USD an hour."""


def read_skus(skus: Iterable[Mapping[str, Any]]) -> UnitPrices:
    """Return the unit prices that SKUs state; those of other things are passed over."""
    prices: UnitPrices = {}
    for sku in skus:
        price = _price(sku)
        if price is not None:
            for part in _parts(sku):
                prices[part] = price
    return prices


def _parts(sku: Mapping[str, Any]) -> Iterator[Part]:
    category, text = sku.get("category") or {}, str(sku.get("description") or "")
    usage = category.get("usageType")
    if usage not in {"OnDemand", "Preemptible"} or _NOT_PLAIN.search(text):
        return
    spot = usage == "Preemptible" or _SPOT.search(text) is not None  # the words are right
    kind, name = _kind(str(category.get("resourceGroup") or ""), text)
    if kind:
        for region in sku.get("serviceRegions") or ():
            yield Part(kind, name, str(region), spot)


def _kind(group: str, text: str) -> tuple[str, str]:
    """Return kind and name of the part that a description is about; empty when of none."""
    if group == "GPU":
        name = _accelerator(text)
        return ("gpu", name) if name else ("", "")
    if text.startswith("SSD backed Local Storage"):
        return ("ssd", "")
    match = _PART.match(text)
    series = _SERIES.get(match[1].lower(), "") if match else ""
    return (match[2].lower(), series) if match and series else ("", "")


def _accelerator(text: str) -> str:
    """Return Google's name of the accelerator in a description; empty when it is not known.

    ``Mega`` has been spelled ``Plus`` as well.
    """
    words = set(_WORD.findall(text.lower()))
    if "plus" in words:
        words.add("mega")
    fitting = [name for name, known in ACCELERATORS.items() if words.issuperset(known.words)]
    return max(fitting, key=lambda name: len(ACCELERATORS[name].words), default="")


def _price(sku: Mapping[str, Any]) -> float | None:
    """Return USD an hour; None when the SKU is in another currency or unit."""
    infos = sku.get("pricingInfo") or ()
    expression = (infos[-1] if infos else {}).get("pricingExpression") or {}
    hours = _UNITS.get(str(expression.get("usageUnit")))
    rates = expression.get("tieredRates") or ()
    if hours is None or not rates:
        return None
    money = max(rates, key=lambda r: float(r.get("startUsageAmount") or 0)).get("unitPrice") or {}
    if money.get("currencyCode", "USD") != "USD":
        return None
    return (int(money.get("units") or 0) + int(money.get("nanos") or 0) / 1e9) * hours
