"""What machines cost: every second from the log, at the price bought, failed attempts included."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from arb.state import events

if TYPE_CHECKING:
    from collections.abc import Iterable

    from arb.state.store import Store
    from arb.types import Event

__all__ = ["ClusterCost", "CostRow", "cost_rows", "read_costs", "totals"]

_HOUR_S: Final = 3600.0
_NO_PRICE: Final = "its price is not known, as the state was lost: its cost is not counted"
_GIVEN_UP: Final = "given up: what it cost since then is not counted"
_KINDS: Final = (
    events.MACHINE_MADE,
    events.MACHINE_STOPPED,
    events.MACHINE_STARTED,
    events.MACHINE_GONE,
    events.MACHINE_BILLED,
    events.MACHINE_FORGOTTEN,
    events.MACHINE_REAPED,
    events.ATTEMPT_STATE,
)


@dataclass(frozen=True, slots=True)
class CostRow:
    """The cost of one machine.

    Attributes:
        cluster: The user's name; lives of one name differ in ``cluster_id``.
        attempt_state: What became of the attempt that made it; ``intent`` until there is news.
        started_at: When billing began.
        ended_at: When the provider said that it is gone; None while it may be billed.
        running: Whether it costs money now: neither gone nor stopped.
        seconds: What is paid for, billing floor included, within the time asked for.
        usd: ``seconds`` at the price bought.
        billed_usd: What the provider itself last said of the whole life; None when it never did.
        note: What the numbers leave out; mostly empty.
    """

    cluster: str
    cluster_id: str
    attempt_id: str
    attempt_state: str
    provider: str
    instance_id: str
    rank: int
    instance_type: str
    region: str
    zone: str
    spot: bool
    price_usd_hour: float
    minimum_s: float
    started_at: float
    ended_at: float | None
    running: bool
    seconds: float
    usd: float
    billed_usd: float | None
    note: str = ""


@dataclass(frozen=True, slots=True)
class ClusterCost:
    """The cost of one life of a cluster.

    Attributes:
        usd: Sum over its machines.
        hourly_usd: What it costs an hour now.
        machines: How many machines are in the sum, those of failed attempts included.
        billed_usd: What the provider said, when it did so for every machine; else None.
    """

    cluster: str
    cluster_id: str
    usd: float
    hourly_usd: float
    machines: int
    seconds: float
    started_at: float
    running: bool
    billed_usd: float | None


@dataclass(slots=True)
class _Life:
    """What the log says of one machine so far. ``spans`` are [begin, end or None]."""

    cluster: str
    attempt: str
    terms: dict[str, Any]
    spans: list[list[float | None]] = field(default_factory=list)
    gone_at: float | None = None
    billed_usd: float | None = None
    note: str = ""


def read_costs(store: Store, *, since: float = 0, cluster: str = "") -> list[CostRow]:
    """Return what every machine cost up to now, oldest first.

    Args:
        store: An open store.
        since: Count only what was paid for after this time, in seconds since the epoch.
        cluster: Only machines of clusters with this name; empty means all.
    """
    log = events.read_events(store, cluster=cluster, kinds=_KINDS)
    return cost_rows(log, now=store.now(), since=since)


def cost_rows(log: Iterable[Event], *, now: float, since: float = 0) -> list[CostRow]:
    """Compute the cost of every machine in a log. Pure.

    A machine is paid for from ``made_at`` until it is gone, or stopped; each start costs at least
    its billing floor. Machines that cost nothing after ``since`` are left out.

    Args:
        log: Events in order; other kinds are ignored.
        now: When those that still run are counted to.
        since: As for ``read_costs``.
    """
    lives: dict[str, _Life] = {}
    states: dict[str, str] = {}
    for event in log:
        data = json.loads(event.data)
        if event.kind == events.ATTEMPT_STATE:
            states[event.attempt] = data["to"]
        elif event.kind == events.MACHINE_MADE:
            _made(lives, event, data)
        elif event.instance in lives:
            _moved(lives[event.instance], event.kind, data)
    rows = [_row(life, states, now, since) for life in lives.values()]
    kept = [row for row in rows if row.seconds > 0 or row.running or row.started_at >= since]
    return sorted(kept, key=lambda row: (row.started_at, row.provider, row.instance_id))


def totals(rows: Iterable[CostRow]) -> list[ClusterCost]:
    """Sum rows over each life of each cluster, oldest first. Pure."""
    groups: dict[str, list[CostRow]] = {}
    for row in rows:
        groups.setdefault(row.cluster_id, []).append(row)
    sums = [_sum(group) for group in groups.values()]
    return sorted(sums, key=lambda total: (total.started_at, total.cluster))


def _made(lives: dict[str, _Life], event: Event, data: dict[str, Any]) -> None:
    """Begin a life, or correct what was said of it."""
    life = lives.get(event.instance)
    if life is None:
        life = _Life(event.cluster, event.attempt, data, [[data["made_at"], None]])
        lives[event.instance] = life
    life.terms = data
    life.spans[0][0] = data["made_at"]


def _moved(life: _Life, kind: str, data: dict[str, Any]) -> None:
    last = life.spans[-1]
    if kind == events.MACHINE_BILLED:
        life.billed_usd = float(data["usd"])
    elif kind == events.MACHINE_FORGOTTEN:
        life.note = _GIVEN_UP
    elif kind == events.MACHINE_REAPED and not life.terms["price_usd_hour"]:
        life.note = _NO_PRICE
    elif kind == events.MACHINE_GONE:
        _gone(life, float(data["gone_at"]))
    elif kind == events.MACHINE_STOPPED and last[1] is None:
        last[1] = data["at"]
    elif kind == events.MACHINE_STARTED and life.gone_at is not None:
        # It was never gone: what looked like its end was paid for too.
        life.gone_at, last[1], life.note = None, None, ""
    elif kind == events.MACHINE_STARTED and last[1] is not None:
        life.spans.append([data["at"], None])


def _gone(life: _Life, gone_at: float) -> None:
    """End the life; said again, it corrects the time."""
    last = life.spans[-1]
    if last[1] is None or last[1] == life.gone_at:
        last[1] = gone_at
    life.gone_at = gone_at


def _row(life: _Life, states: dict[str, str], now: float, since: float) -> CostRow:
    terms = life.terms
    minimum_s, price = float(terms["minimum_s"]), float(terms["price_usd_hour"])
    seconds = sum(_paid_s(begin, end, minimum_s, now, since) for begin, end in life.spans)
    return CostRow(
        cluster=life.cluster,
        cluster_id=terms["cluster_id"],
        attempt_id=life.attempt,
        attempt_state=states.get(life.attempt, "intent"),
        provider=terms["provider"],
        instance_id=terms["instance_id"],
        rank=terms["rank"],
        instance_type=terms["instance_type"],
        region=terms["region"],
        zone=terms["zone"],
        spot=terms["spot"],
        price_usd_hour=price,
        minimum_s=minimum_s,
        started_at=terms["made_at"],
        ended_at=life.gone_at,
        running=life.spans[-1][1] is None,
        seconds=seconds,
        usd=seconds * price / _HOUR_S,
        billed_usd=life.billed_usd,
        note=life.note,
    )


def _paid_s(
    begin: float | None, end: float | None, minimum_s: float, now: float, since: float
) -> float:
    """Return the paid seconds of one span after ``since``."""
    first = begin or 0.0
    last = max(now if end is None else end, first + minimum_s)
    return max(0.0, last - max(first, since))


def _sum(rows: list[CostRow]) -> ClusterCost:
    billed = [row.billed_usd for row in rows]
    known = [usd for usd in billed if usd is not None]
    return ClusterCost(
        cluster=rows[0].cluster,
        cluster_id=rows[0].cluster_id,
        usd=sum(row.usd for row in rows),
        hourly_usd=sum(row.price_usd_hour for row in rows if row.running),
        machines=len(rows),
        seconds=sum(row.seconds for row in rows),
        started_at=min(row.started_at for row in rows),
        running=any(row.running for row in rows),
        billed_usd=sum(known) if len(known) == len(rows) else None,
    )
