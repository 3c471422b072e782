"""From Google's ``Instance`` to ours: states, addresses, times."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from arb.errors import ProviderUnavailable
from arb.types import GoneReason, Instance, InstanceState
from arb_gcp.handles import Handle

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from arb.types import ProvisionRequest

__all__ = [
    "has_local_disks",
    "instance_of",
    "last_part",
    "operation_name",
    "ordered",
    "region_of",
    "seconds",
]

_STATES: Final = {
    "PENDING": InstanceState.PENDING,
    "PROVISIONING": InstanceState.PENDING,
    "STAGING": InstanceState.PENDING,
    "REPAIRING": InstanceState.PENDING,
    "RUNNING": InstanceState.RUNNING,
    "PENDING_STOP": InstanceState.STOPPING,
    "STOPPING": InstanceState.STOPPING,
    "SUSPENDING": InstanceState.STOPPING,
    "SUSPENDED": InstanceState.STOPPED,
    "STOPPED": InstanceState.STOPPED,
    "TERMINATED": InstanceState.STOPPED,
    "DEPROVISIONING": InstanceState.TERMINATING,
}
_OFF: Final = frozenset({InstanceState.STOPPING, InstanceState.STOPPED})


def instance_of(
    provider: str, project: str, said: Mapping[str, Any], reason: GoneReason = GoneReason.NONE
) -> Instance:
    """Return a machine as ``instances.get`` or a list shows it.

    A spot machine that is off cannot come back and costs its disk until it is deleted: it is
    ``TERMINATING``. Otherwise ``TERMINATED`` is Google's word for stopped.

    Args:
        provider: Our id of the provider.
        project: Of the machine.
        said: The ``Instance`` resource.
        reason: Why it is off, where the operation log tells.
    """
    zone = last_part(said.get("zone"))
    spot = (said.get("scheduling") or {}).get("provisioningModel") == "SPOT"
    status = str(said.get("status") or "")
    state = _STATES.get(status, InstanceState.PENDING)
    if state in _OFF and (spot or reason is GoneReason.PREEMPTED):
        state = InstanceState.TERMINATING
    public, private = _addresses(said)
    return Instance(
        provider=provider,
        id=str(said["name"]),
        region=region_of(zone),
        zone=zone,
        state=state,
        reason=reason,
        token=str(said["name"]),
        detail=status,
        address=public or private,
        private_address=private,
        instance_type=last_part(said.get("machineType")),
        spot=spot,
        made_at=seconds(said.get("creationTimestamp")),
        payload=Handle(project, zone).to_json(),
    )


def ordered(
    provider: str,
    project: str,
    request: ProvisionRequest,
    token: str,
    operation: Mapping[str, Any],
) -> Instance:
    """Return a machine that was ordered and that no list shows yet."""
    offer = request.offer
    return Instance(
        provider=provider,
        id=token,
        region=offer.region,
        zone=offer.zone,
        state=InstanceState.PENDING,
        token=token,
        detail=f"insert {operation.get('status') or 'PENDING'}",
        instance_type=offer.instance_type,
        spot=offer.spot,
        made_at=seconds(operation.get("insertTime")),
        payload=Handle(project, offer.zone).to_json(),
    )


def operation_name(operation: Mapping[str, Any]) -> str:
    """Return the name by which an operation is asked for.

    Raises:
        ProviderUnavailable: The answer is no operation: what it did is not known.
    """
    name = str(operation.get("name") or last_part(operation.get("selfLink")))
    if not name:
        summary = "gcp answered a change with something that is no operation"
        raise ProviderUnavailable(summary, code="gcp-unreadable")
    return name


def has_local_disks(said: Mapping[str, Any]) -> bool:
    """Say whether a machine has local SSDs, whose content would be lost by a stop."""
    disks: Sequence[Mapping[str, Any]] = said.get("disks") or ()
    return any(disk.get("type") == "SCRATCH" for disk in disks)


def last_part(url: object) -> str:
    """Return what an address of a resource ends with; empty for none."""
    return str(url or "").rpartition("/")[2]


def region_of(zone: str) -> str:
    """Return the region of a zone: ``us-central1`` for ``us-central1-a``."""
    return zone.rpartition("-")[0]


def seconds(text: object) -> float:
    """Return a time of RFC 3339 as seconds since the epoch; 0 when there is none."""
    try:
        return datetime.fromisoformat(str(text)).timestamp()
    except ValueError:
        return 0.0


def _addresses(said: Mapping[str, Any]) -> tuple[str, str]:
    """Return the public and the private address; empty where there is none yet."""
    interface: Mapping[str, Any] = next(iter(said.get("networkInterfaces") or ()), {})
    access: Mapping[str, Any] = next(iter(interface.get("accessConfigs") or ()), {})
    return str(access.get("natIP") or ""), str(interface.get("networkIP") or "")
