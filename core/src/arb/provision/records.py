"""Turn what providers say into the rows that are kept of it."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING

from arb.state.attempts import Attempt
from arb.state.machines import Machine, update_machine
from arb.state.requests import write_down
from arb.types import InstanceRef, InstanceState
from arb.types.tokens import parse_token

if TYPE_CHECKING:
    from arb.errors import ArbError
    from arb.state.store import Transaction
    from arb.types import Instance, Offer, ProvisionRequest

__all__ = [
    "attempt_row",
    "charged_usd_hour",
    "error_text",
    "instance_ref",
    "is_alive",
    "machine_row",
    "want_gone",
]


def attempt_row(
    cluster_id: str, seq: int, offer: Offer, request: ProvisionRequest, now: float
) -> Attempt:
    """Return the intent to buy an offer at its price of now."""
    text, digest = write_down(request)
    return Attempt(
        id=request.token,
        cluster_id=cluster_id,
        seq=seq,
        provider=offer.provider,
        offer_json=offer.to_json(),
        count=request.count,
        request_json=text,
        request_digest=digest,
        price_usd_hour=offer.price_usd_hour,
        opened_at=now,
    )


def machine_row(attempt: Attempt, instance: Instance) -> Machine:
    """Return a machine of an attempt as its provider shows it.

    The price is the provider's own where it tells it, else the one that the attempt was made at.
    """
    offer = json.loads(attempt.offer_json)
    parsed = parse_token(instance.token)
    rank = parsed.rank if parsed and parsed.rank is not None else 0
    return Machine(
        provider=instance.provider,
        instance_id=instance.id,
        token=instance.token,
        attempt_id=attempt.id,
        cluster_id=attempt.cluster_id,
        rank=rank,
        region=instance.region,
        zone=instance.zone,
        instance_type=instance.instance_type or offer["instance_type"],
        state=instance.state,
        reason=instance.reason,
        detail=instance.detail,
        address=instance.address,
        private_address=instance.private_address,
        price_usd_hour=charged_usd_hour(attempt.price_usd_hour, instance),
        minimum_s=offer["minimum_s"],
        spot=offer["spot"],
        handle=attempt.handle or instance.payload,
        account=attempt.account,
        made_at=instance.made_at or attempt.opened_at,
    )


def charged_usd_hour(agreed_usd_hour: float, instance: Instance) -> float:
    """Return what a machine costs: as its provider tells it, else as it was bought."""
    told = instance.price_usd_hour
    is_price = told is not None and math.isfinite(told) and told >= 0
    return float(told) if is_price and told is not None else agreed_usd_hour


def instance_ref(machine: Machine) -> InstanceRef:
    """Return how a machine is named to its provider."""
    return InstanceRef(
        provider=machine.provider,
        id=machine.instance_id,
        region=machine.region,
        token=machine.token,
        zone=machine.zone,
        made_at=machine.made_at,
        handle=machine.handle,
        account=machine.account,
    )


def is_alive(machine: Machine) -> bool:
    """Say whether a machine may be billed."""
    return machine.state is not InstanceState.GONE


def want_gone(tx: Transaction, machine: Machine) -> None:
    """Commit the wish to end a machine, unless it is there already."""
    if machine.terminate_after is None:
        update_machine(tx, machine.provider, machine.instance_id, terminate_after=tx.now)


def error_text(error: ArbError) -> str:
    """Return an error as an attempt keeps it."""
    return json.dumps(error.to_dict())
