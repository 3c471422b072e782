"""The user's settings under ``provider_options.gcp``, checked and with their defaults."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from arb.errors import UsageError, closest

__all__ = ["APIS", "OPTIONS", "Settings"]

OPTIONS: Final = {
    "project": "project id; default: $GOOGLE_CLOUD_PROJECT, the key's own, gcloud's",
    "credentials": "path of a credentials file; default: as Google's own tools find theirs",
    "regions": "list of regions to buy in; default: all",
    "network": "VPC network, a name or projects/HOST/global/networks/NAME; default: default",
    "subnetwork": "subnet, a name for all regions or a map of region to name; default: automatic",
    "external_ip": "give machines a public address; without one they are reached by the private",
    "firewall": "make firewall rules for each cluster; false: the network has what it takes",
    "ssh_source_ranges": "list of CIDR ranges that may reach the SSH server; default: 0.0.0.0/0",
    "ssh_port": "where the SSH server of the image listens; default: 22",
    "ssh_user": "login name on the machines; default: ubuntu",
    "image": "image or family where a task names none: projects/P/global/images/family/F",
    "disk_type": "boot disk, for instance pd-ssd; default: what the machine type takes",
    "disk_gib": "size of the boot disk where a task says none; default: 100",
    "service_account": "e-mail of an account that machines act as; default: none",
    "endpoints": "map of API (compute, cloudbilling, ...) to another address, for private access",
}
"""Names of the settings, with a help line each."""

APIS: Final = {
    "compute": "https://compute.googleapis.com/compute/v1/",
    "cloudbilling": "https://cloudbilling.googleapis.com/",
    "cloudresourcemanager": "https://cloudresourcemanager.googleapis.com/",
    "storage": "https://storage.googleapis.com/storage/v1/",
    "sts": "https://sts.googleapis.com/",
    "metadata": "http://169.254.169.254/",
}
"""Addresses that ``endpoints`` may replace; ``metadata`` is the one that nodes watch."""

_USER: Final = re.compile(r"[a-z_][a-z0-9_-]{0,31}")
_NAME: Final = re.compile(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?")
_SMALLEST_DISK_GIB: Final = 10
_LAST_PORT: Final = 65535


@dataclass(frozen=True, slots=True)
class Settings:
    """``provider_options.gcp``; empty texts mean that the user said nothing.

    Attributes:
        subnetwork: Region to subnet; the empty region stands for all others.
    """

    project: str = ""
    credentials: str = ""
    regions: tuple[str, ...] = ()
    network: str = "default"
    subnetwork: Mapping[str, str] = field(default_factory=dict)
    external_ip: bool = True
    firewall: bool = True
    ssh_source_ranges: tuple[str, ...] = ("0.0.0.0/0",)
    ssh_port: int = 22
    ssh_user: str = "ubuntu"
    image: str = ""
    disk_type: str = ""
    disk_gib: int = 100
    service_account: str = ""
    endpoints: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, options: Mapping[str, object]) -> Settings:
        """Check and complete what the user wrote.

        Raises:
            UsageError: A value cannot be meant; the summary names the option.
        """
        for name in options:
            if name not in OPTIONS:
                summary = closest(name, OPTIONS, what="option of provider gcp")
                raise UsageError(summary, code="gcp-option")
        return cls(**{name: _READERS[name](name, value) for name, value in options.items()})

    @property
    def network_path(self) -> str:
        """The network as requests name it."""
        return self.network if "/" in self.network else f"global/networks/{self.network}"

    @property
    def network_project(self) -> str:
        """The project that the network is in; empty means the machines' own."""
        head, _, rest = self.network.partition("/")
        return rest.partition("/")[0] if head == "projects" else ""

    def subnetwork_path(self, region: str) -> str:
        """Return the subnet of a region as requests name it; empty leaves it to the provider."""
        name = self.subnetwork.get(region) or self.subnetwork.get("", "")
        if not name or "/" in name:
            return name
        host = f"projects/{self.network_project}/" if self.network_project else ""
        return f"{host}regions/{region}/subnetworks/{name}"


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


def _ranges(name: str, value: object) -> tuple[str, ...]:
    ranges = _texts(name, value)
    for text in ranges:
        try:
            ipaddress.ip_network(text)
        except ValueError as error:
            raise _wrong(name, text, "ranges such as 203.0.113.0/24") from error
    return ranges


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


def _network(name: str, value: object) -> str:
    text = _text(name, value).rpartition("/compute/v1/")[2]
    if "/" not in text and not _NAME.fullmatch(text):
        raise _wrong(name, value, "a name, or projects/PROJECT/global/networks/NAME")
    return text


def _subnetwork(name: str, value: object) -> dict[str, str]:
    by_region = value if isinstance(value, Mapping) else {"": value}
    return {str(region): _network(name, subnet) for region, subnet in by_region.items()}


def _endpoints(name: str, value: object) -> dict[str, str]:
    if not isinstance(value, Mapping):
        raise _wrong(name, value, "a map")
    for api in value:
        if api not in APIS:
            raise UsageError(closest(str(api), APIS, what=f"API in {name}"), code="gcp-option")
    return {str(api): _text(name, url).rstrip("/") + "/" for api, url in value.items()}


def _wrong(name: str, value: object, wanted: str) -> UsageError:
    summary = f"provider_options.gcp.{name} is {value!r}, and must be {wanted}"
    return UsageError(summary, code="gcp-option", hint=OPTIONS[name])


_READERS: Final[dict[str, Any]] = {
    **dict.fromkeys(("project", "credentials", "image", "disk_type", "service_account"), _text),
    **dict.fromkeys(("external_ip", "firewall"), _flag),
    "regions": _texts,
    "network": _network,
    "subnetwork": _subnetwork,
    "ssh_source_ranges": _ranges,
    "ssh_port": _port,
    "ssh_user": _user,
    "disk_gib": _disk,
    "endpoints": _endpoints,
}
