"""The project, its regions and zones, with their quotas."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from clouds.gcp.shop import ZONES, region_of
from clouds.gcp.state import LINK, PROJECT

if TYPE_CHECKING:
    from clouds.gcp.cloud import Gcp

__all__ = ["project_view", "region_view", "zone_view"]

_AMPLE = 1000.0


def project_view(cloud: Gcp, project: str) -> dict[str, Any]:
    """Return the ``Project``."""
    items = [{"key": "enable-oslogin", "value": "TRUE"}] if cloud.settings.os_login else []
    return {
        "kind": "compute#project",
        "id": "7000000000000000001",
        "name": project,
        "selfLink": f"{LINK}projects/{project}",
        "commonInstanceMetadata": {"kind": "compute#metadata", "items": items},
        "defaultServiceAccount": "700000001-compute@developer.gserviceaccount.com",
        "quotas": [
            _quota(cloud, name, "") for name in ("GPUS_ALL_REGIONS", "FIREWALLS", "NETWORKS")
        ],
        "xpnProjectStatus": "UNSPECIFIED_XPN_PROJECT_STATUS",
        "defaultNetworkTier": "PREMIUM",
    }


def region_view(cloud: Gcp, region: str) -> dict[str, Any]:
    """Return a ``Region``."""
    names = [
        "CPUS",
        "IN_USE_ADDRESSES",
        "INSTANCES",
        "NVIDIA_T4_GPUS",
        "PREEMPTIBLE_NVIDIA_T4_GPUS",
    ]
    zones = [f"{LINK}projects/{PROJECT}/zones/{z}" for z in ZONES if region_of(z) == region]
    return {
        "kind": "compute#region",
        "id": "1000",
        "name": region,
        "status": "UP",
        "zones": zones,
        "quotas": [_quota(cloud, name, region) for name in names],
        "selfLink": f"{LINK}projects/{PROJECT}/regions/{region}",
    }


def zone_view(zone: str, *, is_up: bool) -> dict[str, Any]:
    """Return a ``Zone``."""
    return {
        "kind": "compute#zone",
        "id": "2000",
        "name": zone,
        "status": "UP" if is_up else "DOWN",
        "region": f"{LINK}projects/{PROJECT}/regions/{region_of(zone)}",
        "selfLink": f"{LINK}projects/{PROJECT}/zones/{zone}",
    }


def _quota(cloud: Gcp, name: str, region: str) -> dict[str, Any]:
    key = f"{name}@{region}" if region else name
    now = cloud.clock.now()
    used = sum(vm.order.quotas.get(key, 0) for vm in cloud.vms.values() if vm.is_counted(now))
    return {"metric": name, "limit": cloud._quotas.get(key, _AMPLE), "usage": used}
