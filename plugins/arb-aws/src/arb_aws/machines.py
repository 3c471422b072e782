"""From EC2's ``Instance`` to ours: states, reasons, addresses, times."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from arb.types import GoneReason, Instance, InstanceState
from arb_aws.handles import Handle
from arb_aws.tags import ADDRESS, PRIVATE, TOKEN, USER, value_of

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["NO_KEY", "instance_of", "reason_of", "seconds", "without_answer"]

_STATES: Final = {
    "pending": InstanceState.PENDING,
    "running": InstanceState.RUNNING,
    "stopping": InstanceState.STOPPING,
    "stopped": InstanceState.STOPPED,
    "shutting-down": InstanceState.TERMINATING,
    "terminated": InstanceState.GONE,
}
_ENDING: Final = frozenset({InstanceState.TERMINATING, InstanceState.GONE})

NO_KEY: Final = "Client.InvalidKMSKey"
"""Begins the codes of a key that encrypts the disk and cannot be used."""
_REASONS: Final = {
    "Server.SpotInstanceTermination": GoneReason.PREEMPTED,
    "Server.SpotInstanceShutdown": GoneReason.PREEMPTED,
    "Client.UserInitiatedShutdown": GoneReason.USER,
    "Client.InstanceInitiatedShutdown": GoneReason.USER,
    "Server.ScheduledStop": GoneReason.HARDWARE,
    "Client.VolumeLimitExceeded": GoneReason.FAILED_START,
    "Client.InvalidSnapshot.NotFound": GoneReason.FAILED_START,
    "Client.InternalError": GoneReason.FAILED_START,
    "Server.InsufficientInstanceCapacity": GoneReason.FAILED_START,
    "Server.InternalError": GoneReason.HARDWARE,
}


def instance_of(
    provider: str, region: str, said: Mapping[str, Any], zones: Mapping[str, str]
) -> Instance:
    """Return a machine as ``DescribeInstances`` or ``RunInstances`` shows it.

    Args:
        provider: Our id of the provider.
        region: Where it was asked.
        said: The ``Instance``.
        zones: Zone name -> zone id.
    """
    tags = said.get("Tags")
    status = str((said.get("State") or {}).get("Name") or "")
    state = _STATES.get(status, InstanceState.PENDING)
    spot = said.get("InstanceLifecycle") == "spot"
    public, private = (
        str(said.get("PublicIpAddress") or ""),
        str(said.get("PrivateIpAddress") or ""),
    )
    return Instance(
        provider=provider,
        id=str(said["InstanceId"]),
        region=region,
        zone=_zone(said.get("Placement") or {}, zones),
        state=state,
        reason=reason_of(said) if state in _ENDING else GoneReason.NONE,
        token=value_of(tags, TOKEN),
        detail=_detail(status, said),
        address=private if value_of(tags, ADDRESS) == PRIVATE else public,
        private_address=private,
        instance_type=str(said.get("InstanceType") or ""),
        spot=spot,
        made_at=seconds(said.get("LaunchTime")),
        payload=Handle(region, spot, value_of(tags, USER)).to_json(),
    )


def reason_of(said: Mapping[str, Any]) -> GoneReason:
    """Return why a machine ended or is ending, by ``StateReason``."""
    code = str((said.get("StateReason") or {}).get("Code") or "")
    if code.startswith(NO_KEY):
        return GoneReason.FAILED_START
    return _REASONS.get(code, GoneReason.UNKNOWN)


def without_answer(provider: str, region: str, zone: str, id_: str, token: str) -> Instance:
    """Return a machine that EC2 does not know any more."""
    return Instance(
        provider=provider,
        id=id_,
        region=region,
        zone=zone,
        state=InstanceState.GONE,
        reason=GoneReason.UNKNOWN,
        token=token,
        detail="no longer there",
        payload=Handle(region).to_json(),
    )


def seconds(text: object) -> float:
    """Return a time of ISO 8601 as seconds since the epoch; 0 when there is none."""
    try:
        return datetime.fromisoformat(str(text)).timestamp()
    except ValueError:
        return 0.0


def _zone(placement: Mapping[str, Any], zones: Mapping[str, str]) -> str:
    name = str(placement.get("AvailabilityZone") or "")
    return str(placement.get("AvailabilityZoneId") or zones.get(name, name))


def _detail(status: str, said: Mapping[str, Any]) -> str:
    code = str((said.get("StateReason") or {}).get("Code") or "")
    return f"{status} ({code})" if code and status not in {"pending", "running"} else status
