"""The permissions that calls take."""

from __future__ import annotations

__all__ = ["NEEDED"]

NEEDED: dict[str, tuple[str, ...]] = {
    "compute.projects.get": ("compute.projects.get",),
    "compute.zones.list": ("compute.zones.list",),
    "compute.regions.list": ("compute.regions.list",),
    "compute.machineTypes.aggregatedList": ("compute.machineTypes.list",),
    "compute.acceleratorTypes.aggregatedList": ("compute.acceleratorTypes.list",),
    "compute.instances.aggregatedList": ("compute.instances.list",),
    "compute.instances.list": ("compute.instances.list",),
    "compute.instances.get": ("compute.instances.get",),
    "compute.instances.insert": (
        "compute.instances.create",
        "compute.disks.create",
        "compute.subnetworks.use",
    ),
    "compute.instances.delete": ("compute.instances.delete",),
    "compute.instances.stop": ("compute.instances.stop",),
    "compute.instances.start": ("compute.instances.start",),
    "compute.zoneOperations.get": ("compute.zoneOperations.get",),
    "compute.zoneOperations.wait": ("compute.zoneOperations.get",),
    "compute.zoneOperations.list": ("compute.zoneOperations.list",),
    "compute.globalOperations.get": ("compute.globalOperations.get",),
    "compute.globalOperations.wait": ("compute.globalOperations.get",),
    "compute.globalOperations.aggregatedList": ("compute.zoneOperations.list",),
    "compute.networks.get": ("compute.networks.get",),
    "compute.firewalls.insert": ("compute.firewalls.create", "compute.networks.updatePolicy"),
    "compute.firewalls.get": ("compute.firewalls.get",),
    "compute.firewalls.list": ("compute.firewalls.list",),
    "compute.firewalls.patch": ("compute.firewalls.update", "compute.networks.updatePolicy"),
    "compute.firewalls.delete": ("compute.firewalls.delete", "compute.networks.updatePolicy"),
}
"""Permissions by call; some inserts take more."""
