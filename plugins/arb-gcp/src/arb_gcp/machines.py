"""From Google's ``Instance`` to ours: states, addresses, times."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from arb.errors import ProviderUnavailable
from arb.types import Instance, InstanceState
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


def instance_of(provider: str, project: str, said: Mapping[str, Any], zone: str = "") -> Instance:
    """Return a machine as ``instances.get`` or a list shows it.

    A spot machine that is off cannot come back and costs its disk until it is deleted: it is
    ``TERMINATING``. Otherwise ``TERMINATED`` is Google's word for stopped.

    Args:
        provider: Our id of the provider.
        project: Of the machine.
        said: The ``Instance`` resource.
        zone: Where it was found, for an answer that does not tell.
    """
    zone = last_part(said.get("zone")) or zone
    scheduling = said.get("scheduling") or {}
    spot = scheduling.get("provisioningModel") == "SPOT" or bool(scheduling.get("preemptible"))
    status = str(said.get("status") or "")
    state = _STATES.get(status, InstanceState.PENDING)
    if state in _OFF and spot:
        state = InstanceState.TERMINATING
    address, private = _addresses(said)
    return Instance(
        provider=provider,
        id=str(said["name"]),
        region=region_of(zone),
        zone=zone,
        state=state,
        token=str(said["name"]),
        detail=status,
        address=address,
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
    """Return where a machine is reached from outside and by its peers; empty until that is known.

    One without a public address is reached by its private one from everywhere.
    """
    interface: Mapping[str, Any] = next(iter(said.get("networkInterfaces") or ()), {})
    accesses: Sequence[Mapping[str, Any]] = interface.get("accessConfigs") or ()
    private = str(interface.get("networkIP") or "")
    return (str(accesses[0].get("natIP") or "") if accesses else private), private
