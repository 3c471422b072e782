"""``RunInstances``: what is checked before anything is made, in the order in which EC2 does it."""

from __future__ import annotations

import base64
import binascii
import gzip
from dataclasses import dataclass
from typing import TYPE_CHECKING

from clouds.aws import shop
from clouds.aws.errors import Refused
from clouds.aws.images import resolve
from clouds.userdata import UserData, WrongUserData

if TYPE_CHECKING:
    from clouds.aws.calls import AwsCall
    from clouds.aws.cloud import Aws
    from clouds.model import NoRoom

__all__ = ["Launch", "no_room", "read_launch"]

_MOST_USER_DATA = 16 * 1024
_LONGEST_TOKEN = 64
_MOST_TAGS = 50


@dataclass(frozen=True)
class Launch:
    """An order that makes sense.

    Attributes:
        zone: Id of the zone.
        zone_name: The account's name of it.
        image: Id of the image.
        user_data: What the machines are given, unpacked.
        public: They get a public address.
    """

    kind: str
    count: int
    most: int
    spot: bool
    zone: str
    zone_name: str
    image: str
    user_data: UserData
    token: str
    shutdown: str
    public: bool


def read_launch(cloud: Aws, call: AwsCall) -> Launch:
    """Check an order.

    Raises:
        Refused: It is wrong.
    """
    kind, spot = call.get("InstanceType"), call.get("InstanceMarketOptions.MarketType") == "spot"
    _check_form(cloud, call, spot=spot)
    sold = cloud.sold_types()
    if kind not in sold:
        raise Refused("InvalidInstanceType.NotFound", f"The instance type '{kind}' does not exist")
    zone_name = _zone_name(cloud, call)
    zone = shop.zones_of(call.region)[zone_name]
    _check_offered(call.region, kind, zone, zone_name, spot=spot)
    image = resolve(cloud, call.region, call.get("ImageId"))
    _check_image(cloud, call, kind, image)
    return Launch(
        kind=kind,
        count=int(call.get("MinCount")),
        most=int(call.get("MaxCount")),
        spot=spot,
        zone=zone,
        zone_name=zone_name,
        image=image,
        user_data=_user_data(call.get("UserData")),
        token=call.get("ClientToken"),
        shutdown=call.get("InstanceInitiatedShutdownBehavior") or "stop",
        public=_first_interface(call).get("AssociatePublicIpAddress", "true") == "true",
    )


def _check_form(cloud: Aws, call: AwsCall, *, spot: bool) -> None:
    """Refuse parameters that do not go together or are too long."""
    interfaces = call.groups("NetworkInterface")
    if interfaces and (call.get("SubnetId") or call.items("SecurityGroupId")):
        told = "Network interfaces and an instance-level subnet ID or security groups may not be"
        raise Refused("InvalidParameterCombination", f"{told} specified on the same request")
    shutdown = call.get("InstanceInitiatedShutdownBehavior")
    if spot and shutdown and not cloud.settings.spot_takes_shutdown:
        told = "The parameter InstanceInitiatedShutdownBehavior cannot be used with spot requests"
        raise Refused("InvalidParameterCombination", told)
    token = call.get("ClientToken")
    if len(token) > _LONGEST_TOKEN or not token.isascii():
        raise Refused("InvalidParameterValue", "The client token is too long")
    for kind in ("instance", "volume", "network-interface", "spot-instances-request"):
        tags = call.tags(kind)
        if len(tags) > _MOST_TAGS:
            raise Refused("TagLimitExceeded", "The maximum number of tags was exceeded")
        for key, value in tags.items():
            if key.lower().startswith("aws:") or not 0 < len(key) <= 128 or len(value) > 256:
                raise Refused("InvalidParameterValue", f"Tag keys and values: {key!r}")
        if kind == "spot-instances-request" and tags and not spot:
            told = (
                "'spot-instances-request' is not a valid taggable resource type for this operation"
            )
            raise Refused("InvalidParameterValue", told)


def _zone_name(cloud: Aws, call: AwsCall) -> str:
    """Return the name of the zone: by the subnet, by placement, else the region's first."""
    subnet = call.get("SubnetId") or _first_interface(call).get("SubnetId", "")
    if subnet:
        found = cloud.inside(call).ec2(call.region).subnets
        for zone, subnets in found.items():
            if subnet in subnets:
                return str(zone)
        raise Refused("InvalidSubnetID.NotFound", f"The subnet ID '{subnet}' does not exist")
    name = call.get("Placement.AvailabilityZone")
    names = shop.zones_of(call.region)
    by_id = {zone: name for name, zone in names.items()}
    name = name or by_id.get(call.get("Placement.AvailabilityZoneId"), "") or next(iter(names))
    if name not in names:
        raise Refused("InvalidParameterValue", f"Invalid availability zone: [{name}]")
    return name


def _first_interface(call: AwsCall) -> dict[str, str]:
    return next(iter(call.groups("NetworkInterface")), {})


def _check_offered(region: str, kind: str, zone: str, name: str, *, spot: bool) -> None:
    zones = shop.offered(region).get(kind, ())
    if zone in zones and shop.is_sold(kind, spot=spot) and (spot or shop.usd(kind, region)):
        return
    names = {zone: name for name, zone in shop.zones_of(region).items()}
    others = ", ".join(sorted(names[z] for z in zones if z in names))
    told = f"Your requested instance type ({kind}) is not supported in your requested Availability"
    raise Refused("Unsupported", f"{told} Zone ({name}). Please retry by choosing {others}.")


def _check_image(cloud: Aws, call: AwsCall, kind: str, image: str) -> None:
    _, arch, _, size, root = shop.IMAGES[image]
    wanted = shop.types()[kind]["ProcessorInfo"]["SupportedArchitectures"]
    if arch not in wanted:
        told = f"The architecture '{wanted[0]}' of the specified instance type does not match the"
        raise Refused(
            "InvalidParameterValue", f"{told} architecture '{arch}' of the specified AMI."
        )
    least = size or cloud.settings.image_gib
    for disk in call.groups("BlockDeviceMapping"):
        asked = int(disk.get("Ebs.VolumeSize", 0))
        if disk.get("DeviceName") == root and asked and asked < least:
            told = f"Volume of size {asked}GB is smaller than snapshot, expect size >= {least}GB"
            raise Refused("InvalidBlockDeviceMapping", told)


def _user_data(encoded: str) -> UserData:
    """Return what the first boot makes of user data; cloud-init unpacks it when it is packed."""
    if not encoded:
        return UserData()
    try:
        data = base64.b64decode(encoded, validate=True)
    except binascii.Error:
        raise Refused("InvalidUserData.Malformed", "Invalid BASE64 encoding of user data") from None
    if len(data) > _MOST_USER_DATA:
        told = f"User data is limited to {_MOST_USER_DATA} bytes"
        raise Refused("InvalidParameterValue", told)
    text = gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data
    try:
        return UserData.of_cloud_config(text.decode())
    except WrongUserData:
        return UserData()  # a script, for instance: it is run, and lets nobody in


def no_room(full: NoRoom, call: AwsCall, launch: Launch) -> Refused:
    """Return how EC2 says that there is no room for an order, or no quota."""
    if full.quota:
        if launch.spot:
            return Refused("MaxSpotInstanceCountExceeded", "Max spot instance count exceeded")
        told = "You have requested more vCPU capacity than your current vCPU limit allows"
        return Refused("VcpuLimitExceeded", f"{told} for the instance bucket")
    if launch.spot:
        told = "There is no Spot capacity available that matches your request."
        return Refused("InsufficientInstanceCapacity", told, 500)
    names = [n for n, z in shop.zones_of(call.region).items() if n != launch.zone_name]
    told = (
        f"We currently do not have sufficient {launch.kind} capacity in the Availability Zone you"
    )
    more = f"requested ({launch.zone_name}). You can get capacity by choosing {', '.join(names)}."
    return Refused("InsufficientInstanceCapacity", f"{told} {more}", 500)
