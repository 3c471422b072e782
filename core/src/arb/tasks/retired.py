"""Keys that task files once had, and what took their place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["successor"]

_RETIRED: Final[Mapping[str, Mapping[str, str]]] = {
    "Task": {
        "auth": "nothing: keys are made by themselves",
        "backend": "nothing: leave it out",
        "docker_image": "resources.image_id: docker:IMAGE",
        "experimental": "config",
        "storage": "file_mounts",
        "storage_mounts": "file_mounts",
    },
    "Resources": {
        "candidates": "any_of",
        "gpus": "accelerators",
        "hooks": "config.hooks",
        "spot_recovery": "job_recovery",
        "tpu_name": "accelerator_args.tpu_name",
        "use_tpu_vm": "accelerator_args.tpu_vm",
    },
    "Service": {
        "auto_restart": "nothing: replicas are always replaced",
        "controller": "nothing: leave it out",
        "port": "ports",
        "readiness_suffix": "readiness_probe",
        "readiness_timeout": "readiness_probe.timeout_seconds",
        "replica_port": "ports",
        "spot_policy": "replica_policy",
    },
    "ReplicaPolicy": {
        "auto_restart": "nothing: replicas are always replaced",
        "dynamic_on_demand_fallback": "dynamic_ondemand_fallback",
        "base_on_demand_fallback_replicas": "base_ondemand_fallback_replicas",
        "max_replica": "max_replicas",
        "min_replica": "min_replicas",
        "num_extra": "num_overprovision",
        "on_demand_type": "dynamic_ondemand_fallback",
        "qps_lower_threshold": "target_qps_per_replica",
        "qps_upper_threshold": "target_qps_per_replica",
        "spot_mixer": "dynamic_ondemand_fallback",
        "spot_policy": "spot_placer",
    },
    "Storage": {"force_delete": "nothing: leave it out"},
}


def successor(block: str, key: str) -> str:
    """Return what replaced a key; empty when it was never one.

    Args:
        block: Name of the model whose key it was.
        key: As it was written.
    """
    name = "Resources" if block == "Choice" else block
    return _RETIRED.get(name, {}).get(key, "")
