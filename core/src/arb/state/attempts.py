"""Attempts: the intents. A purchase is here before the provider hears of it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final, TypedDict, Unpack

from arb.errors import StateError
from arb.state import events
from arb.state.clusters import get_by_id
from arb.state.rows import insert_row, update_rows
from arb.types.tokens import MAX_SEQ

if TYPE_CHECKING:
    from collections.abc import Mapping

    from arb.state.store import Reader, Row, Transaction

__all__ = [
    "BRIEF",
    "ENDED",
    "Attempt",
    "AttemptChanges",
    "AttemptState",
    "attempts_of_cluster",
    "get_attempt",
    "insert_attempt",
    "next_seq",
    "open_attempts",
    "update_attempt",
]


class AttemptState(StrEnum):
    """What is known of a purchase."""

    INTENT = "intent"
    """Committed; the provider may or may not have been called."""
    PLACED = "placed"
    """The provider took the order; machines are on their way."""
    UNKNOWN = "unknown"
    """The answer was lost: anything may exist, so the token is listed."""
    READY = "ready"
    """Its machines serve the cluster."""
    FAILED = "failed"
    """Refused, and the provider guarantees that nothing was made. Ended."""
    GIVING_BACK = "giving-back"
    """What it made is being terminated, until the provider confirms."""
    CLOSED = "closed"
    """Nothing of it is left. Ended."""


ENDED: Final = frozenset({AttemptState.FAILED, AttemptState.CLOSED})
BRIEF: Final = (
    *("provider", "instance_type", "region", "zone", "spot", "note"),
    *("price_usd_hour", "source", "as_of"),
)
"""What people need to know an offer by, and how much its price is to be believed."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One purchase of ``count`` machines of one offer.

    Attributes:
        id: The attempt's token, without a rank.
        seq: Which attempt of the cluster, from 0.
        offer_json: ``Offer.to_json`` with the price it was bought at.
        request_json: ``arb.state.requests.dump_request``: no secrets.
        request_digest: ``arb.state.requests.digest``: of the whole request.
        price_usd_hour: Of one machine.
        handle: What ``arb_provision`` returned.
        account: Whose purchase it is, as ``arb_provision`` said.
        error_json: ``ArbError.to_dict`` of what ended it, as text; empty when nothing did.
    """

    id: str
    cluster_id: str
    seq: int
    provider: str
    offer_json: str
    count: int
    request_json: str
    request_digest: str
    price_usd_hour: float
    opened_at: float
    state: AttemptState = AttemptState.INTENT
    handle: str = ""
    account: str = ""
    error_json: str = ""
    closed_at: float | None = None

    @property
    def is_open(self) -> bool:
        """Whether machines of it exist, or may appear."""
        return self.state not in ENDED


class AttemptChanges(TypedDict, total=False):
    """Columns of an attempt that change."""

    state: AttemptState
    handle: str
    account: str
    error_json: str
    closed_at: float | None
    price_usd_hour: float


def next_seq(reader: Reader, cluster_id: str) -> int:
    """Return the number of the cluster's next attempt; ``insert_attempt`` refuses one that is taken.

    Raises:
        StateError: There are no numbers left for this life of the cluster.
    """
    sql = "SELECT coalesce(max(seq) + 1, 0) AS seq FROM attempts WHERE cluster_id = ?"
    seq = int(reader.read(sql, (cluster_id,))[0]["seq"])
    if seq > MAX_SEQ:
        summary = f"{seq:,} purchases were tried for this cluster, and there are no more numbers"
        raise StateError(summary, code="too-many-attempts", hint="launch it anew")
    return seq


def insert_attempt(tx: Transaction, attempt: Attempt, *, sold_by: str = "") -> None:
    """Write the intent. Once the transaction is committed the provider may be called.

    Args:
        tx: An exclusive transaction.
        attempt: The intent.
        sold_by: The provider's distribution, for people who no longer have it.

    Raises:
        Conflict: The token or the number is taken: another process buys for this cluster.
    """
    insert_row(tx, "attempts", asdict(attempt))
    offer = json.loads(attempt.offer_json)
    data: dict[str, object] = {
        "cluster_id": attempt.cluster_id,
        "seq": attempt.seq,
        "provider": attempt.provider,
        "count": attempt.count,
        "price_usd_hour": attempt.price_usd_hour,
        "sold_by": sold_by,
        "offer": {name: offer[name] for name in BRIEF if offer.get(name)},
    }
    _append(tx, events.ATTEMPT_OPENED, attempt, data)


def get_attempt(reader: Reader, attempt_id: str) -> Attempt | None:
    """Return the attempt with this token, or None."""
    rows = reader.read("SELECT * FROM attempts WHERE id = ?", (attempt_id,))
    return _to_attempt(rows[0]) if rows else None


def attempts_of_cluster(reader: Reader, cluster_id: str) -> list[Attempt]:
    """Return all attempts of one life of a cluster, first to last."""
    rows = reader.read("SELECT * FROM attempts WHERE cluster_id = ? ORDER BY seq", (cluster_id,))
    return [_to_attempt(row) for row in rows]


def open_attempts(reader: Reader, *, cluster_id: str = "") -> list[Attempt]:
    """Return the attempts that have not ended, oldest first.

    Args:
        reader: A store or a transaction.
        cluster_id: Only those of one cluster; empty means all.
    """
    sql = "SELECT * FROM attempts WHERE state NOT IN ('failed', 'closed')"
    params: tuple[object, ...] = ()
    if cluster_id:
        sql, params = sql + " AND cluster_id = ?", (cluster_id,)
    return [_to_attempt(row) for row in reader.read(sql + " ORDER BY opened_at, id", params)]


def update_attempt(
    tx: Transaction, attempt_id: str, **changes: Unpack[AttemptChanges]
) -> Attempt | None:
    """Change some columns; a new state is an event. An ended one gets ``closed_at``.

    One that had ended loses it when more of it turns up.

    Returns:
        The attempt as it is now; None when there is no such attempt.
    """
    before = get_attempt(tx, attempt_id)
    if before is None:
        return None
    state = changes.get("state", before.state)
    if state in ENDED and before.closed_at is None:
        changes.setdefault("closed_at", tx.now)
    elif state not in ENDED and before.closed_at is not None:
        changes["closed_at"] = None
    if changes:
        update_rows(tx, "attempts", {"id": attempt_id}, changes)
    if state is not before.state:
        data = {
            "cluster_id": before.cluster_id,
            "from": before.state.value,
            "to": state.value,
            "error": changes.get("error_json", ""),
        }
        _append(tx, events.ATTEMPT_STATE, before, data)
    return get_attempt(tx, attempt_id)


def _append(tx: Transaction, kind: str, attempt: Attempt, data: Mapping[str, object]) -> None:
    cluster = get_by_id(tx, attempt.cluster_id)
    name = cluster.name if cluster else ""
    events.append(tx, kind, cluster=name, attempt=attempt.id, data=data)


def _to_attempt(row: Row) -> Attempt:
    return Attempt(**{**row, "state": AttemptState(row["state"])})
