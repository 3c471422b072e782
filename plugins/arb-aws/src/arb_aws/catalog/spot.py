"""Spot prices, each zone by itself: they differ up to fivefold between zones of one region."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from arb_aws.zones import zone_ids

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from arb_aws.client import Client

__all__ = ["read_spot"]

_LINUX: Final = "Linux/UNIX"
_PAGE: Final = 1000


def read_spot(
    client: Client, region: str, types: Sequence[str] = ()
) -> list[tuple[str, str, float]]:
    """Return instance type, zone id and USD an hour of what is sold now.

    Args:
        client: The way to EC2.
        region: Where.
        types: Only these; empty means all.

    Raises:
        ArbError: As ``Client.call``.
    """
    now = datetime.fromtimestamp(client.context.clock.now(), UTC)
    wanted: dict[str, Any] = {"InstanceTypes": list(types)} if types else {}
    pages = client.pages(
        "ec2",
        "describe_spot_price_history",
        region,
        ProductDescriptions=[_LINUX],
        StartTime=now,  # from now on: the price in force of each pool
        MaxResults=_PAGE,
        **wanted,
    )
    latest: dict[tuple[str, str], tuple[str, float]] = {}
    ids: Mapping[str, str] = {}
    for page in pages:
        for said in page["SpotPriceHistory"]:
            zone, name = said.get("AvailabilityZoneId") or "", said.get("AvailabilityZone")
            if name and not zone:  # not every version tells the id
                ids = ids or zone_ids(client, region)
                zone = ids.get(name, "")
            key, at = (str(said["InstanceType"]), zone), str(said["Timestamp"])
            if zone and at >= latest.get(key, ("", 0.0))[0]:
                latest[key] = (at, float(said["SpotPrice"]))
    return [(kind, zone, price) for (kind, zone), (_, price) in latest.items()]
