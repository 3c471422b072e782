"""A state store as a team has it after some weeks."""

from __future__ import annotations

from itertools import cycle
from typing import TYPE_CHECKING, Final

from arb.state import attempts, clusters, events, machines
from arb.state.attempts import Attempt, AttemptState
from arb.state.clusters import ClusterRecord, ClusterStatus
from arb.state.machines import Machine
from arb.state.store import open_store
from arb.types import InstanceState, Offer
from arb.types.tokens import attempt_token, machine_token, new_id

if TYPE_CHECKING:
    from arb.state.store import Store, Transaction

__all__ = ["CLUSTERS", "EVENTS", "MACHINES", "fill"]

CLUSTERS: Final = 20
MACHINES: Final = 200
EVENTS: Final = 5000
_OFFER: Final = Offer("spheron", "h100-8", "us-east", "h100_sxm_8", 21.6, accelerator="H100",
                      accelerator_count=8, vcpus=192, memory_gib=1800)  # fmt: skip


def fill(url: str) -> None:
    """Make a store of live clusters; every machine has been stopped, started and billed often."""
    with open_store(url) as store:
        made: list[Machine] = []
        for number in range(CLUSTERS):
            with store.write() as tx:
                made += _cluster(tx, store.owner(), f"train-{number}")
        _live(store, made)


def _cluster(tx: Transaction, owner: str, name: str) -> list[Machine]:
    """Add one cluster: an attempt that was refused, one that succeeded, and its machines."""
    count = MACHINES // CLUSTERS
    record = ClusterRecord(
        new_id(), name, ClusterStatus.INIT, tx.now - 86400, count, provider=_OFFER.provider,
        region=_OFFER.region, offer_json=_OFFER.to_json(),
    )  # fmt: skip
    clusters.insert_cluster(tx, record)
    tokens = [attempt_token(owner, record.id, seq) for seq in (0, 1)]
    for seq, state in enumerate((AttemptState.FAILED, AttemptState.READY)):
        attempts.insert_attempt(
            tx,
            Attempt(
                tokens[seq], record.id, seq, _OFFER.provider, _OFFER.to_json(), count, "{}", "",
                _OFFER.price_usd_hour, tx.now - 86400,
            ),
        )  # fmt: skip
        attempts.update_attempt(tx, tokens[seq], state=state)
    made = [_machine(tx, record, tokens[1], rank) for rank in range(count)]
    clusters.update_cluster(tx, record.id, status=ClusterStatus.UP, ready_at=tx.now)
    return made


def _machine(tx: Transaction, record: ClusterRecord, token: str, rank: int) -> Machine:
    machine = Machine(
        _OFFER.provider, f"i-{record.id}-{rank}", machine_token(token, rank), token, record.id,
        rank, _OFFER.region, InstanceState.RUNNING, tx.now - 86000, _OFFER.price_usd_hour,
        instance_type=_OFFER.instance_type, address=f"192.0.2.{rank + 1}",
    )  # fmt: skip
    machines.record_machine(tx, machine)
    return machine


def _live(store: Store, made: list[Machine]) -> None:
    """Add events until there are enough."""
    left = EVENTS - events.last_id(store)
    steps = cycle((InstanceState.STOPPED, InstanceState.RUNNING, None))
    with store.write() as tx:
        while left > 0:
            step = next(steps)
            for machine in made[:left]:
                if step is None:
                    machines.report_billed(tx, machine, 21.6)
                else:
                    machines.update_machine(tx, machine.provider, machine.instance_id, state=step)
            left -= len(made[:left])
