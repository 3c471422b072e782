"""Resources as the API shows them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from clouds.gcp.shop import ACCELERATORS, TYPES, ZONES, region_of
from clouds.gcp.state import LINK, stamp
from clouds.model import Vm, VmState

if TYPE_CHECKING:
    from collections.abc import Mapping

    from clouds.gcp.engine import Record
    from clouds.gcp.state import Firewall

__all__ = ["accelerator_types", "firewall_view", "instance_view", "machine_types"]

_STATUSES = {
    VmState.BOOTING: "STAGING",
    VmState.RUNNING: "RUNNING",
    VmState.STOPPING: "STOPPING",
    VmState.STOPPED: "TERMINATED",
    VmState.ENDING: "STOPPING",
}
_FINGERPRINT = "42WmSpB8rSM="


def instance_view(record: Record, at: float) -> dict[str, Any]:
    """Return an ``Instance``; until its operation is over it is still being made."""
    project, body, vm = record.project, record.body, record.vm
    name, link = record.name, f"{LINK}projects/{project}/zones/{record.zone}"
    if record.insertion is not None and not record.insertion.is_over:
        vm = None
    status = "PROVISIONING" if vm is None else _STATUSES[vm.state(at) or VmState.BOOTING]
    shown: dict[str, Any] = {
        "kind": "compute#instance",
        "id": record.id,
        "creationTimestamp": stamp(record.made_at),
        "name": name,
        "zone": link,
        "machineType": f"{link}/machineTypes/{body['machineType'].rpartition('/')[2]}",
        "status": status,
        "labels": dict(body.get("labels") or {}),
        "labelFingerprint": _FINGERPRINT,
        "tags": {**(body.get("tags") or {}), "fingerprint": _FINGERPRINT},
        "metadata": {
            "kind": "compute#metadata",
            "fingerprint": _FINGERPRINT,
            **(body.get("metadata") or {}),
        },
        "networkInterfaces": [_interface(project, body, vm)],
        "disks": _disks(link, body, name),
        "scheduling": _scheduling(body.get("scheduling") or {}),
        "selfLink": f"{link}/instances/{name}",
        "serviceAccounts": list(body.get("serviceAccounts") or ()),
    }
    accelerators = _accelerators(link, body)
    if accelerators:
        shown["guestAccelerators"] = accelerators
    if vm is not None and status == "RUNNING":
        shown["lastStartTimestamp"] = stamp(vm.runs_at)
    return shown


def machine_types(project: str, prefix: str = "") -> list[tuple[str, dict[str, Any]]]:
    """Return ``(scope, MachineType)`` for every zone."""
    found = []
    for zone in ZONES:
        for number, kind in enumerate(TYPES.values()):
            if zone not in kind.zones or not kind.name.startswith(prefix):
                continue
            shown: dict[str, Any] = {
                "kind": "compute#machineType",
                "id": f"{800000 + number}",
                "name": kind.name,
                "description": f"{kind.vcpus} vCPUs, {kind.memory_gib} GB RAM",
                "guestCpus": kind.vcpus,
                "memoryMb": kind.memory_gib * 1024,
                "maximumPersistentDisks": 128,
                "maximumPersistentDisksSizeGb": "263168",
                "zone": zone,
                "isSharedCpu": kind.shared,
                "architecture": "ARM64" if kind.arm else "X86_64",
                "selfLink": f"{LINK}projects/{project}/zones/{zone}/machineTypes/{kind.name}",
            }
            if kind.gpus:
                shown["accelerators"] = [
                    {"guestAcceleratorType": kind.gpu, "guestAcceleratorCount": kind.gpus}
                ]
            if kind.ssd_gib and not kind.name.startswith("a2"):  # not every answer tells
                shown["bundledLocalSsds"] = {
                    "defaultInterface": "NVME",
                    "partitionCount": kind.ssd_gib // 375,
                }
            if kind.deprecated:
                shown["deprecated"] = {"state": "DEPRECATED"}
            found.append((f"zones/{zone}", shown))
    return found


def accelerator_types(project: str) -> list[tuple[str, dict[str, Any]]]:
    """Return ``(scope, AcceleratorType)`` for every zone."""
    return [
        (
            f"zones/{zone}",
            {
                "kind": "compute#acceleratorType",
                "id": f"{10000 + number}",
                "name": name,
                "description": name,
                "maximumCardsPerInstance": most,
                "zone": f"{LINK}projects/{project}/zones/{zone}",
                "selfLink": f"{LINK}projects/{project}/zones/{zone}/acceleratorTypes/{name}",
            },
        )
        for number, (name, (most, zones)) in enumerate(ACCELERATORS.items())
        for zone in zones
    ]


def firewall_view(rule: Firewall) -> dict[str, Any]:
    """Return a ``Firewall``."""
    project, body = rule.project, rule.body
    network = (body.get("network") or "global/networks/default").rpartition("networks/")[2]
    return {
        "kind": "compute#firewall",
        "id": rule.id,
        "creationTimestamp": stamp(rule.made_at),
        "priority": 1000,
        "disabled": False,
        **body,
        "network": f"{LINK}projects/{project}/global/networks/{network}",
        "selfLink": f"{LINK}projects/{project}/global/firewalls/{body['name']}",
    }


def _interface(project: str, body: Mapping[str, Any], vm: Vm | None) -> dict[str, Any]:
    asked = body["networkInterfaces"][0]
    name = (asked.get("network") or "default").rpartition("/")[2]
    shown: dict[str, Any] = {
        "kind": "compute#networkInterface",
        "name": "nic0",
        "network": f"{LINK}projects/{project}/global/networks/{name}",
    }
    if vm is not None and vm.address:
        shown["networkIP"] = vm.address
    accesses = []
    for access in asked.get("accessConfigs") or ():
        told = {"kind": "compute#accessConfig", "networkTier": "PREMIUM", **access}
        if vm is not None and vm.address:
            told["natIP"] = vm.address
        accesses.append(told)
    if accesses:
        shown["accessConfigs"] = accesses
    return shown


def _disks(link: str, body: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    boot = body["disks"][0]
    size = (boot.get("initializeParams") or {}).get("diskSizeGb", "10")
    disks: list[dict[str, Any]] = [
        {
            "kind": "compute#attachedDisk",
            "type": "PERSISTENT",
            "mode": "READ_WRITE",
            "source": f"{link}/disks/{name}",
            "deviceName": "persistent-disk-0",
            "index": 0,
            "boot": True,
            "autoDelete": bool(boot.get("autoDelete")),
            "diskSizeGb": size,
            "interface": "NVME",
        }
    ]
    kind = TYPES[body["machineType"].rpartition("/")[2]]
    return disks + [
        {
            "kind": "compute#attachedDisk",
            "type": "SCRATCH",
            "mode": "READ_WRITE",
            "deviceName": f"local-ssd-{number}",
            "index": number + 1,
            "boot": False,
            "autoDelete": True,
            "interface": "NVME",
            "diskSizeGb": "375",
        }
        for number in range(kind.ssd_gib // 375)
    ]


def _accelerators(link: str, body: Mapping[str, Any]) -> list[dict[str, Any]]:
    kind = TYPES[body["machineType"].rpartition("/")[2]]
    asked = body.get("guestAccelerators") or ()
    name = asked[0]["acceleratorType"].rpartition("/")[2] if asked else kind.gpu
    count = asked[0]["acceleratorCount"] if asked else kind.gpus
    if not count:
        return []
    return [{"acceleratorType": f"{link}/acceleratorTypes/{name}", "acceleratorCount": count}]


def _scheduling(said: Mapping[str, Any]) -> dict[str, Any]:
    spot = said.get("provisioningModel") == "SPOT"
    base = {
        "provisioningModel": "STANDARD",
        "onHostMaintenance": "TERMINATE" if spot else "MIGRATE",
        "automaticRestart": not spot,
        "preemptible": spot,
    }
    return {**base, **said}


def scopes_of_zones() -> list[str]:
    """Return the scopes of every aggregated list."""
    return [f"zones/{zone}" for zone in ZONES]


def region_scopes() -> list[str]:
    """Return the names of all regions."""
    return sorted({region_of(zone) for zone in ZONES})
