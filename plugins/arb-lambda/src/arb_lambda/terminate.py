"""Giving back. A machine that boots cannot be ended yet, and one that ends is not ended twice."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from arb.errors import ProviderUnavailable
from arb.types import Termination
from arb_lambda.account import check_machine
from arb_lambda.client import LambdaClient, path_of
from arb_lambda.errors import INVALID, MISSING, call_error
from arb_lambda.info import LISTING_LAG_S
from arb_lambda.instances import blocked, has_ended, may_end, was_preempted

if TYPE_CHECKING:
    from arb.types import InstanceRef, ProviderContext

__all__ = ["terminate"]

_NOT_FOUND: Final = 404
_ASK_AGAIN_S: Final = 10.0
_SOON_S: Final = 5.0
_REFUSED_FOR_GOOD: Final = frozenset({INVALID, "global/conflict"})
_REFUSED_FOR_NOW: Final = _REFUSED_FOR_GOOD | {"global/unknown"}
"""What a machine that cannot end at the moment is refused with, as far as is known."""


def terminate(context: ProviderContext, ref: InstanceRef) -> Termination:
    """Ask for the end of one machine, and say what Lambda says.

    Raises:
        CredentialsError: The key was refused, or is of another account than the machine.
        RateLimited, ProviderUnavailable: Nothing is known.
    """
    with LambdaClient.open(context) as client:
        check_machine(client, ref)
        row = _look(client, ref)
        if row is None:
            return _missing(context, ref)
        if has_ended(row):
            return Termination.GONE
        if why := blocked(row):
            return _pending(why, _ASK_AGAIN_S)
        return _end(client, ref, was_lost=was_preempted(row) and not may_end(row))


def _look(client: LambdaClient, ref: InstanceRef) -> dict[str, Any] | None:
    """Return the machine as it is now; None when Lambda does not know it."""
    path = path_of("/instances", ref.id)
    reply = client.read(path)
    if reply.status == _NOT_FOUND and reply.code == MISSING:
        return None
    row = client.data(reply, path)
    if not isinstance(row, dict) or row.get("id") != ref.id:
        summary = f"lambda shows something else than {ref.id}"
        raise ProviderUnavailable(summary, code="lambda-unreadable")
    return row


def _end(client: LambdaClient, ref: InstanceRef, *, was_lost: bool) -> Termination:
    """Ask for the end.

    A machine that Lambda took away may keep that status for ever: it has ended once Lambda agrees to
    end it, or says twice (``was_lost``, and now) that there is nothing to end.
    """
    path = "/instance-operations/terminate"
    reply = client.change("POST", path, {"instance_ids": [ref.id]})
    if reply.is_ok:
        data = client.data(reply, path)
        told = data.get("terminated_instances") if isinstance(data, dict) else None
        rows = [row for row in told if isinstance(row, dict)] if isinstance(told, list) else []
        mine = [row for row in rows if row.get("id") == ref.id]
        if any(has_ended(row) or was_preempted(row) for row in mine):
            return Termination.GONE
        return _pending("asked to end", _SOON_S)
    if reply.code == MISSING:
        return _missing(client.context, ref)
    if was_lost and reply.code in _REFUSED_FOR_GOOD:
        return Termination.GONE
    if reply.code in _REFUSED_FOR_NOW:
        return _pending(f"cannot end now ({reply.code})", _ASK_AGAIN_S)
    raise call_error(reply, "a termination", client.context.clock.now())


def _missing(context: ProviderContext, ref: InstanceRef) -> Termination:
    """Return what "not found" means: listings lag, so at first it means nothing."""
    left_s = ref.made_at + LISTING_LAG_S - context.clock.now()
    if left_s > 0:
        return _pending("not shown yet", left_s)
    return Termination.GONE


def _pending(detail: str, wait_s: float) -> Termination:
    return Termination(gone=False, retry_after_s=wait_s, detail=detail)
