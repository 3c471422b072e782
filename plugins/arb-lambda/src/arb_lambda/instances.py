"""Machines, as Lambda shows them, in the contract's words. Pure functions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from arb.types import GoneReason, Instance, InstanceState, parse_token

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["TOKEN_TAG", "blocked", "has_ended", "instance_of", "may_end", "number_of", "token_of"]
__all__ += ["usd", "was_preempted"]

TOKEN_TAG: Final = "arb-token"  # noqa: S105 - the key of a tag
_TERMINATED: Final = "terminated"
_PREEMPTED: Final = "preempted"
_MOST: Final = 1e12
"""No amount is larger; numbers in JSON may be."""
_STATES: Final = {
    "booting": InstanceState.PENDING,
    "active": InstanceState.RUNNING,
    "unhealthy": InstanceState.RUNNING,  # it may recover, and costs as much
    "terminating": InstanceState.TERMINATING,
    _PREEMPTED: InstanceState.TERMINATING,  # lost; nobody says that its billing has ended
    _TERMINATED: InstanceState.GONE,
}
_REASONS: Final = {_PREEMPTED: GoneReason.PREEMPTED, _TERMINATED: GoneReason.USER}
_FOR_NOW: Final = frozenset({"vm-has-not-launched", "vm-is-terminating", "vm-action-in-progress"})
"""Why a machine cannot be ended at the moment."""


def token_of(row: Mapping[str, Any]) -> str:
    """Return the arb token of a machine, from its tag or else its name; empty when it has none."""
    for tag in _dicts(row.get("tags")):
        if tag.get("key") == TOKEN_TAG and parse_token(str(tag.get("value"))):
            return str(tag["value"])
    name = str(row.get("name") or "")
    return name if parse_token(name) else ""


def instance_of(provider: str, row: Mapping[str, Any]) -> Instance:
    """Return a machine as the contract shows it. A status that is not known is never the end."""
    status, kind = str(row.get("status") or ""), _dict(row.get("instance_type"))
    return Instance(
        provider=provider,
        id=str(row.get("id") or ""),
        region=str(_dict(row.get("region")).get("name") or ""),
        state=_STATES.get(status, InstanceState.PENDING),
        token=token_of(row),
        reason=_REASONS.get(status, GoneReason.NONE),
        detail=status,
        address=str(row.get("ip") or ""),
        private_address=str(row.get("private_ip") or ""),
        instance_type=str(kind.get("name") or ""),
        price_usd_hour=usd(kind.get("price_cents_per_hour")),
    )


def has_ended(row: Mapping[str, Any]) -> bool:
    """Say whether Lambda itself calls a machine ended."""
    return row.get("status") == _TERMINATED


def may_end(row: Mapping[str, Any]) -> bool:
    """Say whether Lambda would end a machine now; yes where nobody says."""
    return _terminate(row).get("available") is not False


def was_preempted(row: Mapping[str, Any]) -> bool:
    """Say whether Lambda took a machine away."""
    return row.get("status") == _PREEMPTED


def blocked(row: Mapping[str, Any]) -> str:
    """Return why a machine cannot be ended now, for people; empty when it can, or nobody says."""
    if row.get("status") == "terminating":
        return "terminating"
    if was_preempted(row):
        return ""  # it may stay in this status for ever, so it is asked for
    if may_end(row) or _terminate(row).get("reason_code") not in _FOR_NOW:
        return ""
    return f"cannot end while {row.get('status') or 'it changes'}"


def _terminate(row: Mapping[str, Any]) -> Mapping[str, Any]:
    return _dict(_dict(row.get("actions")).get("terminate"))


def usd(cents: object) -> float | None:
    """Return a price in USD; None for what is none."""
    number = number_of(cents)
    return None if number is None else number / 100


def number_of(value: object) -> float | None:
    """Return what can be an amount: finite, and not under 0; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if 0 <= value <= _MOST else None


def _dict(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _dicts(value: object) -> list[Mapping[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []
