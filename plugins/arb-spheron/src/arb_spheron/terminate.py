"""Giving back. Spheron refuses in the first twenty minutes: then the wait is told."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from arb.types import Termination
from arb_spheron.account import check_account, team_id
from arb_spheron.client import SpheronClient
from arb_spheron.deployments import ENDED, FAILED, has_ended, status_of
from arb_spheron.errors import call_error
from arb_spheron.info import LISTING_LAG_S, MINIMUM_S
from arb_spheron.listing import read_deployments
from arb_spheron.values import number

if TYPE_CHECKING:
    from arb.types import InstanceRef, ProviderContext
    from arb_spheron.errors import Reply

__all__ = ["terminate"]

_NOT_FOUND: Final = 404
_REFUSALS: Final = frozenset({400, 409, 422})
"""Statuses of "not in this state"; 400 is the one that was seen."""
_REMAINING: Final = re.compile(r"(?i)time remaining:?\s*(\d+(?:\.\d+)?)")
_TOO_EARLY: Final = re.compile(r"(?i)minimum runtime|at least \d+ minutes")
_NO_SUCH: Final = re.compile(r"(?i)(deployment|instance)\b.{0,60}\b(not found|does not exist)")
_MINUTE_S: Final = 60.0
_ASK_AGAIN_S: Final = 10.0
_LONGEST_MIN: Final = MINIMUM_S / _MINUTE_S


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
        if reply.status < 500 and (answer := _too_early(reply, context.clock.now())):  # noqa: PLR2004 - HTTP
            return answer
        if reply.status == _NOT_FOUND:
            return _missing(client, ref, reply)
        if reply.status in _REFUSALS:
            return _refused(client, ref, reply)
        raise call_error(reply, "a termination", context.clock.now())


def _confirmed(client: SpheronClient, ref: InstanceRef, reply: Reply) -> Termination:
    """Return GONE once a status says so: some answers are empty."""
    told = reply.body.get("deployment", reply.body) if isinstance(reply.body, dict) else {}
    if isinstance(told, dict) and status_of(told) in ENDED:
        return Termination.GONE
    now = client.read(f"/api/deployments/{ref.id}")
    if _is_over(now) or (now.status == _NOT_FOUND and _is_unknown(client, ref, now)):
        return Termination.GONE
    return Termination(gone=False, retry_after_s=_ASK_AGAIN_S, detail="asked to end")


def _missing(client: SpheronClient, ref: InstanceRef, reply: Reply) -> Termination:
    """Return what "not found" means: listings lag, so at first it means nothing."""
    context = client.context
    left_s = ref.made_at + LISTING_LAG_S - context.clock.now()
    if left_s > 0:
        return Termination(gone=False, retry_after_s=left_s, detail="not shown yet")
    if _is_unknown(client, ref, reply):
        return Termination.GONE
    raise call_error(reply, "a termination", context.clock.now())


def _is_unknown(client: SpheronClient, ref: InstanceRef, reply: Reply) -> bool:
    """Say whether a 404 means that there is no such machine.

    It may be a proxy's, or be about the team or the address: then a whole listing decides.
    """
    if isinstance(reply.body, dict) and _NO_SUCH.search(reply.text()):
        return True
    rows = read_deployments(client, ref.account or team_id(client), "all")
    return all(has_ended(row) for row in rows if str(row["id"]) == ref.id)


def _too_early(reply: Reply, now: float) -> Termination | None:
    """Return how long the minimum run time still holds a machine; None for another refusal."""
    told = reply.body if isinstance(reply.body, dict) else {}
    text = reply.text()
    if not _TOO_EARLY.search(text) and "timeRemaining" not in told:
        return None
    wait_s = _minutes_left(told, text) * _MINUTE_S
    until = datetime.fromtimestamp(math.ceil((now + wait_s) / _MINUTE_S) * _MINUTE_S, UTC)
    detail = f"minimum run time, until {until:%H:%M} UTC"
    return Termination(gone=False, retry_after_s=wait_s, detail=detail)


def _refused(client: SpheronClient, ref: InstanceRef, reply: Reply) -> Termination:
    """Read a refusal that is not about time: over already, or not in this state.

    Raises:
        ArbError: It says neither, and the machine is still there.
    """
    told = reply.body if isinstance(reply.body, dict) else {}
    status = str(told.get("currentStatus") or "").lower()
    if status in ENDED:
        return Termination.GONE
    now = client.read(f"/api/deployments/{ref.id}")
    if _is_over(now):
        return Termination.GONE
    if now.status == _NOT_FOUND:
        return _missing(client, ref, now)
    is_failed = status == FAILED and isinstance(now.body, dict) and status_of(now.body) == FAILED
    if is_failed and client.context.clock.now() - ref.made_at > MINIMUM_S:
        return Termination.GONE  # it cannot be deleted, and no minimum holds it
    if status:
        return Termination(gone=False, retry_after_s=_MINUTE_S, detail=f"cannot end while {status}")
    raise call_error(reply, "a termination", client.context.clock.now())


def _is_over(reply: Reply) -> bool:
    """Say whether Spheron shows a machine as ended."""
    body: Any = reply.body
    if isinstance(body, dict) and isinstance(body.get("deployment"), dict):
        body = body["deployment"]
    return reply.is_ok and isinstance(body, dict) and has_ended(body)


def _minutes_left(told: dict[str, Any], text: str) -> float:
    """Return the minutes to wait: at least a part of one, at most the whole minimum."""
    value = number(told.get("timeRemaining"))
    if value is None:
        found = _REMAINING.search(text)
        value = float(found[1]) if found else 1.0
    return min(max(value, 0.5), _LONGEST_MIN)
