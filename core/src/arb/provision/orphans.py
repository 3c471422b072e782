"""Record machines that nobody asked for in state, so that ending them is durable."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from arb.provision.records import machine_row, want_gone
from arb.provision.verdicts import Kind, attempt_of
from arb.state import events
from arb.state.attempts import (
    ENDED,
    Attempt,
    AttemptState,
    get_attempt,
    insert_attempt,
    open_attempts,
    update_attempt,
)
from arb.state.clusters import (
    ClusterRecord,
    ClusterStatus,
    get_by_id,
    insert_cluster,
    update_cluster,
)
from arb.state.machines import get_machine, record_machine, update_machine
from arb.state.requests import write_down
from arb.types import GoneReason, InstanceState, NodeSetup, Offer, ProvisionRequest
from arb.types.tokens import parse_token

if TYPE_CHECKING:
    from collections.abc import Sequence

    from arb.provision.leftovers import Leftover
    from arb.state.machines import Machine
    from arb.state.store import Transaction
    from arb.types import Instance

__all__ = ["Orphan", "claim", "claim_leftover", "give_up"]


@dataclass(frozen=True, slots=True)
class Orphan:
    """A machine to end.

    Attributes:
        instance: As it was listed.
        kind: Why.
        account: Whose it is.
        listed_at: When the listing was asked for, seconds since the epoch.
    """

    instance: Instance
    kind: Kind
    account: str
    listed_at: float


def claim(tx: Transaction, orphan: Orphan) -> bool:
    """Write an orphan down, with the wish to end it.

    Its purchase is open again until it is gone. Where state knows nothing of the purchase, cluster
    and purchase are made from what the token and the provider say.

    Returns:
        False when it ended after it was listed: nothing changed.
    """
    instance = orphan.instance
    known = get_machine(tx, instance.provider, instance.id)
    if known is not None and (known.gone_at or 0) > orphan.listed_at:
        return False
    attempt = get_attempt(tx, attempt_of(instance)) or _attempt_from(tx, instance)
    if orphan.account and not attempt.account:
        attempt = update_attempt(tx, attempt.id, account=orphan.account) or attempt
    machine = _machine(tx, known, attempt, instance)
    want_gone(tx, machine)
    if attempt.state in ENDED:
        update_attempt(tx, attempt.id, state=AttemptState.GIVING_BACK)
    cluster = get_by_id(tx, attempt.cluster_id)
    data = {"cluster_id": attempt.cluster_id, "why": orphan.kind.value}
    name = cluster.name if cluster else ""
    events.append(
        tx,
        events.MACHINE_REAPED,
        cluster=name,
        attempt=attempt.id,
        instance=machine.key,
        data=data,
    )
    return True


def claim_leftover(tx: Transaction, leftover: Leftover) -> bool:
    """Write a purchase down of which something is left beside machines, to be given back.

    Returns:
        False when somebody carries on with it already: nothing changed.
    """
    attempt = get_attempt(tx, leftover.token)
    if attempt is None:
        attempt = _attempt_from(tx, leftover.as_instance())
    elif attempt.is_open:
        return False
    account = attempt.account or leftover.account
    update_attempt(tx, attempt.id, state=AttemptState.GIVING_BACK, account=account)
    return True


def give_up(
    tx: Transaction,
    cluster_id: str,
    machines: Sequence[tuple[Machine, str]],
    attempts: Sequence[Attempt],
) -> None:
    """Stop counting machines that cannot be ended, each for a reason, and let their cluster go.

    The log says that they may still be billed; when the reaper ever sees one again, it is ended.
    """
    cluster = get_by_id(tx, cluster_id)
    name = cluster.name if cluster else ""
    for machine, why in machines:
        events.append(
            tx,
            events.MACHINE_FORGOTTEN,
            cluster=name,
            attempt=machine.attempt_id,
            instance=machine.key,
            data={"cluster_id": cluster_id, "why": why},
        )
        update_machine(
            tx,
            machine.provider,
            machine.instance_id,
            state=InstanceState.GONE,
            reason=GoneReason.UNKNOWN,
            detail="given up by the user; it may still be billed",
        )
    given_up = {machine.attempt_id for machine, _ in machines} | {a.id for a in attempts}
    for attempt in open_attempts(tx, cluster_id=cluster_id):
        if attempt.id in given_up or attempt.state is AttemptState.GIVING_BACK:
            update_attempt(tx, attempt.id, state=AttemptState.CLOSED)
    detail = "given up: something of it may still be billed"
    update_cluster(tx, cluster_id, status=ClusterStatus.GONE, detail=detail)


def _machine(
    tx: Transaction, known: Machine | None, attempt: Attempt, instance: Instance
) -> Machine:
    if known is None:
        machine = machine_row(attempt, instance)
        record_machine(tx, machine)
        return machine
    if known.state is not InstanceState.GONE:
        return known
    changed = update_machine(
        tx,
        instance.provider,
        instance.id,
        state=instance.state,
        reason=instance.reason,
        detail=instance.detail,
        terminate_after=None,
    )
    return changed or known


def _attempt_from(tx: Transaction, instance: Instance) -> Attempt:
    """Make the purchase that a machine must have been part of."""
    token = attempt_of(instance)
    parsed = parse_token(token)
    if parsed is None:
        raise ValueError(f"{instance.id} carries no token of ours")
    cluster = get_by_id(tx, parsed.cluster_id) or _cluster_from(tx, parsed.cluster_id, instance)
    offer = Offer(
        provider=instance.provider,
        offer_id=instance.instance_type,
        region=instance.region,
        zone=instance.zone,
        instance_type=instance.instance_type or "unknown",
        price_usd_hour=instance.price_usd_hour or 0.0,
        spot=instance.spot,
    )
    setup = NodeSetup(token=instance.token, rank=None, authorized_key="")
    request = ProvisionRequest(cluster.name, token, offer, 1, (setup,))
    text, digest = write_down(request)
    attempt = Attempt(
        id=token,
        cluster_id=cluster.id,
        seq=parsed.seq,
        provider=offer.provider,
        offer_json=offer.to_json(),
        count=1,
        request_json=text,
        request_digest=digest,
        price_usd_hour=offer.price_usd_hour,
        opened_at=instance.made_at or tx.now,
        state=AttemptState.GIVING_BACK,
    )
    insert_attempt(tx, attempt)
    return attempt


def _cluster_from(tx: Transaction, cluster_id: str, instance: Instance) -> ClusterRecord:
    record = ClusterRecord(
        id=cluster_id,
        name=f"lost-{cluster_id}",
        status=ClusterStatus.TERMINATING,
        created_at=instance.made_at or tx.now,
        num_nodes=1,
        provider=instance.provider,
        region=instance.region,
        detail="found at its provider; nothing else is known of it",
    )
    insert_cluster(tx, record)
    return record
