"""Regions: which the account may use, and where they are."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Final

from arb.errors import ProviderUnavailable

if TYPE_CHECKING:
    from arb_aws.client import Client

__all__ = ["PLACES", "enabled_regions", "place_of", "wanted_regions"]

PLACES: Final = {
    "af-south-1": (-33.92, 18.42),  # Cape Town
    "ap-east-1": (22.32, 114.17),  # Hong Kong
    "ap-east-2": (25.03, 121.57),  # Taipei
    "ap-northeast-1": (35.68, 139.69),  # Tokyo
    "ap-northeast-2": (37.57, 126.98),  # Seoul
    "ap-northeast-3": (34.69, 135.50),  # Osaka
    "ap-south-1": (19.08, 72.88),  # Mumbai
    "ap-south-2": (17.39, 78.49),  # Hyderabad
    "ap-southeast-1": (1.35, 103.82),  # Singapore
    "ap-southeast-2": (-33.87, 151.21),  # Sydney
    "ap-southeast-3": (-6.21, 106.85),  # Jakarta
    "ap-southeast-4": (-37.81, 144.96),  # Melbourne
    "ap-southeast-5": (3.14, 101.69),  # Kuala Lumpur
    "ap-southeast-6": (-36.85, 174.76),  # Auckland
    "ap-southeast-7": (13.76, 100.50),  # Bangkok
    "ca-central-1": (45.50, -73.57),  # Montreal
    "ca-west-1": (51.05, -114.07),  # Calgary
    "eu-central-1": (50.11, 8.68),  # Frankfurt
    "eu-central-2": (47.38, 8.54),  # Zurich
    "eu-north-1": (59.33, 18.07),  # Stockholm
    "eu-south-1": (45.46, 9.19),  # Milan
    "eu-south-2": (41.65, -0.88),  # Zaragoza
    "eu-west-1": (53.35, -6.26),  # Dublin
    "eu-west-2": (51.51, -0.13),  # London
    "eu-west-3": (48.86, 2.35),  # Paris
    "il-central-1": (32.09, 34.78),  # Tel Aviv
    "me-central-1": (25.20, 55.27),  # Dubai
    "me-south-1": (26.23, 50.59),  # Bahrain
    "mx-central-1": (20.59, -100.39),  # Queretaro
    "sa-east-1": (-23.55, -46.63),  # Sao Paulo
    "us-east-1": (38.95, -77.45),  # Northern Virginia
    "us-east-2": (39.96, -83.00),  # Columbus
    "us-west-1": (37.77, -122.42),  # San Francisco
    "us-west-2": (45.84, -119.70),  # Boardman
}
"""Region to latitude and longitude of the town that AWS names, in degrees."""


_ALWAYS_ON: Final = ("us-east-1", "us-east-2", "us-west-2")
"""Nobody can switch these off."""


def place_of(region: str) -> tuple[float, float]:
    """Return latitude and longitude of a region; NaN for one that is not in the table."""
    return PLACES.get(region, (float("nan"), float("nan")))


def enabled_regions(client: Client) -> tuple[str, ...]:
    """Return the regions that are enabled for the account.

    Any region knows; when one fails another is asked. Raises as ``Client.call``.
    """
    first, *others = dict.fromkeys((client.home_region(), *_ALWAYS_ON))
    try:
        return _regions(client, first)
    except ProviderUnavailable as error:
        for region in others:
            with contextlib.suppress(ProviderUnavailable):
                return _regions(client, region)
        raise error from None


def _regions(client: Client, asked: str) -> tuple[str, ...]:
    answer = client.call("ec2", "describe_regions", asked)
    return tuple(sorted(str(region["RegionName"]) for region in answer["Regions"]))


def wanted_regions(client: Client) -> tuple[str, ...]:
    """Return the regions to buy in: those of the option, else all. Raises as ``Client.call``."""
    return client.settings.regions or enabled_regions(client)
