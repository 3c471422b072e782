"""Images, and the parameters that tell the newest of each kind."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from clouds.aws import shop
from clouds.aws.errors import Refused
from clouds.http import Answer

if TYPE_CHECKING:
    from clouds.aws.calls import AwsCall
    from clouds.aws.cloud import Aws

__all__ = ["get_parameters", "parameters", "publish", "resolve"]

_DLAMI = "/aws/service/deeplearning/ami"
_CANONICAL = "/aws/service/canonical/ubuntu/server/24.04/stable/current"
_REQUEST = {"x-amzn-RequestId": "00000000-0000-4000-8000-000000000003"}
_AMAZONS = ("/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64",)


def parameters(cloud: Aws) -> dict[str, str]:
    """Return parameter -> image id."""
    if not cloud.settings.has_parameters:
        return {}
    gpu = "-gpu" if cloud.settings.gpu_names else ""
    ids = dict(enumerate(shop.IMAGES, 1))
    return {
        f"{_CANONICAL}/amd64/hvm/ebs-gp3/ami-id": ids[1],
        f"{_CANONICAL}/arm64/hvm/ebs-gp3/ami-id": ids[2],
        f"{_DLAMI}/x86_64/base-oss-nvidia-driver{gpu}-ubuntu-22.04/latest/ami-id": ids[3],
        f"{_DLAMI}/arm64/base-oss-nvidia-driver{gpu}-ubuntu-22.04/latest/ami-id": ids[4],
        "/aws/service/neuron/dlami/base/ubuntu-22.04/latest/image_id": ids[7],
        **dict.fromkeys(_AMAZONS, ids[6]),
    }


def resolve(cloud: Aws, region: str, named: str) -> str:
    """Return the id of an image that an order names.

    Raises:
        Refused: There is none.
    """
    del region  # the ids are the same everywhere here
    image = named
    if named.startswith("resolve:ssm:"):
        image = parameters(cloud).get(named.removeprefix("resolve:ssm:"), "")
    if image not in shop.IMAGES:
        raise Refused("InvalidAMIID.NotFound", f"The image id '[{named}]' does not exist")
    return image


def get_parameters(cloud: Aws, call: AwsCall) -> Answer:
    """Answer ``GetParameters``."""
    known, names = parameters(cloud), call.body["Names"]
    there = [
        {"Name": name, "Type": "String", "Value": known[name], "Version": 1}
        for name in names
        if name in known
    ]
    body = {"Parameters": there, "InvalidParameters": [n for n in names if n not in known]}
    return Answer(200, json.dumps(body), _REQUEST)


def publish(cloud: Aws, call: AwsCall) -> None:
    """Put the images into moto's region."""
    inside = cloud.inside(call)
    for image, (name, arch, owner, _, root) in shop.IMAGES.items():
        inside.add_image(
            call.region,
            image,
            name=name,
            description=name,
            architecture=arch,
            owner_id=owner,
            owner_alias="amazon" if owner != "099720109477" else None,
            virtualization_type="hvm",
            root_device_name=root,
            root_device_type="ebs",
            creation_date=datetime(2026, 11, 1, tzinfo=UTC),
        )
