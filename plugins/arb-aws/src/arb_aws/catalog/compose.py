"""From types, zones and prices to offers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from arb_aws.families import family_of
from arb_aws.regions import place_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from arb_aws.catalog.kinds import Kind

__all__ = ["COLUMNS", "Price", "RegionPart", "frame_of", "offer_id_of"]

COLUMNS: Final = {
    "offer_id": "str",
    **dict.fromkeys(("region", "zone", "instance_type", "accelerator"), "category"),
    **dict.fromkeys(("accelerator_count", "accelerator_gib", "vcpus", "memory_gib"), "float32"),
    "spot": "bool",
    "price_usd_hour": "float64",
    **dict.fromkeys(("arch", "interconnect", "fabric", "quota_family"), "category"),
    **dict.fromkeys(("latitude", "longitude", "as_of"), "float64"),
    "note": "category",
}
"""Columns of the frame, with their dtypes."""


@dataclass(frozen=True, slots=True)
class Price:
    """USD an hour, when that was true, and what to say of it."""

    usd_hour: float
    as_of: float
    note: str = ""


@dataclass(frozen=True, slots=True)
class RegionPart:
    """What is known of one region.

    Attributes:
        zones: Instance type -> zone ids where it is offered.
        listed: Instance type -> price on demand.
        spot: Instance type and zone id -> price on spot.
        missing: What of it could not be read now -> why.
    """

    region: str
    zones: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    listed: Mapping[str, Price] = field(default_factory=dict)
    spot: Mapping[tuple[str, str], Price] = field(default_factory=dict)
    missing: Mapping[str, str] = field(default_factory=dict)


def offer_id_of(instance_type: str, place: str) -> str:
    """Return our key of an offer: the type and its zone id, or its region where no zone is known."""
    return f"{instance_type}@{place}"


def frame_of(parts: Iterable[RegionPart], kinds: Mapping[str, Kind]) -> Any:
    """Return the offers as the frame of ``arb_catalog``."""
    import pandas as pd

    rows = [row for part in parts for row in _rows(part, kinds)]
    columns: dict[str, Any] = dict(zip(COLUMNS, zip(*rows, strict=True), strict=True))
    frame = pd.DataFrame({name: columns.get(name, ()) for name in COLUMNS})
    return frame.astype(COLUMNS)


def _rows(part: RegionPart, kinds: Mapping[str, Kind]) -> Iterator[tuple[Any, ...]]:
    """Yield one row an offer, its values in the order of ``COLUMNS``."""
    latitude, longitude = place_of(part.region)
    for name, zones in part.zones.items():
        kind = kinds.get(name)
        if kind is None:
            continue
        for spot in (False, True):
            if ("spot" if spot else "on-demand") not in kind.usage:
                continue
            family = family_of(name, spot=spot)
            for zone in zones:
                price = part.spot.get((name, zone)) if spot else part.listed.get(name)
                if price is None:
                    continue
                yield (
                    offer_id_of(name, zone),
                    part.region,
                    zone,
                    name,
                    kind.accelerator,
                    kind.count,
                    kind.accelerator_gib,
                    kind.vcpus,
                    kind.memory_gib,
                    spot,
                    price.usd_hour,
                    kind.arch,
                    kind.interconnect,
                    kind.fabric,
                    family,
                    latitude,
                    longitude,
                    price.as_of,
                    price.note,
                )
