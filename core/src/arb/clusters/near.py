"""Where clients are: coordinates, or the name of a region whose place a catalog knows."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from arb.errors import UsageError

if TYPE_CHECKING:
    from arb.clusters.prices import Prices

__all__ = ["find_place"]

_NUMBER: Final = r"[-+]?\d+(?:\.\d+)?"
_COORDINATES: Final = re.compile(rf"\s*({_NUMBER})\s*,\s*({_NUMBER})\s*")
_MOST_LATITUDE: Final = 90
_MOST_LONGITUDE: Final = 180


def find_place(prices: Prices, text: str) -> tuple[float, float]:
    """Return latitude and longitude.

    Args:
        prices: Whose regions are known.
        text: ``59.3,18.1``, or a region such as ``eu-north-1``, without regard to case.

    Raises:
        UsageError: It is neither.
    """
    if match := _COORDINATES.fullmatch(text):
        latitude, longitude = float(match[1]), float(match[2])
        if abs(latitude) <= _MOST_LATITUDE and abs(longitude) <= _MOST_LONGITUDE:
            return latitude, longitude
        summary = f"{text!r} is not on this earth: latitude is within 90, longitude within 180"
        raise UsageError(summary, code="near")
    place = prices.catalog.place_of(text.strip())
    if place is None:
        summary = f"it is not known where {text!r} is"
        raise UsageError(summary, code="near", hint="write LATITUDE,LONGITUDE, like 59.3,18.1")
    return place
