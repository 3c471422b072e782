"""Machines and images as the simulated Lambda's API shows them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from clouds.lambda_cloud.shop import region_view
from clouds.model import Vm, VmState

if TYPE_CHECKING:
    from collections.abc import Iterable

    from clouds.lambda_cloud.settings import LambdaSettings

__all__ = ["IMAGES", "can_end", "image_views", "instance_view", "status_of"]

IMAGES = {
    "a1b2c3d4-0000-4000-8000-000000000001": "lambda-stack-24-04",
    "a1b2c3d4-0000-4000-8000-000000000002": "ubuntu-24-04-lts",
}
_STATUSES = {
    VmState.BOOTING: "booting",
    VmState.RUNNING: "active",
    VmState.ENDING: "terminating",
    VmState.GONE: "terminated",
}
_BLOCKED = {
    "booting": ("vm-has-not-launched", "The instance has not finished launching."),
    "terminating": ("vm-is-terminating", "The instance is being terminated."),
}
_ACTIONS = ("migrate", "rebuild", "restart", "cold_reboot", "terminate")
_STAMP = "2026-05-01T00:00:00Z"


def status_of(vm: Vm, at: float) -> str:
    """Return the status at a time when the machine was there."""
    state = vm.state(at)
    if state is VmState.GONE and vm.reason == "preempted" and not vm.order.tags.get("dismissed"):
        return "preempted"
    if state is VmState.RUNNING and vm.order.tags.get("unhealthy"):
        return "unhealthy"
    return _STATUSES[state or VmState.BOOTING]


def can_end(vm: Vm, at: float, *, booting: bool) -> bool:
    """Say whether a machine can be terminated; ``booting``: also while it boots."""
    status = status_of(vm, at)
    return status in {"active", "unhealthy", "preempted"} or (booting and status == "booting")


def instance_view(vm: Vm, at: float, how: LambdaSettings) -> dict[str, Any]:
    """Return an ``Instance`` as it is at a time."""
    order, tags, status = vm.order, vm.order.tags, status_of(vm, at)
    shown = {
        "id": vm.id,
        "name": vm.name,
        "status": status,
        "ssh_key_names": [tags["ssh_key"]],
        "file_system_names": [],
        "region": region_view(order.region),
        "instance_type": tags["kind"].view(),
        "actions": _actions(status, how),
        "tags": tags["tags"],
        "firewall_rulesets": [{"id": id_} for id_ in tags["rulesets"]],
    }
    if status in {"active", "unhealthy", "terminating"} and vm.address:
        shown |= {
            "ip": vm.address,
            "private_ip": vm.address,
            "hostname": vm.address.replace(".", "-"),
            "jupyter_token": "0" * 32,
            "jupyter_url": "https://jupyter.invalid/?token=0",
        }
    return shown


def image_views(regions: Iterable[str]) -> list[dict[str, Any]]:
    """Return every ``Image`` in every region."""
    return [
        {
            "id": id_,
            "created_time": _STAMP,
            "updated_time": _STAMP,
            "name": family,
            "description": family,
            "family": family,
            "version": "1.0.0",
            "architecture": "x86_64",
            "region": region_view(region),
        }
        for id_, family in IMAGES.items()
        for region in regions
    ]


def _actions(status: str, how: LambdaSettings) -> dict[str, Any]:
    lost = status == "preempted" and not how.preempted_can_end
    blocked = _BLOCKED.get("terminating" if lost else status)
    if blocked is None:
        return {name: {"available": True} for name in _ACTIONS}
    code, description = blocked
    no = {"available": False, "reason_code": code, "reason_description": description}
    actions: dict[str, Any] = {name: dict(no) for name in _ACTIONS}
    if status == "booting" and how.booting_can_end:
        actions["terminate"] = {"available": True}
    return actions
