"""What an insert must be: rules that Google's description of the API does not tell."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from clouds.gcp.errors import Refused, not_found
from clouds.gcp.shop import (
    ACCELERATORS,
    GUEST_LIMITS,
    IMAGES,
    QUOTAS,
    TYPES,
    MachineKind,
    region_of,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from clouds.gcp.state import GcpSettings

__all__ = ["Wish", "check_firewall", "check_instance"]

_NAME = re.compile(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?")
_LABEL_KEY = re.compile(r"[a-z][a-z0-9_-]{0,62}")
_LABEL_VALUE = re.compile(r"[a-z0-9_-]{0,63}")
_PORTS = re.compile(r"[0-9]{1,5}(-[0-9]{1,5})?")
_MOST_METADATA = 256 * 1024
_MOST_LABELS = 64
_DISK_TYPES = {"pd-standard", "pd-balanced", "pd-ssd", "hyperdisk-balanced"}


@dataclass(frozen=True)
class Wish:
    """An instance that may be made, in few words."""

    kind: MachineKind
    guest: tuple[str, int] | None
    spot: bool
    image: str
    disk_gib: int
    is_deleted_when_taken: bool
    has_external_ip: bool

    @property
    def gpu(self) -> tuple[str, int]:
        """Accelerator type and count; an empty type for none."""
        return self.guest or (self.kind.gpu, self.kind.gpus)

    def quotas(self, region: str) -> dict[str, float]:
        """Return the quotas that it counts against, by region and over all."""
        counted = {f"INSTANCES@{region}": 1.0}
        if self.has_external_ip:
            counted[f"IN_USE_ADDRESSES@{region}"] = 1.0
        kind, count = self.gpu
        if kind in QUOTAS:
            model = f"{'PREEMPTIBLE_' if self.spot else ''}{QUOTAS[kind]}@{region}"
            return counted | {model: count, "GPUS_ALL_REGIONS": count}
        return counted | {f"CPUS@{region}": self.kind.vcpus, "CPUS_ALL_REGIONS": self.kind.vcpus}


def check_instance(
    body: Mapping[str, Any], zone: str, project: str, networks: set[str], settings: GcpSettings
) -> Wish:
    """Refuse an instance that Google would refuse at once.

    Raises:
        Refused: With Google's words.
    """
    if not _NAME.fullmatch(str(body.get("name", ""))):
        raise _invalid("name", body.get("name"), "Must be a match of regex '[a-z]...'")
    kind = _kind(body, zone)
    guest = _guest(body, kind, zone)
    spot, is_deleted = _scheduling(body.get("scheduling") or {}, has_gpus=bool(guest or kind.gpus))
    if not spot and kind.sold == "spot":
        said = (
            f"{kind.name} machine types are only available with SPOT, FLEX_START or reservations."
        )
        raise Refused(400, "invalid", said)
    image, gib = _disk(body, kind, zone, project, settings)
    external = _network(body, zone, networks)
    _labels(body.get("labels") or {})
    _metadata(body.get("metadata") or {})
    for tag in (body.get("tags") or {}).get("items") or ():
        if not _NAME.fullmatch(tag):
            raise _invalid("tags.items", tag, "Must be a match of regex '[a-z]...'")
    for constraint in settings.policies:
        raise Refused(
            412, "conditionNotMet", f"Constraint {constraint} violated for project {project}."
        )
    return Wish(kind, guest, spot, image, gib, is_deleted, external)


def check_firewall(body: Mapping[str, Any], networks: set[str]) -> None:
    """Refuse a rule that Google would refuse.

    Raises:
        Refused: With Google's words.
    """
    if not _NAME.fullmatch(str(body.get("name", ""))):
        raise _invalid("name", body.get("name"), "Must be a match of regex '[a-z]...'")
    if _short(body.get("network") or "global/networks/default") not in networks:
        raise not_found(str(body.get("network")))
    if not body.get("allowed") and not body.get("denied"):
        raise Refused(400, "required", "Required field 'resource.allowed' not specified")
    for rule in body.get("allowed") or ():
        for port in rule.get("ports") or ():
            if not _PORTS.fullmatch(port):
                raise _invalid("allowed.ports", port, "Ports are numbers and ranges")
    if not body.get("sourceRanges") and not body.get("sourceTags"):
        raise Refused(400, "invalid", "A rule for ingress needs sourceRanges or sourceTags")


def _kind(body: Mapping[str, Any], zone: str) -> MachineKind:
    path = _short(body.get("machineType") or "")
    if not path:
        raise Refused(400, "required", "Required field 'resource.machineType' not specified")
    where, _, name = path.removeprefix("zones/").partition("/machineTypes/")
    kind = TYPES.get(name)
    if where != zone or kind is None or zone not in kind.zones:
        raise _missing("machineType", body["machineType"])
    return kind


def _guest(body: Mapping[str, Any], kind: MachineKind, zone: str) -> tuple[str, int] | None:
    asked = body.get("guestAccelerators") or ()
    if not asked:
        return None
    if kind.gpus:
        same = len(asked) == 1 and asked[0].get("acceleratorCount") == kind.gpus
        if not same:
            raise Refused(400, "invalid", f"{kind.name} comes with {kind.gpus} accelerators")
        return None
    path, count = _short(asked[0].get("acceleratorType", "")), asked[0].get("acceleratorCount", 0)
    name = path.rpartition("/")[2]
    known = ACCELERATORS.get(name)
    if known is None or zone not in known[1] or f"zones/{zone}/" not in path:
        raise _missing("guestAccelerators[0].acceleratorType", path)
    most = GUEST_LIMITS.get(name, {}).get(count)
    if not kind.name.startswith("n1-") or most is None:
        raise Refused(
            400, "invalid", f"[{kind.name}, {count} x {name}] features are not compatible"
        )
    if kind.vcpus > most[0] or kind.memory_gib > most[1]:
        raise Refused(400, "invalid", f"{kind.name} is too large for {count} x {name}")
    return (name, count)


def _scheduling(said: Mapping[str, Any], *, has_gpus: bool) -> tuple[bool, bool]:
    spot = said.get("provisioningModel") == "SPOT"
    maintenance = said.get("onHostMaintenance", "TERMINATE" if spot else "MIGRATE")
    if has_gpus and maintenance != "TERMINATE":
        words = "Instances with guest accelerators do not support live migration."
        raise Refused(400, "invalid", words)
    if spot and (said.get("automaticRestart", False) or maintenance != "TERMINATE"):
        words = "Scheduling must have preemptible be false when AutomaticRestart is true."
        raise Refused(400, "invalid", words)
    action = said.get("instanceTerminationAction")
    if action and not spot and "maxRunDuration" not in said:
        words = "You cannot specify a termination action for a VM instance that has the standard provisioning model."
        raise Refused(400, "invalid", words)
    return spot, action == "DELETE"


def _disk(
    body: Mapping[str, Any], kind: MachineKind, zone: str, project: str, settings: GcpSettings
) -> tuple[str, int]:
    boot = next((d for d in body.get("disks") or () if d.get("boot")), None)
    params = (boot or {}).get("initializeParams") or {}
    if boot is None or not params.get("sourceImage"):
        raise Refused(400, "required", "A boot disk must be specified to create instance")
    image = _short(params["sourceImage"])
    image = image.removeprefix(f"projects/{project}/") if "our-own" in image else image
    if image not in IMAGES:
        raise not_found(params["sourceImage"])
    gib = int(params.get("diskSizeGb") or settings.image_gib)
    if gib < settings.image_gib:
        raise _invalid("disks[0].diskSizeGb", gib, f"must be at least {settings.image_gib} GB")
    path = _short(params.get("diskType") or f"zones/{zone}/diskTypes/pd-standard")
    name = path.rpartition("/")[2]
    if name not in _DISK_TYPES or f"zones/{zone}/" not in path:
        raise _missing("disks[0].initializeParams.diskType", path)
    if kind.hyperdisk and not name.startswith("hyperdisk"):
        raise Refused(
            400, "invalid", f"[{name}] features are not compatible for creating instance."
        )
    return image, gib


def _network(body: Mapping[str, Any], zone: str, networks: set[str]) -> bool:
    interfaces = body.get("networkInterfaces") or ()
    if not interfaces:
        raise Refused(400, "required", "At least one network interface is required.")
    first = interfaces[0]
    subnetwork, network = _short(first.get("subnetwork", "")), _short(first.get("network", ""))
    if network and network not in networks:
        raise _missing("networkInterfaces[0].network", network)
    known = {
        "",
        f"regions/{region_of(zone)}/subnetworks/default",
        f"regions/{region_of(zone)}/subnetworks/gpus",
    }
    if subnetwork not in known:
        raise _missing("networkInterfaces[0].subnetwork", subnetwork)
    if network.endswith("/custom") and not subnetwork:
        said = "Subnetwork should be specified for custom subnetmode network"
        raise Refused(400, "invalid", f"Invalid value for field 'networkInterfaces[0]': '{said}'.")
    return bool(first.get("accessConfigs"))


def _labels(labels: Mapping[str, str]) -> None:
    if len(labels) > _MOST_LABELS:
        raise _invalid("labels", len(labels), f"at most {_MOST_LABELS}")
    for key, value in labels.items():
        if key.startswith("goog"):
            raise _invalid("labels", key, "The prefix is reserved")
        if not _LABEL_KEY.fullmatch(key) or not _LABEL_VALUE.fullmatch(value):
            raise _invalid("labels", f"{key}={value}", "Label keys and values are lower case")


def _metadata(metadata: Mapping[str, Any]) -> None:
    items = metadata.get("items") or ()
    keys = [item["key"] for item in items]
    if len(keys) != len(set(keys)):
        raise _invalid("metadata.items", keys, "Duplicate keys")
    for item in items:
        if len(item.get("value", "").encode()) > _MOST_METADATA:
            raise _invalid(f"metadata.items.{item['key']}", "...", "too large")


def _short(path: str) -> str:
    """Return a resource's path without the API's address."""
    return path.rpartition("/compute/v1/")[2]


def _invalid(field: str, value: object, why: str) -> Refused:
    return Refused(400, "invalid", f"Invalid value for field 'resource.{field}': '{value}'. {why}")


def _missing(field: str, path: object) -> Refused:
    return _invalid(field, path, "The referenced resource does not exist.")
