"""Clusters: what the user named. Each launch of a name after its end is a new record."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, TypedDict, Unpack

from arb.state import events
from arb.state.rows import insert_row, update_rows
from arb.state.store import Conflict

if TYPE_CHECKING:
    from arb.state.store import Reader, Row, Transaction

__all__ = [
    "ClusterChanges",
    "ClusterRecord",
    "ClusterStatus",
    "ends_itself",
    "get_by_id",
    "get_cluster",
    "gone_since",
    "insert_cluster",
    "list_clusters",
    "update_cluster",
]


class ClusterStatus(StrEnum):
    """Where a cluster is in its life. All but ``GONE`` are live and hold their name."""

    INIT = "init"
    """Being bought or brought up; also after a launch died in the middle."""
    UP = "up"
    STOPPED = "stopped"
    TERMINATING = "terminating"
    """The user wants it gone; machines may still be billed."""
    GONE = "gone"


@dataclass(frozen=True, slots=True)
class ClusterRecord:
    """One life of a cluster.

    Attributes:
        id: 8 base32 characters, part of every token of this life.
        provider: Where it was bought; empty until then, like ``region`` and ``offer_json``.
        task_json: The resolved task, secrets removed.
        offer_json: ``Offer.to_json`` of what was bought.
        autostop_json: The rule in force, empty when there is none: ``down`` says that the nodes end
            themselves, ``idle_s`` after how many idle seconds.
        ready_at: When all nodes could first be used.
        detail: One line for people: what it waits for, why it ended.
    """

    id: str
    name: str
    status: ClusterStatus
    created_at: float
    num_nodes: int
    provider: str = ""
    region: str = ""
    task_json: str = ""
    offer_json: str = ""
    autostop_json: str = ""
    ready_at: float | None = None
    gone_at: float | None = None
    detail: str = ""


class ClusterChanges(TypedDict, total=False):
    """Columns of a cluster that change during its life."""

    status: ClusterStatus
    num_nodes: int
    provider: str
    region: str
    task_json: str
    offer_json: str
    autostop_json: str
    ready_at: float | None
    gone_at: float | None
    detail: str


def insert_cluster(tx: Transaction, record: ClusterRecord) -> None:
    """Take the name for a new cluster.

    Raises:
        Conflict: A live cluster has this name (code ``cluster-exists``): use that one.
    """
    if get_cluster(tx, record.name) is not None:
        raise _taken(record.name)
    insert_row(tx, "clusters", asdict(record))
    data = {"cluster_id": record.id, "num_nodes": record.num_nodes}
    events.append(tx, events.CLUSTER_CREATED, cluster=record.name, data=data)


def get_cluster(reader: Reader, name: str) -> ClusterRecord | None:
    """Return the live cluster of this name, or None."""
    rows = reader.read("SELECT * FROM clusters WHERE name = ? AND status <> 'gone'", (name,))
    return _to_record(rows[0]) if rows else None


def get_by_id(reader: Reader, cluster_id: str) -> ClusterRecord | None:
    """Return one life of a cluster, live or gone, or None."""
    rows = reader.read("SELECT * FROM clusters WHERE id = ?", (cluster_id,))
    return _to_record(rows[0]) if rows else None


def list_clusters(
    reader: Reader, *, include_gone: bool = False, name: str = ""
) -> list[ClusterRecord]:
    """Return clusters by name, and lives of one name by age.

    Args:
        reader: A store or a transaction.
        include_gone: Also those that ended.
        name: Only those of this name.
    """
    sql = "SELECT * FROM clusters WHERE (? = '' OR name = ?)"
    if not include_gone:
        sql += " AND status <> 'gone'"
    return [
        _to_record(row) for row in reader.read(sql + " ORDER BY name, created_at", (name, name))
    ]


def gone_since(reader: Reader, at: float) -> list[ClusterRecord]:
    """Return the clusters that ended after a time, seconds since the epoch, oldest end first."""
    sql = "SELECT * FROM clusters WHERE status = 'gone' AND gone_at > ? ORDER BY gone_at, id"
    return [_to_record(row) for row in reader.read(sql, (at,))]


def update_cluster(
    tx: Transaction, cluster_id: str, **changes: Unpack[ClusterChanges]
) -> ClusterRecord | None:
    """Change some columns; a new status is an event. ``GONE`` sets ``gone_at`` unless given.

    Returns:
        The record as it is now; None when there is no such cluster.
    """
    before = get_by_id(tx, cluster_id)
    if before is None:
        return None
    status = changes.get("status", before.status)
    if status is ClusterStatus.GONE and before.gone_at is None:
        changes.setdefault("gone_at", tx.now)
    if changes:
        update_rows(tx, "clusters", {"id": cluster_id}, changes)
    if status is not before.status:
        data = {
            "cluster_id": cluster_id,
            "from": before.status.value,
            "to": status.value,
            "detail": changes.get("detail", before.detail),
        }
        events.append(tx, events.CLUSTER_STATUS, cluster=before.name, data=data)
    return get_by_id(tx, cluster_id)


def ends_itself(record: ClusterRecord) -> bool:
    """Say whether a cluster's nodes were told to end by themselves, and with them the cluster."""
    return bool(record.autostop_json) and bool(json.loads(record.autostop_json).get("down"))


def _to_record(row: Row) -> ClusterRecord:
    return ClusterRecord(**{**row, "status": ClusterStatus(row["status"])})


def _taken(name: str) -> Conflict:
    return Conflict(
        f"cluster {name!r} exists already",
        code="cluster-exists",
        hint=f"use it with: arb exec {name}, or end it with: arb down {name}",
    )
