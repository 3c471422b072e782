"""The price list of this package: for the time before there are credentials."""

from __future__ import annotations

from importlib.resources import files
from io import StringIO
from typing import TYPE_CHECKING

from arb.catalog.read_csv import read_csv
from arb.types import Catalog
from arb_gcp.catalog.accelerators import ACCELERATORS
from arb_gcp.catalog.compose import offer_id_of, quotas_of
from arb_gcp.catalog.regions import place_of

if TYPE_CHECKING:
    from arb_gcp.settings import Settings

__all__ = ["bundled_catalog"]


def bundled_catalog(settings: Settings, why: str = "") -> Catalog:
    """Return the shipped list.

    Args:
        settings: Checked options: other regions than those that are wanted are left out.
        why: Why it is not live although there are credentials; empty when there are none.
    """
    text = files("arb_gcp").joinpath("data/catalog.csv").read_text(encoding="utf-8")
    frame = read_csv(StringIO(text))
    as_of = float(frame.pop("as_of").min())  # of 2026 without a day: the oldest that it can be
    if settings.regions:
        frame = frame[frame["region"].isin(settings.regions)].reset_index(drop=True)
    types, zones = frame["instance_type"].astype(str), frame["zone"].astype(str)
    names = [_google_name(accelerator) for accelerator in frame["accelerator"].astype(str)]
    frame["offer_id"] = [
        offer_id_of(zone, kind, "", 0, guest=False) for zone, kind in zip(zones, types, strict=True)
    ]
    frame["quota_family"] = [quotas_of(kind, name) for kind, name in zip(types, names, strict=True)]
    links = [ACCELERATORS[name].interconnect if name else "" for name in names]
    frame["interconnect"], frame["fabric"] = links, ["ethernet" if n else "" for n in names]
    places = [place_of(region) for region in frame["region"].astype(str)]
    frame["latitude"] = [latitude for latitude, _ in places]
    frame["longitude"] = [longitude for _, longitude in places]
    return Catalog(frame, "bundled", as_of, why=why)


def _google_name(accelerator: str) -> str:
    """Return Google's name of an accelerator that the list names canonically."""
    return next((name for name, a in ACCELERATORS.items() if a.name == accelerator), "")
