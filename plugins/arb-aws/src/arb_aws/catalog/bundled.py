"""The price list of this package: for the time before there are credentials."""

from __future__ import annotations

from importlib.resources import files
from io import StringIO
from typing import TYPE_CHECKING, Any

from arb.catalog.read_csv import read_csv
from arb.types import Catalog
from arb_aws.catalog.compose import Price, offer_id_of
from arb_aws.families import family_of
from arb_aws.regions import place_of

if TYPE_CHECKING:
    from arb_aws.settings import Settings

__all__ = ["bundled_catalog", "bundled_prices"]


def bundled_catalog(settings: Settings) -> Catalog:
    """Return the shipped list; regions other than those of the option are left out."""
    frame = _read()
    as_of = float(frame["as_of"].min())
    if settings.regions:
        frame = frame[frame["region"].isin(settings.regions)].reset_index(drop=True)
    places = [place_of(region) for region in frame["region"].astype(str)]
    frame["latitude"] = [latitude for latitude, _ in places]
    frame["longitude"] = [longitude for _, longitude in places]
    return Catalog(frame, "bundled", as_of)


def bundled_prices(why: str) -> dict[tuple[str, str], Price]:
    """Return region and instance type -> price on demand.

    Args:
        why: Told with each: why it is not live.
    """
    frame = _read()
    listed = frame[~frame["spot"]]
    return {
        (str(row.region), str(row.instance_type)): Price(row.price_usd_hour, row.as_of, why)
        for row in listed.itertuples()
    }


def _read() -> Any:
    text = files("arb_aws").joinpath("data/catalog.csv").read_text(encoding="utf-8")
    frame = read_csv(StringIO(text))
    types, spots = frame["instance_type"].astype(str), frame["spot"]
    places = [zone or region for zone, region in zip(frame["zone"], frame["region"], strict=True)]
    frame["offer_id"] = list(map(offer_id_of, types, places))
    frame["quota_family"] = [
        family_of(kind, spot=spot) for kind, spot in zip(types, spots, strict=True)
    ]
    return frame
