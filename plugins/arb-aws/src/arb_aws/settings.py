"""The user's settings under ``provider_options.aws``, checked and with their defaults."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from arb.errors import UsageError, closest

__all__ = ["METADATA_URL", "OPTIONS", "Settings"]

OPTIONS: Final = {
    "profile": "profile of ~/.aws/config and ~/.aws/credentials; default: $AWS_PROFILE, default",
    "regions": "list of regions to buy in; default: all that the account has enabled",
    "subnets": "map of region to a subnet id or a list of them; default: the default VPC's",
    "public_ip": "give machines a public address; without one they are reached by the private",
    "ssh_source_ranges": "list of CIDR ranges that may reach the SSH server; default: 0.0.0.0/0",
    "ssh_port": "where the SSH server of the image listens; default: 22",
    "ssh_user": "login name on the machines; default: the one of the image, mostly ubuntu",
    "image": "AMI where a task names none: an SSM parameter, or a map of region to AMI id",
    "disk_type": "type of the boot disk: gp3, gp2, io1, io2, st1; default: gp3",
    "disk_gib": "size of the boot disk where a task says none; default: 100",
    "instance_profile": "name or ARN of an IAM instance profile for the machines; default: none",
    "notice": "what warns a node: interruption (2 minutes ahead), rebalance (earlier, often false)",
    "endpoint_url": "another address of every AWS API, for private access",
    "metadata_url": "another address of the metadata service that nodes watch",
}
"""Names of the settings, with a help line each."""

METADATA_URL: Final = "http://169.254.169.254"

_USER: Final = re.compile(r"[a-z_][a-z0-9_-]{0,31}")
_SUBNET: Final = re.compile(r"subnet-[0-9a-f]{8,17}")
_REGION: Final = re.compile(r"[a-z]{2,4}(-[a-z]+)+-\d")
_DISKS: Final = ("gp3", "gp2", "io1", "io2", "st1")
_NOTICES: Final = ("interruption", "rebalance")
_SMALLEST_DISK_GIB: Final = 8
_LAST_PORT: Final = 65535


@dataclass(frozen=True, slots=True)
class Settings:
    """``provider_options.aws``; empty texts mean that the user said nothing.

    Attributes:
        subnets: Region to subnets, at most one a zone.
        image: Region to image; the empty region stands for all others.
    """

    profile: str = ""
    regions: tuple[str, ...] = ()
    subnets: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    public_ip: bool = True
    ssh_source_ranges: tuple[str, ...] = ("0.0.0.0/0",)
    ssh_port: int = 22
    ssh_user: str = ""
    image: Mapping[str, str] = field(default_factory=dict)
    disk_type: str = "gp3"
    disk_gib: int = 100
    instance_profile: str = ""
    notice: str = "interruption"
    endpoint_url: str = ""
    metadata_url: str = METADATA_URL

    @classmethod
    def of(cls, options: Mapping[str, object]) -> Settings:
        """Check and complete what the user wrote.

        Raises:
            UsageError: A value cannot be meant; the summary names the option.
        """
        for name in options:
            if name not in OPTIONS:
                summary = closest(name, OPTIONS, what="option of provider aws")
                raise UsageError(summary, code="aws-option")
        return cls(**{name: _READERS[name](name, value) for name, value in options.items()})

    def image_in(self, region: str) -> str:
        """Return the image that the user wants in a region; empty takes the default."""
        return self.image.get(region) or self.image.get("", "")


def _text(name: str, value: object) -> str:
    if not isinstance(value, str) or not value.strip():
        raise _wrong(name, value, "a text")
    return value.strip()


def _flag(name: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise _wrong(name, value, "true or false")
    return value


def _texts(name: str, value: object) -> tuple[str, ...]:
    if not isinstance(value, list | tuple) or not value:
        raise _wrong(name, value, "a list")
    return tuple(_text(name, item) for item in value)


def _regions(name: str, value: object) -> tuple[str, ...]:
    regions = _texts(name, value)
    for region in regions:
        if not _REGION.fullmatch(region):
            raise _wrong(name, region, "regions such as us-east-1")
    return regions


def _ranges(name: str, value: object) -> tuple[str, ...]:
    ranges = _texts(name, value)
    for text in ranges:
        try:
            ipaddress.ip_network(text)
        except ValueError as error:
            raise _wrong(name, text, "ranges such as 203.0.113.0/24") from error
    return ranges


def _subnets(name: str, value: object) -> dict[str, tuple[str, ...]]:
    if not isinstance(value, Mapping):
        raise _wrong(name, value, "a map such as {us-east-1: [subnet-0123456789abcdef0]}")
    found = {}
    for region, ids in value.items():
        wanted = _texts(name, [ids] if isinstance(ids, str) else ids)
        if bad := [text for text in wanted if not _SUBNET.fullmatch(text)]:
            raise _wrong(f"{name}.{region}", bad[0], "a subnet id such as subnet-0123456789abcdef0")
        found[str(region)] = wanted
    return found


def _image(name: str, value: object) -> dict[str, str]:
    by_region = value if isinstance(value, Mapping) else {"": value}
    return {str(region): _text(name, image) for region, image in by_region.items()}


def _disk(name: str, value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < _SMALLEST_DISK_GIB:
        raise _wrong(name, value, f"a number of GiB from {_SMALLEST_DISK_GIB} on")
    return value


def _port(name: str, value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 < value <= _LAST_PORT:
        raise _wrong(name, value, f"a port from 1 to {_LAST_PORT}")
    return value


def _user(name: str, value: object) -> str:
    text = _text(name, value)
    if not _USER.fullmatch(text) or text == "root":
        raise _wrong(name, value, "a login name other than root")
    return text


def _address(name: str, value: object) -> str:
    text = _text(name, value)
    if not text.startswith(("http://", "https://")):
        raise _wrong(name, value, "an address such as https://HOST")
    return text.rstrip("/")


def _disk_type(name: str, value: object) -> str:
    return _one_of(name, value, _DISKS)


def _notice(name: str, value: object) -> str:
    return _one_of(name, value, _NOTICES)


def _one_of(name: str, value: object, choices: tuple[str, ...]) -> str:
    text = _text(name, value)
    if text not in choices:
        raise _wrong(name, value, f"one of {', '.join(choices)}")
    return text


def _wrong(name: str, value: object, wanted: str) -> UsageError:
    summary = f"provider_options.aws.{name} is {value!r}, and must be {wanted}"
    return UsageError(summary, code="aws-option", hint=OPTIONS[name.partition(".")[0]])


_READERS: Final[dict[str, Any]] = {
    **dict.fromkeys(("profile", "instance_profile"), _text),
    **dict.fromkeys(("endpoint_url", "metadata_url"), _address),
    "public_ip": _flag,
    "regions": _regions,
    "subnets": _subnets,
    "ssh_source_ranges": _ranges,
    "ssh_port": _port,
    "ssh_user": _user,
    "image": _image,
    "disk_type": _disk_type,
    "disk_gib": _disk,
    "notice": _notice,
}
