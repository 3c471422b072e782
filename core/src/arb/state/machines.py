"""Machines: everything that was ever made, until the provider says that it is gone, and after."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, TypedDict, Unpack

from arb.state import events
from arb.state.clusters import get_by_id
from arb.state.rows import insert_row, update_rows
from arb.types.instances import GoneReason, InstanceState

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from arb.state.store import Reader, Row, Transaction

__all__ = [
    "Machine",
    "MachineChanges",
    "ending_machines",
    "get_machine",
    "machines_of_cluster",
    "machines_with_token",
    "open_machines",
    "providers_of_machines",
    "record_machine",
    "report_billed",
    "update_machine",
]


@dataclass(frozen=True, slots=True)
class Machine:
    """One machine. ``provider`` and ``instance_id`` identify it.

    Attributes:
        token: What we put on it.
        attempt_id: The attempt that made it.
        rank: 0 for the head; as in the token.
        state: Only ``GONE`` says that it costs nothing any more.
        detail: The provider's own word for the state.
        address: Where a client reaches it; empty until known, like all that follow.
        private_address: Where its peers reach it.
        host_key: The public host key that it must show.
        host_key_seen: Whether it has shown it; from then on another key is an error.
        price_usd_hour: As bought.
        minimum_s: Billing floor.
        handle: For the provider's later hooks.
        account: Whose machine it is, in the provider's words.
        made_at: When billing began; the time of the intent when the provider does not say.
        terminate_after: Not to be asked for its end before; None when its end is not wanted.
        terminate_detail: Why it is not gone yet, for people.
    """

    provider: str
    instance_id: str
    token: str
    attempt_id: str
    cluster_id: str
    rank: int
    region: str
    state: InstanceState
    made_at: float
    price_usd_hour: float
    zone: str = ""
    instance_type: str = ""
    reason: GoneReason = GoneReason.NONE
    detail: str = ""
    address: str = ""
    private_address: str = ""
    ssh_host: str = ""
    ssh_port: int = 0
    ssh_user: str = ""
    host_key: str = ""
    host_key_seen: bool = False
    minimum_s: float = 0
    spot: bool = False
    handle: str = ""
    account: str = ""
    gone_at: float | None = None
    terminate_after: float | None = None
    terminate_detail: str = ""

    @property
    def key(self) -> str:
        """``provider/id``: how events name it."""
        return f"{self.provider}/{self.instance_id}"

    @property
    def is_stopped(self) -> bool:
        """Whether it has no power, or is losing it, and can have it again."""
        return self.state in {InstanceState.STOPPING, InstanceState.STOPPED}


class MachineChanges(TypedDict, total=False):
    """Columns of a machine that change."""

    state: InstanceState
    reason: GoneReason
    detail: str
    rank: int
    zone: str
    address: str
    private_address: str
    ssh_host: str
    ssh_port: int
    ssh_user: str
    host_key: str
    host_key_seen: bool
    price_usd_hour: float
    handle: str
    account: str
    made_at: float
    gone_at: float | None
    terminate_after: float | None
    terminate_detail: str


def record_machine(tx: Transaction, machine: Machine) -> bool:
    """Write a machine down the first time that it is seen; its cost counts from ``made_at``.

    Returns:
        False when it was known already: then nothing changed.
    """
    if get_machine(tx, machine.provider, machine.instance_id) is not None:
        return False
    insert_row(tx, "machines", asdict(machine))
    _append(tx, events.MACHINE_MADE, machine, _terms(machine))
    if machine.state is InstanceState.GONE:
        _append(tx, events.MACHINE_GONE, machine, _end(machine, tx.now))
    return True


def update_machine(
    tx: Transaction, provider: str, instance_id: str, **changes: Unpack[MachineChanges]
) -> Machine | None:
    """Change some columns. What matters to the bill or to people becomes an event.

    Args:
        tx: An exclusive transaction.
        provider: With ``instance_id`` the machine.
        instance_id: See above.
        **changes: ``state=GONE`` takes ``gone_at`` from here, or else the present.

    Returns:
        The machine as it is now; None when there is no such machine.
    """
    before = get_machine(tx, provider, instance_id)
    if before is None:
        return None
    if changes.get("state", before.state) is not InstanceState.GONE:
        changes["gone_at"] = None
    elif before.gone_at is None:
        changes.setdefault("gone_at", tx.now)
    update_rows(tx, "machines", {"provider": provider, "instance_id": instance_id}, changes)
    after = get_machine(tx, provider, instance_id)
    if after is not None:
        _tell(tx, before, after)
    return after


def get_machine(reader: Reader, provider: str, instance_id: str) -> Machine | None:
    """Return one machine, or None."""
    sql = "SELECT * FROM machines WHERE provider = ? AND instance_id = ?"
    rows = reader.read(sql, (provider, instance_id))
    return _to_machine(rows[0]) if rows else None


def open_machines(reader: Reader, *, provider: str = "") -> list[Machine]:
    """Return every machine that may be billed, oldest first.

    Args:
        reader: A store or a transaction.
        provider: Only those of one provider; empty means all.
    """
    sql = "SELECT * FROM machines WHERE state <> 'gone'"
    params: tuple[object, ...] = ()
    if provider:
        sql, params = sql + " AND provider = ?", (provider,)
    return _all(reader, sql + " ORDER BY made_at, instance_id", params)


def ending_machines(reader: Reader, *, cluster_id: str = "") -> list[Machine]:
    """Return the machines whose end is wanted and not confirmed, oldest first.

    Args:
        reader: A store or a transaction.
        cluster_id: Only those of one life of a cluster; empty means all.
    """
    sql = "SELECT * FROM machines WHERE state <> 'gone' AND terminate_after IS NOT NULL"
    params: tuple[object, ...] = ()
    if cluster_id:
        sql, params = sql + " AND cluster_id = ?", (cluster_id,)
    return _all(reader, sql + " ORDER BY made_at, instance_id", params)


def machines_of_cluster(
    reader: Reader, cluster_id: str, *, include_gone: bool = False
) -> list[Machine]:
    """Return the machines of one life of a cluster by attempt and rank, head first."""
    sql = "SELECT * FROM machines WHERE cluster_id = ?"
    if not include_gone:
        sql += " AND state <> 'gone'"
    return _all(reader, sql + " ORDER BY attempt_id, rank, made_at, instance_id", (cluster_id,))


def providers_of_machines(reader: Reader) -> list[str]:
    """Return every provider that a machine was ever made at, sorted."""
    rows = reader.read("SELECT DISTINCT provider FROM machines ORDER BY provider")
    return [str(row["provider"]) for row in rows]


def machines_with_token(reader: Reader, token: str) -> list[Machine]:
    """Return the machines that carry a token, oldest first; the older one counts."""
    sql = "SELECT * FROM machines WHERE token = ? ORDER BY made_at, instance_id"
    return _all(reader, sql, (token,))


def report_billed(tx: Transaction, machine: Machine, usd: float) -> None:
    """Record what the provider says that a machine has cost so far, in USD."""
    _append(tx, events.MACHINE_BILLED, machine, {"usd": usd})


def _tell(tx: Transaction, before: Machine, after: Machine) -> None:
    """Append the events that this change means."""
    if _terms(before) != _terms(after):
        _append(tx, events.MACHINE_MADE, after, _terms(after))
    if after.state is InstanceState.GONE:
        if (before.state, before.gone_at) != (after.state, after.gone_at):
            _append(tx, events.MACHINE_GONE, after, _end(after, tx.now))
    elif before.state is not after.state:
        _append(tx, _kind(before.state, after.state), after, _change(before, after, tx.now))


def _kind(before: InstanceState, after: InstanceState) -> str:
    idle = {InstanceState.STOPPED, InstanceState.GONE}
    if after is InstanceState.STOPPED:
        return events.MACHINE_STOPPED
    return events.MACHINE_STARTED if before in idle else events.MACHINE_STATE


def _change(before: Machine, after: Machine, now: float) -> dict[str, object]:
    return {"at": now, "from": before.state.value, "to": after.state.value, "detail": after.detail}


def _terms(machine: Machine) -> dict[str, object]:
    """Return what the bill of a machine is computed from; a later event replaces an earlier."""
    return {
        "cluster_id": machine.cluster_id,
        "provider": machine.provider,
        "instance_id": machine.instance_id,
        "rank": machine.rank,
        "instance_type": machine.instance_type,
        "region": machine.region,
        "zone": machine.zone,
        "spot": machine.spot,
        "price_usd_hour": machine.price_usd_hour,
        "minimum_s": machine.minimum_s,
        "made_at": machine.made_at,
    }


def _end(machine: Machine, now: float) -> dict[str, object]:
    gone_at = now if machine.gone_at is None else machine.gone_at
    return {"gone_at": gone_at, "reason": machine.reason.value, "detail": machine.detail}


def _append(tx: Transaction, kind: str, machine: Machine, data: Mapping[str, object]) -> None:
    cluster = get_by_id(tx, machine.cluster_id)
    name = cluster.name if cluster else ""
    attempt = machine.attempt_id
    events.append(tx, kind, cluster=name, attempt=attempt, instance=machine.key, data=data)


def _all(reader: Reader, sql: str, params: Sequence[object]) -> list[Machine]:
    return [_to_machine(row) for row in reader.read(sql, params)]


def _to_machine(row: Row) -> Machine:
    kinds = {
        "state": InstanceState(row["state"]),
        "reason": GoneReason(row["reason"]),
        "spot": bool(row["spot"]),
        "host_key_seen": bool(row["host_key_seen"]),
    }
    return Machine(**{**row, **kinds})
