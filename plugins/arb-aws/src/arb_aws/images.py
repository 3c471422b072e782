"""Which image a machine boots: the user's, else Ubuntu with the driver that the accelerator needs.

AWS publishes the newest image of each kind as a parameter of Systems Manager. An order names the
parameter and not what it holds, so that an order that is sent again is the same order.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from arb.errors import ArbError, RequestError, Scope
from arb_aws.families import series_of
from arb_aws.faults import ApiError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from arb.types import Offer, ProvisionRequest
    from arb_aws.client import Client

__all__ = ["Image", "Wanted", "default_image", "find_image", "user_of"]

_RESOLVE: Final = "resolve:ssm:"
_DLAMI: Final = "/aws/service/deeplearning/ami"
_CANONICAL: Final = "/aws/service/canonical/ubuntu/server/24.04/stable/current"
_NEURON: Final = "/aws/service/neuron/dlami/base/ubuntu-22.04/latest/image_id"
_OLD_DRIVER: Final = re.compile(r"(p2|p3|p3dn|g3|g3s)\.")
"""GPUs that NVIDIA's open driver does not know."""
_AMAZON, _CANONICALS = "amazon", "099720109477"
_ROOT: Final = "/dev/sda1"
_HINT: Final = "name another: image_id of the task, or provider_options.aws.image"
_USERS: Final = (
    (re.compile(r"ubuntu"), "ubuntu"),
    (re.compile(r"debian"), "admin"),
    (re.compile(r"rocky"), "rocky"),
    (re.compile(r"alma|amzn|al20|amazon|rhel|red hat|suse|sles|oracle"), "ec2-user"),
    (re.compile(r"centos"), "centos"),
    (re.compile(r"fedora"), "fedora"),
)


@dataclass(frozen=True, slots=True)
class Image:
    """What an order boots.

    Attributes:
        id: An image id, or ``resolve:ssm:PARAMETER``.
        holds: The image id that the parameter held when it was read; empty when it was not.
        root: Name of its boot disk.
        user: Whom it lets in.
        least_gib: Size of the disk that it is made of; 0 when that is not known.
    """

    id: str
    root: str = _ROOT
    user: str = "ubuntu"
    least_gib: int = 0
    holds: str = ""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A kind of image.

    Attributes:
        parameters: Where its newest id is told; spellings differ, the first that is there counts.
        owner: Who publishes it.
        pattern: Of its name, for when no parameter can be read.
    """

    parameters: tuple[str, ...]
    owner: str
    pattern: str


def default_image(offer: Offer) -> Wanted:
    """Return the kind of image for an offer."""
    arch = "arm64" if offer.arch == "arm64" else "x86_64"
    if not offer.accelerator:
        deb = "arm64" if arch == "arm64" else "amd64"
        pattern = f"ubuntu/images/hvm-ssd-gp3/ubuntu-noble-24.04-{deb}-server-*"
        return Wanted((f"{_CANONICAL}/{deb}/hvm/ebs-gp3/ami-id",), _CANONICALS, pattern)
    if series_of(offer.instance_type) in {"inf", "trn"}:
        return Wanted((_NEURON,), _AMAZON, "Deep Learning Base Neuron AMI (Ubuntu 22.04) *")
    old = _OLD_DRIVER.match(offer.instance_type) is not None
    driver, told = ("proprietary", "Proprietary") if old else ("oss", "OSS")
    names = (f"base-{driver}-nvidia-driver{gpu}-ubuntu-22.04" for gpu in ("-gpu", ""))
    pattern = f"Deep Learning {'ARM64 ' * (arch == 'arm64')}Base {told} Nvidia Driver GPU AMI"
    return Wanted(
        tuple(f"{_DLAMI}/{arch}/{name}/latest/ami-id" for name in names),
        _AMAZON,
        f"{pattern} (Ubuntu 22.04) *",
    )


def find_image(client: Client, request: ProvisionRequest) -> Image:
    """Return what an order boots.

    Raises:
        RequestError: There is no such image.
        ArbError: As ``Client.call``.
    """
    offer = request.offer
    named = request.image or client.settings.image_in(offer.region)
    if named:
        return _named(client, offer, named)
    wanted = default_image(offer)
    parameter, holds = _parameter(client, offer.region, wanted.parameters)
    if parameter:
        return Image(_RESOLVE + parameter, holds=holds)
    return _newest(client, offer, wanted)


def user_of(name: str) -> str:
    """Return whom an image of this name lets in."""
    lowered = name.lower()
    return next((user for words, user in _USERS if words.search(lowered)), "ubuntu")


def _named(client: Client, offer: Offer, named: str) -> Image:
    """Return an image that the user names: an id, or a parameter of Systems Manager."""
    text = named.removeprefix(_RESOLVE)
    if text.startswith("/"):
        return Image(_RESOLVE + text, user=user_of(text))
    if not text.startswith("ami-"):
        summary = f"aws: {named!r} is no image id such as ami-0123456789abcdef0"
        raise _refused(summary)
    try:
        found = client.call("ec2", "describe_images", offer.region, ImageIds=[text])["Images"]
    except ApiError as error:
        if not error.fault.code.startswith("InvalidAMIID"):
            raise
        found = []
    if not found:
        raise _refused(f"aws: there is no image {text} in {offer.region}")
    return _image(found[0])


def _parameter(client: Client, region: str, names: Sequence[str]) -> tuple[str, str]:
    """Return the first parameter that is there, with what it holds; empty texts when none may be read."""
    try:
        answer = client.call("ssm", "get_parameters", region, repeat=False, Names=list(names))
    except ArbError:  # whatever it is: images can be looked for all the same
        return "", ""
    there = {one["Name"]: str(one.get("Value") or "") for one in answer.get("Parameters") or ()}
    name = next((name for name in names if name in there), "")
    return name, there.get(name, "")


def _newest(client: Client, offer: Offer, wanted: Wanted) -> Image:
    filters = {"name": wanted.pattern, "state": "available"}
    pages = client.pages(
        "ec2",
        "describe_images",
        offer.region,
        Owners=[wanted.owner],
        Filters=[{"Name": name, "Values": [value]} for name, value in filters.items()],
    )
    found = [image for page in pages for image in page["Images"]]
    images = sorted(found, key=lambda i: (str(i.get("CreationDate")), i["ImageId"]))
    if not images:
        raise _refused(f"aws has no image {wanted.pattern!r} in {offer.region}")
    return _image(images[-1])


def _image(said: dict[str, Any]) -> Image:
    root = str(said.get("RootDeviceName") or _ROOT)
    disks = {
        str(m.get("DeviceName")): m.get("Ebs") or {} for m in said.get("BlockDeviceMappings") or ()
    }
    size = int(disks.get(root, {}).get("VolumeSize") or 0)
    words = f"{said.get('Name') or ''} {said.get('Description') or ''}"
    return Image(str(said["ImageId"]), root, user_of(words), size)


def _refused(summary: str) -> RequestError:
    return RequestError(summary, scope=Scope.REGION, code="aws-image", hint=_HINT)
