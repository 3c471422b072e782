"""Deployments, as Spheron shows them, in the contract's words. Pure functions."""

from __future__ import annotations

import json
import re
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from arb.types import GoneReason, Instance, InstanceState, parse_token
from arb_spheron.values import number, whole

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "ENDED",
    "FAILED",
    "has_ended",
    "instance_of",
    "ssh_port",
    "ssh_user",
    "status_of",
    "token_of",
]

ENDED: Final = frozenset({"terminated", "terminated-provider"})
"""Statuses of what is not billed any more."""
FAILED: Final = "failed"
_USER: Final = re.compile(r"(?:^|\s)([A-Za-z_][\w.-]*)@")
_DEFAULT_USER: Final = "ubuntu"
_SSH: Final = 22
_LAST_PORT: Final = 65_535
_COMMAND_PORT: Final = re.compile(r"\s-p\s*(\d+)")
_ENDING: Final = ("terminating", "deleting", "destroying", "stopping")
"""How statuses begin that nobody documents and everybody understands."""


def token_of(deployment: Mapping[str, Any]) -> str:
    """Return the arb token in a deployment's name; empty when it has none."""
    name = str(deployment.get("name") or "")
    return name if parse_token(name) else ""


def instance_of(provider: str, deployment: Mapping[str, Any]) -> Instance:
    """Return a deployment as the contract shows it."""
    status = status_of(deployment)
    spot = str(deployment.get("instanceType")).upper() == "SPOT"
    state = _state(deployment, status)
    return Instance(
        provider=provider,
        id=str(deployment.get("id") or ""),
        region=str(deployment.get("region") or ""),
        state=state,
        token=token_of(deployment),
        reason=_reason(status, spot=spot),
        detail=status,
        address=str(deployment.get("ipAddress") or ""),
        instance_type=str(deployment.get("offerId") or ""),
        spot=spot,
        made_at=_time(deployment.get("createdAt")),
        price_usd_hour=number(deployment.get("hourlyRate")),
        reported_usd=number(deployment.get("totalCost")),
        payload=json.dumps({"user": ssh_user(deployment), "port": ssh_port(deployment)}),
    )


def has_ended(deployment: Mapping[str, Any]) -> bool:
    """Say whether Spheron itself calls a deployment ended, so that it costs nothing any more."""
    return _state(deployment, status_of(deployment)) is InstanceState.GONE


def status_of(deployment: Mapping[str, Any]) -> str:
    """Return the status; empty when there is none."""
    return str(deployment.get("status") or "").lower()


def ssh_user(deployment: Mapping[str, Any]) -> str:
    """Return who is let in: ``user``, else what ``sshCommand`` says."""
    if user := deployment.get("user"):
        return str(user)
    found = _USER.search(str(deployment.get("sshCommand") or ""))
    return found[1] if found else _DEFAULT_USER


def ssh_port(deployment: Mapping[str, Any]) -> int:
    """Return where the SSH server is reached.

    That is ``sshPort``, else what ``sshCommand`` says, else what 22 is forwarded from. 22 itself is
    no answer yet: it may be the port inside.
    """
    port = _port(deployment.get("sshPort"))
    command = _COMMAND_PORT.search(str(deployment.get("sshCommand") or ""))
    if port in {0, _SSH} and command:
        port = _port(command[1])
    return port if port not in {0, _SSH} else _forwarded(deployment) or _SSH


def _forwarded(deployment: Mapping[str, Any]) -> int:
    """Return the port outside that leads to 22; 0 when there is none."""
    forwards = deployment.get("portForwards")
    for forward in forwards if isinstance(forwards, list) else ():
        if isinstance(forward, dict) and whole(forward.get("internal")) == _SSH:
            return _port(forward.get("external"))
    return 0


def _port(value: object) -> int:
    port = whole(value) or 0
    return port if 0 < port <= _LAST_PORT else 0


def _state(deployment: Mapping[str, Any], status: str) -> InstanceState:
    """Return the state; a status that is not known is never taken for the end."""
    if status in ENDED:
        return InstanceState.GONE
    stopped = bool(deployment.get("stoppedAt"))
    if status == FAILED:  # it may be billed until it is deleted, unless Spheron says that it ended
        return InstanceState.GONE if stopped else InstanceState.TERMINATING
    if status == "running":
        return InstanceState.RUNNING
    ending = stopped or status.startswith(_ENDING)
    return InstanceState.TERMINATING if ending else InstanceState.PENDING


def _reason(status: str, *, spot: bool) -> GoneReason:
    if status == "terminated":
        return GoneReason.USER
    if status == "terminated-provider":  # a reclaim and broken hardware look the same
        return GoneReason.PREEMPTED if spot else GoneReason.HARDWARE
    return GoneReason.FAILED_START if status == FAILED else GoneReason.NONE


def _time(value: object) -> float:
    """Return seconds since the epoch; 0 when there is no time."""
    try:
        moment = datetime.fromisoformat(str(value))
    except ValueError:
        return 0.0
    return moment.timestamp() if moment.tzinfo else 0.0
