"""Where Lambda's regions are."""

from __future__ import annotations

from typing import Final

__all__ = ["NO_FIREWALL", "REGIONS", "place"]

REGIONS: Final = {
    "us-east-1": "Virginia, USA",
    "us-east-2": "Washington DC, USA",
    "us-east-3": "Washington DC, USA",
    "us-midwest-1": "Illinois, USA",
    "us-south-1": "Texas, USA",
    "us-south-2": "North Texas, USA",
    "us-south-3": "Central Texas, USA",
    "us-west-1": "California, USA",
    "us-west-2": "Arizona, USA",
    "us-west-3": "Utah, USA",
    "europe-central-1": "Germany",
    "europe-south-1": "",
    "me-west-1": "Israel",
    "asia-south-1": "India",
    "asia-northeast-1": "Osaka, Japan",
    "asia-northeast-2": "Tokyo, Japan",
    "australia-east-1": "Sydney, Australia",
}
"""What Lambda says of the regions that are known, for when it cannot be asked."""

NO_FIREWALL: Final = frozenset({"us-south-1"})
"""Where there are no firewall rules: every port of a machine is open."""

_PLACES: Final = (
    ("virginia", (38.9, -77.4)),
    ("washington", (38.9, -77.0)),
    ("georgia", (33.7, -84.4)),
    ("ohio", (40.0, -83.0)),
    ("illinois", (41.9, -87.6)),
    ("north texas", (32.8, -96.8)),
    ("central texas", (30.3, -97.7)),
    ("texas", (32.8, -96.8)),
    ("california", (37.4, -122.0)),
    ("arizona", (33.4, -112.1)),
    ("utah", (40.8, -111.9)),
    ("germany", (50.1, 8.7)),
    ("italy", (45.5, 9.2)),
    ("israel", (32.1, 34.8)),
    ("india", (19.1, 72.9)),
    ("osaka", (34.7, 135.5)),
    ("tokyo", (35.7, 139.7)),
    ("sydney", (-33.9, 151.2)),
)
"""Words of descriptions with latitude and longitude; of two that fit the first counts."""


def place(region: str, description: str = "") -> tuple[float, float] | None:
    """Return latitude and longitude of a region, in degrees; None when nobody says where it is.

    Args:
        region: Its name.
        description: What Lambda says of it now.
    """
    text = (description or REGIONS.get(region, "")).lower()
    return next((where for word, where in _PLACES if word in text), None)
