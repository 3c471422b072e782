"""Giving back. Spheron refuses in the first twenty minutes: then the wait is told."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any, Final

from arb.types import Termination
from arb_spheron.account import check_account
from arb_spheron.client import SpheronClient
from arb_spheron.deployments import ENDED, has_ended
from arb_spheron.errors import call_error
from arb_spheron.info import LISTING_LAG_S

if TYPE_CHECKING:
    from arb.types import InstanceRef, ProviderContext
    from arb_spheron.errors import Reply

__all__ = ["terminate"]

_NOT_FOUND: Final = 404
_BAD_REQUEST: Final = 400
_REMAINING: Final = re.compile(r"(?i)time remaining:?\s*(\d+)")
_TOO_EARLY: Final = re.compile(r"(?i)minimum runtime|at least \d+ minutes")
_MINUTE_S: Final = 60.0
_ASK_AGAIN_S: Final = 10.0
_LONGEST_MIN: Final = 20
_OVER: Final = frozenset({*ENDED, "failed"})
"""Statuses of what cannot be ended any more: said of a deployment, they mean that it costs nothing."""


def terminate(context: ProviderContext, ref: InstanceRef) -> Termination:
    """Ask for the end of one machine, and say what Spheron says.

    Raises:
        CredentialsError: The key was refused, or is in another team than the machine.
    """
    with SpheronClient.open(context) as client:
        check_account(client, ref.account)
        reply = client.send("DELETE", f"/api/deployments/{ref.id}")
        if reply.is_ok:
            return _confirmed(client, ref, reply)
    if reply.status == _NOT_FOUND:
        return _missing(context, ref)
    told = reply.body if isinstance(reply.body, dict) else {}
    if reply.status == _BAD_REQUEST and (answer := _refused(told, reply.text())):
        return answer
    raise call_error(reply, "a termination", context.clock.now())


def _confirmed(client: SpheronClient, ref: InstanceRef, reply: Reply) -> Termination:
    """Return GONE once a status says so: some answers are empty."""
    told = reply.body.get("deployment", reply.body) if isinstance(reply.body, dict) else {}
    if isinstance(told, dict) and told.get("status") in ENDED:
        return Termination.GONE
    now = client.read(f"/api/deployments/{ref.id}")
    if now.status == _NOT_FOUND or (isinstance(now.body, dict) and has_ended(now.body)):
        return Termination.GONE
    return Termination(gone=False, retry_after_s=_ASK_AGAIN_S, detail="asked to end")


def _missing(context: ProviderContext, ref: InstanceRef) -> Termination:
    """Return what "not found" means: listings lag, so at first it means nothing."""
    left_s = ref.made_at + LISTING_LAG_S - context.clock.now()
    if left_s > 0:
        return Termination(gone=False, retry_after_s=left_s, detail="not shown yet")
    return Termination.GONE


def _refused(told: dict[str, Any], text: str) -> Termination | None:
    """Read a 400: too early, or over already; None when it is something else."""
    if told.get("currentStatus") in _OVER:
        return Termination.GONE
    if _TOO_EARLY.search(text) or "timeRemaining" in told:
        minutes = _minutes_left(told, text)
        detail = f"minimum run time, {minutes:.0f} min left"
        return Termination(gone=False, retry_after_s=minutes * _MINUTE_S, detail=detail)
    if told.get("currentStatus"):
        detail = f"cannot end while {told['currentStatus']}"
        return Termination(gone=False, retry_after_s=_MINUTE_S, detail=detail)
    return None


def _minutes_left(told: dict[str, Any], text: str) -> float:
    """Return the minutes to wait: at least a part of one, at most the whole minimum."""
    value = told.get("timeRemaining")
    if not isinstance(value, int | float) or not math.isfinite(value):
        found = _REMAINING.search(text)
        value = float(found[1]) if found else 1.0
    return min(max(float(value), 0.5), _LONGEST_MIN)
