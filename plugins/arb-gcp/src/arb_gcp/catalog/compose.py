"""From machine types and unit prices to offers."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final

from arb_gcp.catalog.accelerators import ACCELERATORS
from arb_gcp.catalog.prices import Part
from arb_gcp.catalog.regions import place_of
from arb_gcp.catalog.shapes import bundled_ssd_gib
from arb_gcp.machines import region_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from arb_gcp.catalog.prices import UnitPrices
    from arb_gcp.catalog.shapes import Shape

__all__ = [
    "COLUMNS",
    "EVERYWHERE_QUOTA",
    "is_sold_on_demand",
    "offer_id_of",
    "price_of",
    "quotas_of",
    "rows",
]

EVERYWHERE_QUOTA: Final = "GPUS_ALL_REGIONS"
_CPU_QUOTAS: Final = {"n1": "CPUS", "e2": "CPUS"}
"""Series that count against a quota of another name than ``SERIES_CPUS``."""
_NOT_ON_DEMAND: Final = re.compile(r"a4x?-.*|a3-ultragpu-.*|a3-highgpu-[124]g")
"""Sold on spot, by flex-start or reserved only, although an on-demand price can be computed."""


COLUMNS: Final = {
    "offer_id": "str",
    **dict.fromkeys(("region", "zone", "instance_type", "accelerator"), "category"),
    **dict.fromkeys(("accelerator_count", "accelerator_gib", "vcpus", "memory_gib"), "float32"),
    "spot": "bool",
    "price_usd_hour": "float64",
    **dict.fromkeys(("arch", "interconnect", "fabric", "quota_family"), "category"),
    **dict.fromkeys(("latitude", "longitude"), "float64"),
    "payload": "category",
}
"""Columns of the frame, with their dtypes."""


def rows(shapes: Iterable[Shape], prices: UnitPrices) -> Iterator[dict[str, Any]]:
    """Yield one row an offer; a machine type without all of its prices in a region has none."""
    for shape in shapes:
        for spot in (False, True):
            if not spot and not is_sold_on_demand(shape.name):
                continue
            price = price_of(shape, prices, spot=spot)
            if price:
                yield _row(shape, price, spot=spot)


def is_sold_on_demand(instance_type: str) -> bool:
    """Say whether a machine type can be bought on demand, without a reservation."""
    return _NOT_ON_DEMAND.fullmatch(instance_type) is None


def price_of(shape: Shape, prices: UnitPrices, *, spot: bool) -> float | None:
    """Return USD an hour for the whole machine; None when a part has no price.

    Local SSD without a spot price is counted at the on-demand one: never too low.
    """
    region, series = region_of(shape.zone), shape.series
    known = ACCELERATORS.get(shape.accelerator)
    parts: list[tuple[float, Part]] = []
    if known:
        parts.append((shape.count, Part("gpu", shape.accelerator, region, spot)))
    if not (known and known.whole):
        parts.append((shape.vcpus, Part("core", series, region, spot)))
        parts.append((shape.memory_gib, Part("ram", series, region, spot)))
        if shape.ssd_gib:
            ssd = Part("ssd", "", region, spot)
            parts.append((shape.ssd_gib, ssd if ssd in prices else ssd._replace(spot=False)))
    total = 0.0
    for amount, part in parts:
        if part not in prices:
            return None
        total += amount * prices[part]
    return round(total, 6)


def quotas_of(instance_type: str, accelerator: str) -> str:
    """Return the quotas that an offer counts against, as ``regions.get`` spells them."""
    known = ACCELERATORS.get(accelerator)
    if known:
        return f"{known.quota} {EVERYWHERE_QUOTA}"
    series = instance_type.partition("-")[0]
    return f"{_CPU_QUOTAS.get(series, f'{series.upper()}_CPUS')} CPUS_ALL_REGIONS"


def offer_id_of(zone: str, instance_type: str, accelerator: str, count: int, *, guest: bool) -> str:
    """Return our key of an offer."""
    added = f"+{count}x{accelerator}" if guest else ""
    return f"{zone}/{instance_type}{added}"


def _row(shape: Shape, price: float, *, spot: bool) -> dict[str, Any]:
    region = region_of(shape.zone)
    known = ACCELERATORS.get(shape.accelerator)
    latitude, longitude = place_of(region)
    payload: dict[str, Any] = {}
    if shape.guest:
        payload["guest"] = {"type": shape.accelerator, "count": shape.count}
    if shape.ssd_gib != bundled_ssd_gib(shape.name):
        payload["ssd_gib"] = shape.ssd_gib
    return {
        "offer_id": offer_id_of(
            shape.zone, shape.name, shape.accelerator, shape.count, guest=shape.guest
        ),
        "region": region,
        "zone": shape.zone,
        "instance_type": shape.name,
        "accelerator": known.name if known else "",
        "accelerator_count": shape.count,
        "accelerator_gib": known.gib if known else 0,
        "vcpus": shape.vcpus,
        "memory_gib": shape.memory_gib,
        "spot": spot,
        "price_usd_hour": price,
        "arch": shape.arch,
        "interconnect": known.interconnect if known else "",
        "fabric": "ethernet" if known else "",
        "quota_family": quotas_of(shape.name, shape.accelerator),
        "latitude": latitude,
        "longitude": longitude,
        "payload": json.dumps(payload),
    }
