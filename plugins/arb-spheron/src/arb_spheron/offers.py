"""From ``GET /api/gpu-offers`` to rows of a catalog. Pure functions."""

from __future__ import annotations

import json
import math
import re
from typing import TYPE_CHECKING, Any, Final

from arb_spheron.info import MINIMUM_S
from arb_spheron.names import fabric, place, plug_of, read_gpu_type
from arb_spheron.values import number, whole

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

__all__ = ["offer_id", "rows_of"]

SPOT: Final = "SPOT"
_GPU_NAMES: Final = ("gpuType", "baseGpuType", "gpuModel")
"""Of a group, the most exact one first."""
_OS_WISHES: Final = ("cuda", "docker", "ubuntu")
"""What an image must say of itself to be taken before others, the first counting most."""
_DESKTOP: Final = re.compile(r"(?i)desktop|windows")


def rows_of(groups: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return a row for each offer, region and capacity class; what cannot be bought is left out.

    Args:
        groups: The ``data`` of all pages.
    """
    rows: dict[tuple[str, bool], dict[str, Any]] = {}
    for group in groups:
        for offer in _dicts(group.get("offers")):
            for row in _rows(group, offer):
                rows.setdefault((row["offer_id"], row["spot"]), row)
    return list(rows.values())


def offer_id(offer: str, region: str) -> str:
    """Return the id of an offer in one of its regions."""
    return f"{offer}@{region}"


def _rows(group: Mapping[str, Any], offer: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    images = [text for text in _list(offer.get("os_options")) if isinstance(text, str)]
    count = whole(offer.get("gpuCount")) or 0
    if not images or count < 1 or not offer.get("offerId") or not offer.get("provider"):
        return  # it cannot be ordered
    for kind, spot, price in _classes(offer):
        for region in _regions(offer):
            yield _row(group, offer, region, spot=spot, price=price) | {
                "payload": json.dumps(
                    {
                        "provider": offer["provider"],
                        "gpuType": group.get("gpuType"),
                        "gpuCount": count,
                        "operatingSystem": max(images, key=_image_rank),
                        "instanceType": kind,
                    }
                )
            }


def _classes(offer: Mapping[str, Any]) -> Iterator[tuple[str, bool, float]]:
    """Yield ``instanceType`` to order, whether it is spot, and the price.

    A spot offer has its price in ``spot_price`` or in ``price``; one that is not spot and has a
    ``spot_price`` is sold as both.
    """
    kind = str(offer.get("instanceType") or "DEDICATED").upper()
    price, spot_price = _number(offer.get("price")), _number(offer.get("spot_price"))
    if kind != SPOT and price > 0:
        yield kind, False, price
    price = spot_price if spot_price > 0 or kind != SPOT else price
    if price > 0:
        yield SPOT, True, price


def _regions(offer: Mapping[str, Any]) -> list[str]:
    names = [str(name) for name in _list(offer.get("clusters")) if name]
    region = offer.get("region")
    return names or ([str(region)] if region else [])


def _row(
    group: Mapping[str, Any], offer: Mapping[str, Any], region: str, *, spot: bool, price: float
) -> dict[str, Any]:
    gib, count = _number(offer.get("gpu_memory")), _number(offer.get("gpuCount"))
    gpu = next((str(group[name]) for name in _GPU_NAMES if group.get(name)), "")
    name, plug, bare_metal = read_gpu_type(gpu, gib)
    latitude, longitude = place(region) or (math.nan, math.nan)
    available = offer.get("available") is not False and not offer.get("maintenance")
    return {
        "offer_id": offer_id(str(offer["offerId"]), region),
        "region": region,
        "zone": "",
        "instance_type": str(offer["offerId"]),
        "accelerator": name if count else "",
        "accelerator_count": count if name else 0.0,
        "accelerator_gib": gib if name and count else 0.0,
        "vcpus": _number(offer.get("vcpus")),
        "memory_gib": _number(offer.get("memory")),
        "disk_gib": _number(offer.get("storage")),
        "spot": spot,
        "price_usd_hour": price,
        "interconnect": plug or plug_of(str(offer.get("interconnectType") or "")),
        "fabric": fabric(str(offer.get("interconnectDescription") or "")),
        "minimum_s": float(MINIMUM_S),
        "available": available,
        "user_data": offer.get("supportsCloudInit") is True,
        "latitude": latitude,
        "longitude": longitude,
        "note": "bare metal" if bare_metal else "",
    }


def _image_rank(text: str) -> tuple[bool, ...]:
    lowered = text.lower()
    return (not _DESKTOP.search(text), *(word in lowered for word in _OS_WISHES))


def _number(value: object) -> float:
    """Return a number; 0 for what is missing or none."""
    return number(value) or 0.0


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _dicts(value: object) -> list[dict[str, Any]]:
    return [item for item in _list(value) if isinstance(item, dict)]
