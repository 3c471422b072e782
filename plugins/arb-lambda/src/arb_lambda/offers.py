"""From ``GET /instance-types`` to rows of a catalog. Pure functions."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any, Final

from arb_lambda.instances import number_of, usd
from arb_lambda.regions import place

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["accelerator", "offer_id", "quotes_of", "rows_of"]

_GIB: Final = re.compile(r"(?i)\b(\d{1,5})\s*Gi?B\b")
_PLUG: Final = re.compile(r"(?i)\b(SXM|PCIe|NVL)\d*\b")
_GPU_IN_NAME: Final = re.compile(r"gpu_\d+x_([a-z]+\d+[a-z]?)(?:_|$)")
_PLUG_IN_NAME: Final = re.compile(r"_(sxm|pcie|nvl)\d*(?:_|gdr|$)")
_PLUGS: Final = {"sxm": "SXM", "pcie": "PCIe", "nvl": "NVL"}
_LARGE_A100_GIB: Final = 80
_ARM: Final = re.compile(r"(?i)G[HB]\d")
"""Grace is what the first letter stands for, and its processors are ARM's."""


def rows_of(types: Mapping[str, Any], regions: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return a row for each type in each region; what is not in stock there is not available.

    Args:
        types: The ``data`` of ``/instance-types``.
        regions: Description by name, of the regions that are known; those with stock are added.
    """
    known = dict(regions)
    for item in types.values():
        known |= _stocked(item)
    rows = []
    for item in types.values():
        kind = _kind(item)
        if kind is not None:
            stock = _stocked(item)
            rows += [
                {**kind, **_where(kind, region, text), "available": region in stock}
                for region, text in known.items()
            ]
    return rows


def quotes_of(
    types: Mapping[str, Any], asked: Iterable[tuple[str, str, str]]
) -> list[dict[str, Any]]:
    """Return price and stock of some offers; types that are not sold any more are left out.

    Args:
        types: As for ``rows_of``.
        asked: Offer id, instance type and region of each.
    """
    kinds = {row["instance_type"]: (row, item) for item in types.values() if (row := _kind(item))}
    found = ((id_, region, *kinds[kind]) for id_, kind, region in asked if kind in kinds)
    return [
        {
            "offer_id": id_,
            "spot": False,
            "price_usd_hour": row["price_usd_hour"],
            "available": region in _stocked(item),
        }
        for id_, region, row, item in found
    ]


def offer_id(instance_type: str, region: str) -> str:
    """Return the id of a type in a region."""
    return f"{instance_type}@{region}"


def accelerator(description: str, instance_type: str) -> tuple[str, float, str]:
    """Take ``H100 (80 GB SXM5)`` apart.

    Args:
        description: A ``gpu_description``.
        instance_type: Its name may tell what the description does not.

    Returns:
        Name, GiB of one (0 when it is not told) and interconnect (empty when it is not told).
    """
    name, _, facts = description.partition("(")
    name = name.strip().removeprefix("Tesla ").removeprefix("NVIDIA ").replace(" ", "-")
    if not name and (in_type := _GPU_IN_NAME.match(instance_type)):
        name = in_type[1].upper()
    gib = float(found[1]) if (found := _GIB.search(facts)) else 0.0
    plug = _PLUG.search(facts) or _PLUG_IN_NAME.search(instance_type)
    if name == "A100" and gib >= _LARGE_A100_GIB:
        name = "A100-80GB"
    return name, gib, _PLUGS[plug[1].lower()] if plug else ""


def _kind(item: object) -> dict[str, Any] | None:
    """Return what is the same everywhere of a type; None for one that cannot be bought."""
    kind = item.get("instance_type") if isinstance(item, dict) else None
    specs = kind.get("specs") if isinstance(kind, dict) else None
    if not isinstance(kind, dict) or not isinstance(specs, dict):
        return None
    name, price = str(kind.get("name") or ""), usd(kind.get("price_cents_per_hour"))
    if not name or not price:
        return None
    count = _number(specs.get("gpus"))
    gpu, gib, plug = accelerator(str(kind.get("gpu_description") or ""), name)
    return {
        "instance_type": name,
        "accelerator": gpu if count else "",
        "accelerator_count": count,
        "accelerator_gib": gib if count else 0.0,
        "interconnect": plug if count else "",
        "vcpus": _number(specs.get("vcpus")),
        "memory_gib": _number(specs.get("memory_gib")),
        "disk_gib": _number(specs.get("storage_gib")),
        "arch": "arm64" if _ARM.match(gpu) else "x86_64",
        "spot": False,
        "price_usd_hour": price,
    }


def _where(kind: Mapping[str, Any], region: str, description: str) -> dict[str, Any]:
    latitude, longitude = place(region, description) or (math.nan, math.nan)
    return {
        "offer_id": offer_id(kind["instance_type"], region),
        "region": region,
        "zone": "",
        "latitude": latitude,
        "longitude": longitude,
    }


def _stocked(item: object) -> dict[str, str]:
    """Return the regions that have a type, with their descriptions."""
    listed = item.get("regions_with_capacity_available") if isinstance(item, dict) else None
    regions = listed if isinstance(listed, list) else []
    return {
        str(region["name"]): str(region.get("description") or "")
        for region in regions
        if isinstance(region, dict) and region.get("name")
    }


def _number(value: object) -> float:
    """Return a number; 0 for what is missing or none."""
    return number_of(value) or 0.0
