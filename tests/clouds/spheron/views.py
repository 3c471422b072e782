"""How the simulated Spheron shows a deployment."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from clouds.model import VmState

if TYPE_CHECKING:
    from clouds.model import Vm

__all__ = ["ACTIVE", "deployment", "iso", "status_of"]

ACTIVE = {"deploying", "running"}
_ENDS = {"user": "terminated", "failed-start": "failed"}


def iso(at: float) -> str:
    """Return a time as the API writes it."""
    text = datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")


def status_of(vm: Vm, at: float) -> str:
    """Return the status at a time at which the machine is there."""
    state = vm.state(at)
    if state is VmState.BOOTING:
        return "deploying"
    return "running" if state is not VmState.GONE else _ENDS.get(vm.reason, "terminated-provider")


def deployment(vm: Vm, at: float, *, ports: str, tell_user: bool) -> dict[str, Any]:
    """Return a deployment as it is at a time.

    Args:
        vm: Which.
        at: When.
        ports: ``sshPort`` or ``forwards``: how another port than 22 is told.
        tell_user: Whether ``user`` is filled; else only ``sshCommand`` has it.
    """
    order, tags = vm.order, vm.order.tags
    offer, status = tags["offer"], status_of(vm, at)
    started = (
        vm.runs_at if vm.runs_at <= min(at, vm.ends_at) and vm.reason != "failed-start" else None
    )
    ended = vm.entry.gone_at  # a failed one may be billed on
    stopped = ended if ended is not None and ended <= at else None
    up = started is not None
    billed = max(0.0, min(at, vm.ends_at) - vm.made_at)
    command = f"ssh {vm.user}@{vm.address}" + (f" -p {vm.port}" if vm.port != 22 else "")
    shown = {
        "id": vm.id,
        "name": vm.name,
        "providerId": offer.provider,
        "offerId": offer.offer_id,
        "gpuType": offer.gpu_type,
        "gpuModelId": offer.gpu_type,
        "gpuCount": offer.gpus,
        "region": order.region,
        "instanceType": tags["kind"],
        "sshKeyId": tags["key_id"],
        "tempSshKeyId": tags["temp_key_id"],
        "sshKeyName": None,
        "sshKeyFingerprint": None,
        "ipAddress": vm.address if up else None,
        "user": vm.user if up and tell_user else None,
        "sshCommand": command if up else None,
        "sshPort": vm.port if up and ports == "sshPort" and vm.port != 22 else None,
        "status": status,
        "startedAt": iso(started) if started is not None else None,
        "stoppedAt": iso(stopped) if stopped is not None else None,
        "createdAt": iso(vm.made_at),
        "lastCreditDeduction": None,
        "totalCost": round(billed / 3600 * order.price_usd_hour, 4),
        "hourlyRate": order.price_usd_hour,
        "originalHourlyRate": offer.usd_hour(tags["kind"]),
        "discountPercentage": round(tags["discount"] * 100),
        "hasDiscount": tags["discount"] > 0,
        "vcpus": offer.vcpus,
        "memory": offer.memory,
        "storage": offer.storage,
    }
    if up and ports == "forwards" and vm.port != 22:
        shown["portForwards"] = [
            {"external": 40000, "internal": 8080},
            {"external": vm.port, "internal": 22},
        ]
    return shown
