"""From types, zones and prices to offers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from arb_aws.families import family_of
from arb_aws.regions import place_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

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
_FACTS: Final = {
    name: COLUMNS[name]
    for name in (
        "instance_type",
        "accelerator",
        "accelerator_count",
        "accelerator_gib",
        "vcpus",
        "memory_gib",
        "arch",
        "interconnect",
        "fabric",
    )
}
"""Those that follow from the type."""


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
    """Return the offers as the frame of ``arb_catalog``.

    There are a hundred thousand of them, and a thousand types: what is the same for all offers of a
    type, or of a region, is written once and taken from there.
    """
    import numpy as np
    import pandas as pd

    listed, known = list(parts), list(kinds.values())
    rows = [row for number, part in enumerate(listed) for row in _rows(number, part, known)]
    region, kind, spot, zone, usd, as_of, note = zip(*rows, strict=True) if rows else ((),) * 7
    facts = pd.DataFrame([_facts(one) for one in known], columns=list(_FACTS)).astype(_FACTS)
    frame = facts.take(np.array(kind, dtype=np.int64)).reset_index(drop=True)
    spots, where = np.array(spot, dtype=bool), np.array(region, dtype=np.int64)
    families = _taken([family_of(one.name, spot=False) for one in known], kind)
    frame["quota_family"] = np.where(
        spots, _taken([family_of(one.name, spot=True) for one in known], kind), families
    )
    frame["region"] = _taken([part.region for part in listed], where)
    places = [place_of(part.region) for part in listed]
    frame["latitude"] = _taken([latitude for latitude, _ in places], where)
    frame["longitude"] = _taken([longitude for _, longitude in places], where)
    frame["zone"], frame["spot"], frame["note"] = zone, spots, note
    frame["price_usd_hour"], frame["as_of"] = usd, as_of
    names = [one.name for one in known]
    frame["offer_id"] = [offer_id_of(names[k], z) for k, z in zip(kind, zone, strict=True)]
    return frame[list(COLUMNS)].astype(COLUMNS)


def _facts(kind: Kind) -> tuple[Any, ...]:
    """Return what all offers of a type have in common, in the order of ``_FACTS``."""
    return (
        kind.name,
        kind.accelerator,
        kind.count,
        kind.accelerator_gib,
        kind.vcpus,
        kind.memory_gib,
        kind.arch,
        kind.interconnect,
        kind.fabric,
    )


def _taken(values: Sequence[Any], codes: Any) -> Any:
    """Return an array of values by their numbers."""
    import numpy as np

    of_numbers = bool(values) and isinstance(values[0], float)
    return np.array(values, dtype=np.float64 if of_numbers else object).take(
        np.asarray(codes, dtype=np.int64)
    )


def _rows(number: int, part: RegionPart, kinds: Sequence[Kind]) -> Iterator[tuple[Any, ...]]:
    """Yield a row an offer: numbers of region and type, whether spot, zone, price, date and note."""
    for code, kind in enumerate(kinds):
        for zone in part.zones.get(kind.name, ()):
            for spot in (False, True):
                if ("spot" if spot else "on-demand") not in kind.usage:
                    continue
                price = part.spot.get((kind.name, zone)) if spot else part.listed.get(kind.name)
                if price is not None:
                    yield number, code, spot, zone, price.usd_hour, price.as_of, price.note
