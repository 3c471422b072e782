"""From what providers say to the rows that are kept of it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from arb.state.attempts import Attempt
from arb.state.machines import Machine
from arb.state.requests import digest, dump_request
from arb.state.tokens import parse_token
from arb.types import InstanceState

if TYPE_CHECKING:
    from arb.errors import ArbError
    from arb.types import Instance, Offer, ProvisionRequest

__all__ = ["attempt_row", "error_text", "is_alive", "machine_row"]


def attempt_row(
    cluster_id: str, seq: int, offer: Offer, request: ProvisionRequest, now: float
) -> Attempt:
    """Return the intent to buy an offer at its price of now."""
    return Attempt(
        id=request.token,
        cluster_id=cluster_id,
        seq=seq,
        provider=offer.provider,
        offer_json=offer.to_json(),
        count=request.count,
        request_json=dump_request(request),
        request_digest=digest(request),
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
    price = attempt.price_usd_hour if instance.price_usd_hour is None else instance.price_usd_hour
    return Machine(
        provider=attempt.provider,
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
        price_usd_hour=price,
        minimum_s=offer["minimum_s"],
        spot=offer["spot"],
        handle=attempt.handle or instance.payload,
        account=attempt.account,
        made_at=instance.made_at or attempt.opened_at,
    )


def is_alive(machine: Machine) -> bool:
    """Say whether a machine may be billed."""
    return machine.state is not InstanceState.GONE


def error_text(error: ArbError) -> str:
    """Return an error as an attempt keeps it."""
    return json.dumps(error.to_dict())
