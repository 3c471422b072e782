"""Where in a region machines go: a subnet in the zone that was bought, and its VPC."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from arb.errors import RequestError, Scope

if TYPE_CHECKING:
    from collections.abc import Sequence

    from arb.types import Offer
    from arb_aws.client import Client

__all__ = ["NO_VPC", "Place", "find_place", "find_subnets", "zones_with_subnets"]

NO_VPC: Final = "run: aws ec2 create-default-vpc --region {}, or set provider_options.aws.subnets"
"""What to do about a region without a default VPC."""
_HINT: Final = "set provider_options.aws.subnets"


@dataclass(frozen=True, slots=True)
class Place:
    """A subnet with its VPC. An empty subnet leaves the choice to EC2."""

    vpc: str
    subnet: str = ""


def find_place(client: Client, offer: Offer) -> Place:
    """Return where machines of an offer go: a configured subnet, else the default VPC's.

    Raises:
        RequestError: There is none in the offer's zone, or no default VPC in its region.
        ArbError: As ``Client.call``.
    """
    chosen = client.settings.subnets.get(offer.region, ())
    subnets = find_subnets(client, offer.region)
    if not offer.zone:
        first = subnets[0]
        return Place(first["VpcId"], first["SubnetId"] if chosen else "")
    for subnet in subnets:
        if offer.zone in {subnet.get("AvailabilityZoneId"), subnet.get("AvailabilityZone")}:
            return Place(subnet["VpcId"], subnet["SubnetId"])
    which = "no subnet that is configured" if chosen else "no default subnet"
    summary = f"aws: {which} is in zone {offer.zone} of {offer.region}"
    raise RequestError(summary, scope=Scope.ZONE, code="aws-no-subnet", hint=_HINT)


def find_subnets(client: Client, region: str) -> list[Any]:
    """Return the subnets of a region that machines may go to: those configured, else the default VPC's.

    Raises:
        RequestError: There is no default VPC, or no subnet in it.
        ArbError: As ``Client.call``.
    """
    subnets = _subnets(client, region, client.settings.subnets.get(region, ()))
    if subnets:
        return subnets
    summary = f"aws: the account has no default VPC in {region}, or no subnet in it"
    hint = NO_VPC.format(region)
    raise RequestError(summary, scope=Scope.REGION, code="aws-no-vpc", hint=hint)


def zones_with_subnets(client: Client, region: str) -> frozenset[str]:
    """Return ids of the zones of a region that the configured subnets are in.

    Raises as ``Client.call``.
    """
    subnets = _subnets(client, region, client.settings.subnets[region])
    return frozenset(str(subnet["AvailabilityZoneId"]) for subnet in subnets)


def _subnets(client: Client, region: str, chosen: Sequence[str]) -> list[Any]:
    """Return the subnets to choose from, those of one zone in a fixed order."""
    wanted: dict[str, Any] = {"SubnetIds": list(chosen)}
    if not chosen:
        wanted = {"Filters": [{"Name": "default-for-az", "Values": ["true"]}]}
    pages = client.pages("ec2", "describe_subnets", region, **wanted)
    found = [subnet for page in pages for subnet in page["Subnets"]]
    return sorted(found, key=lambda subnet: str(subnet["SubnetId"]))
