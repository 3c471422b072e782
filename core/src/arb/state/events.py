"""The append-only log. Costs are computed from it, ``arb why`` tells it, plugins hear it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from arb.state.store import Reader, Transaction
    from arb.types import Event

__all__ = [
    "ATTEMPT_OPENED",
    "ATTEMPT_STATE",
    "CLUSTER_CREATED",
    "CLUSTER_STATUS",
    "MACHINE_BILLED",
    "MACHINE_FORGOTTEN",
    "MACHINE_GONE",
    "MACHINE_MADE",
    "MACHINE_REAPED",
    "MACHINE_STARTED",
    "MACHINE_STATE",
    "MACHINE_STOPPED",
    "OFFERS_BLOCKED",
    "OFFERS_SKIPPED",
    "PRICES_ASKED",
    "PRICE_ROSE",
    "WALK_ENDED",
    "WALK_WAITS",
    "append",
    "last_id",
    "read_events",
]

CLUSTER_CREATED: Final = "cluster-created"
CLUSTER_STATUS: Final = "cluster-status"
ATTEMPT_OPENED: Final = "attempt-opened"
ATTEMPT_STATE: Final = "attempt-state"
MACHINE_MADE: Final = "machine-made"
MACHINE_STATE: Final = "machine-state"
MACHINE_STOPPED: Final = "machine-stopped"
MACHINE_STARTED: Final = "machine-started"
MACHINE_GONE: Final = "machine-gone"
MACHINE_BILLED: Final = "machine-billed"
MACHINE_FORGOTTEN: Final = "machine-forgotten"
"""The user gave it up: arb will not end it, and it may still be billed."""
MACHINE_REAPED: Final = "machine-reaped"
"""Nobody asked for it: it is ended."""
OFFERS_SKIPPED: Final = "offers-skipped"
OFFERS_BLOCKED: Final = "offers-blocked"
PRICES_ASKED: Final = "prices-asked"
PRICE_ROSE: Final = "price-rose"
"""Above what the user agreed to, before anything was bought."""
WALK_WAITS: Final = "walk-waits"
WALK_ENDED: Final = "walk-ended"
"""Without a purchase."""


def append(  # noqa: PLR0913 - the columns of the log
    tx: Transaction,
    kind: str,
    *,
    cluster: str = "",
    attempt: str = "",
    instance: str = "",
    data: Mapping[str, object] | None = None,
) -> None:
    """Add one event, at the transaction's time.

    Args:
        tx: An exclusive transaction: ids must be seen in their order.
        kind: Kebab case, for instance ``attempt-state``.
        cluster: The user's name of the cluster.
        attempt: Token of the attempt.
        instance: ``provider/id`` of the machine.
        data: What else there is to say. Never a secret.

    Raises:
        RuntimeError: The transaction is not exclusive.
    """
    if not tx.exclusive:
        raise RuntimeError("events are appended in exclusive transactions")
    tx.execute(
        "INSERT INTO events (at, kind, cluster, attempt, instance, data) VALUES (?, ?, ?, ?, ?, ?)",
        (tx.now, kind, cluster, attempt, instance, json.dumps(data or {}, sort_keys=True)),
    )


def read_events(
    reader: Reader,
    *,
    after: int = 0,
    cluster: str = "",
    kinds: Sequence[str] = (),
    limit: int = 0,
) -> list[Event]:
    """Return events in the order in which they were committed.

    Args:
        reader: A store or a transaction.
        after: Only those with a greater id.
        cluster: Only those of this cluster name.
        kinds: Only these kinds.
        limit: At most so many; 0 means all.
    """
    from arb.types import Event

    where, params = ["id > ?"], [after]
    values: list[object] = list(params)
    if cluster:
        where.append("cluster = ?")
        values.append(cluster)
    if kinds:
        where.append(f"kind IN ({', '.join('?' * len(kinds))})")
        values.extend(kinds)
    sql = f"SELECT * FROM events WHERE {' AND '.join(where)} ORDER BY id"  # noqa: S608 - fixed text
    if limit:
        sql += " LIMIT ?"
        values.append(limit)
    return [Event(**row) for row in reader.read(sql, values)]


def last_id(reader: Reader) -> int:
    """Return the id of the newest event, 0 when there is none."""
    return int(reader.read("SELECT coalesce(max(id), 0) AS id FROM events")[0]["id"])
