"""The parameters of ``RunInstances``, as a function of what was ordered: no clock, no chance."""

from __future__ import annotations

import gzip
import math
from typing import TYPE_CHECKING, Any, Final

from arb.errors import RequestError, Scope
from arb_aws.tags import tag_list, tags_of

if TYPE_CHECKING:
    from arb.types import NodeSetup, ProvisionRequest
    from arb_aws.images import Image
    from arb_aws.network import Place
    from arb_aws.settings import Settings

__all__ = ["MOST_USER_DATA", "profile_of", "run_parameters", "user_data"]

MOST_USER_DATA: Final = 16 * 1024
"""Bytes that EC2 takes, before they are encoded for the way."""
_TAGGED: Final = ("instance", "volume", "network-interface")


def run_parameters(
    request: ProvisionRequest, settings: Settings, image: Image, place: Place, group: str
) -> dict[str, Any]:
    """Return the parameters of the one call that buys all machines of an order, or none.

    Args:
        request: The order.
        settings: Checked options.
        image: What to boot.
        place: Where.
        group: Id of the security group.

    Raises:
        RequestError: What the machine is to be given is too long.
    """
    offer, (setup, *_) = request.offer, request.setups
    user = "" if image.user == "ubuntu" else image.user
    tags = tag_list(tags_of(request, user, is_private=not settings.public_ip))
    kinds = [*_TAGGED, *(["spot-instances-request"] if offer.spot else [])]
    parameters: dict[str, Any] = {
        "ClientToken": request.token,
        "MinCount": request.count,
        "MaxCount": request.count,
        "ImageId": image.id,
        "InstanceType": offer.instance_type,
        "UserData": user_data(setup),
        "NetworkInterfaces": [_interface(settings, place, group)],
        "BlockDeviceMappings": [_disk(request, settings, image)],
        "MetadataOptions": {"HttpTokens": "required", "HttpEndpoint": "enabled"},
        "TagSpecifications": [{"ResourceType": kind, "Tags": tags} for kind in kinds],
        **_market(spot=offer.spot),
    }
    if settings.instance_profile:
        parameters["IamInstanceProfile"] = profile_of(settings.instance_profile)
    return parameters


def user_data(setup: NodeSetup) -> bytes:
    """Return a setup as EC2 takes it: cloud-config, packed when it is too long as it is.

    Raises:
        RequestError: It is too long even then.
    """
    plain = setup.user_data().encode()
    if len(plain) <= MOST_USER_DATA:
        return plain
    packed = gzip.compress(plain, mtime=0)
    if len(packed) <= MOST_USER_DATA:
        return packed
    summary = f"aws takes 16 KB of user data, and {setup.token} needs {len(packed)} bytes"
    raise RequestError(summary, scope=Scope.PROVIDER, code="aws-user-data")


def _market(*, spot: bool) -> dict[str, Any]:
    """Return what makes an order one of spot, or of machines that end when they shut down.

    Spot requests are one-time: their answer is machines or a refusal. Without a price of our own
    the on-demand price is the most that is paid. Whether spot machines take a shutdown behaviour is not known, so only the others get one.
    """
    if not spot:
        return {"InstanceInitiatedShutdownBehavior": "terminate"}
    once = {"SpotInstanceType": "one-time", "InstanceInterruptionBehavior": "terminate"}
    return {"InstanceMarketOptions": {"MarketType": "spot", "SpotOptions": once}}


def _interface(settings: Settings, place: Place, group: str) -> dict[str, Any]:
    interface: dict[str, Any] = {
        "DeviceIndex": 0,
        "Groups": [group],
        "AssociatePublicIpAddress": settings.public_ip,
        "DeleteOnTermination": True,
    }
    return interface | ({"SubnetId": place.subnet} if place.subnet else {})


def _disk(request: ProvisionRequest, settings: Settings, image: Image) -> dict[str, Any]:
    asked = math.ceil(request.disk_gib) or settings.disk_gib
    volume = {
        "VolumeSize": max(asked, image.least_gib),
        "VolumeType": settings.disk_type,
        "DeleteOnTermination": True,
    }
    return {"DeviceName": image.root, "Ebs": volume}


def profile_of(named: str) -> dict[str, str]:
    """Return an instance profile as orders name it: by its ARN or its name."""
    return {"Arn" if named.startswith("arn:") else "Name": named}
