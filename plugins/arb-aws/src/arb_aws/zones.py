"""Names and ids of availability zones: names are shuffled for each account, ids are the places."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from arb_aws.faults import Forbidden
from arb_aws.keep import kept_part

if TYPE_CHECKING:
    from collections.abc import Mapping

    from arb_aws.client import Client

__all__ = ["zone_ids"]

_FRESH_S: Final = 7 * 24 * 3600.0


def zone_ids(client: Client, region: str) -> Mapping[str, str]:
    """Return zone name -> zone id of a region: ``{"us-east-1a": "use1-az2"}``.

    The map of an account never changes; it is read anew once a week for zones that are new. It is
    empty where the account may not ask: machines are then shown with the names. Raises as
    ``Client.call``.
    """

    def read() -> dict[str, str]:
        answer = client.call("ec2", "describe_availability_zones", region)
        return {zone["ZoneName"]: zone["ZoneId"] for zone in answer["AvailabilityZones"]}

    name = f"zones-{client.account()}-{region}"
    try:
        found: dict[str, str] = kept_part(client.context, name, _FRESH_S, read).value
    except Forbidden:
        return {}
    return found
