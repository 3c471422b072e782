"""Explain a cluster's history: what its launch tried, what was refused, what became of it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from arb.errors import Scope, UsageError, closest
from arb.provision.placing import LOST_ANSWER
from arb.provision.telling import attempt_line, clock_time, lines_of
from arb.state import events
from arb.state.clusters import list_clusters
from arb.text import counted
from arb.types import InstanceState
from arb.types.tokens import parse_token

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from arb.state.clusters import ClusterRecord
    from arb.state.store import Store
    from arb.types import Event

__all__ = ["Life", "Moment", "lives_of"]


@dataclass(frozen=True, slots=True)
class Moment:
    """Something that happened.

    Attributes:
        lines: As people read it: what the walk said when it happened, and more.
    """

    at: float
    kind: str
    lines: tuple[str, ...]
    attempt: str
    instance: str
    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Life:
    """One life of a cluster's name, from its launch on."""

    record: ClusterRecord
    moments: tuple[Moment, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return what ``--json`` prints."""
        record = self.record
        return {
            "cluster": record.name,
            "cluster_id": record.id,
            "status": record.status.value,
            "created_at": record.created_at,
            "gone_at": record.gone_at,
            "events": [
                {
                    "at": moment.at,
                    "kind": moment.kind,
                    "text": [line.strip() for line in moment.lines],
                    "attempt": moment.attempt,
                    "instance": moment.instance,
                    "data": dict(moment.data),
                }
                for moment in self.moments
            ],
        }


def lives_of(store: Store, name: str, *, everything: bool = False) -> list[Life]:
    """Return what happened to a cluster, also to one that is gone.

    Args:
        store: An open store.
        name: The user's name of it.
        everything: All lives of that name, oldest first; else the latest alone.

    Raises:
        UsageError: There never was such a cluster.
    """
    records = sorted(
        list_clusters(store, include_gone=True, name=name), key=lambda record: record.created_at
    )
    if not records:
        known = {record.name for record in list_clusters(store, include_gone=True)}
        raise UsageError(closest(name, known, what="cluster"), code="unknown-cluster")
    moments: dict[str, list[Moment]] = {record.id: [] for record in records}
    present, said = "", _Said()
    for event in events.read_events(store, cluster=name):
        data = json.loads(event.data)
        present = _life_of(event, data) or present
        moment = Moment(
            event.at, event.kind, said.lines(event, data), event.attempt, event.instance, data
        )
        moments.setdefault(present, []).append(moment)
    chosen = records if everything else records[-1:]
    return [Life(record, tuple(moments[record.id])) for record in chosen]


def _life_of(event: Event, data: Mapping[str, Any]) -> str:
    """Return which life an event belongs to; empty when it does not say: the present one."""
    token = parse_token(event.attempt)
    return token.cluster_id if token else str(data.get("cluster_id", ""))


class _Said:
    """Makes lines of events, and says nothing twice."""

    def __init__(self) -> None:
        self._errors: dict[str, str] = {}
        self._machines: set[str] = set()
        self._given_up: set[str] = set()
        self._makers: dict[str, Callable[[Event, Mapping[str, Any]], list[str]]] = {
            events.CLUSTER_CREATED: self._created,
            events.CLUSTER_STATUS: self._status,
            events.ATTEMPT_OPENED: self._opened,
            events.ATTEMPT_STATE: self._state,
            events.OFFERS_BLOCKED: self._blocked,
            events.PRICES_ASKED: self._prices,
            events.OFFERS_SKIPPED: self._skipped,
            events.MACHINE_MADE: self._made,
            events.MACHINE_GONE: self._gone,
            events.MACHINE_REAPED: self._reaped,
            events.MACHINE_FORGOTTEN: self._forgotten,
            events.WALK_ENDED: self._ended,
        }

    def lines(self, event: Event, data: Mapping[str, Any]) -> tuple[str, ...]:
        maker = self._makers.get(event.kind)
        return tuple(maker(event, data) if maker else lines_of(event.kind, data))

    def _created(self, event: Event, data: Mapping[str, Any]) -> list[str]:
        return [f"cluster {event.cluster} is launched: {counted(data['num_nodes'], 'node')}"]

    def _status(self, event: Event, data: Mapping[str, Any]) -> list[str]:
        return [f"cluster {event.cluster} is {data['to']}"]

    def _opened(self, event: Event, data: Mapping[str, Any]) -> list[str]:
        offer = {"provider": data["provider"], "region": "", "instance_type": "an offer"}
        shown = data.get("offer") or offer
        return [attempt_line(data["seq"] + 1, shown, data["count"], event.at)]

    def _state(self, event: Event, data: Mapping[str, Any]) -> list[str]:
        error = json.loads(data["error"]) if data["error"] else {}
        summary = error.get("summary", "")
        is_news = bool(summary) and self._errors.get(event.attempt) != summary
        self._errors[event.attempt] = summary or self._errors.get(event.attempt, "")
        if data["to"] == "unknown" and error.get("code") == LOST_ANSWER:
            return [f"   no answer ({summary}); looking for what it may have made"]
        if data["to"] == "unknown":
            return ["   looking for what the order may have made", f"   {summary}"]
        if is_news:
            return [f"   {summary}"]
        return {"ready": ["   its machines run"], "closed": ["   given back"]}.get(data["to"], [])

    def _blocked(self, _: Event, data: Mapping[str, Any]) -> list[str]:
        nodes = data.get("nodes", 1)
        size = f" for {nodes} nodes or more" if nodes > 1 else ""
        return [f"   {_covered(data)} tried again{size} before {clock_time(data['until'])}"]

    def _prices(self, _: Event, data: Mapping[str, Any]) -> list[str]:
        asked = f"{counted(data['asked'], 'offer')} of {', '.join(data['providers'])}"
        lines = lines_of(events.PRICES_ASKED, data)
        return [f"live prices asked for: {asked}" + ("" if lines else ", none changed"), *lines]

    def _skipped(self, _: Event, data: Mapping[str, Any]) -> list[str]:
        until = f" (until {clock_time(data['until'])})"
        return [line + until for line in lines_of(events.OFFERS_SKIPPED, data)]

    def _ended(self, _: Event, data: Mapping[str, Any]) -> list[str]:
        hint = data.get("hint")
        return [data["summary"], *([f"   {hint}"] if hint else [])]

    def _made(self, event: Event, data: Mapping[str, Any]) -> list[str]:
        if event.instance in self._machines:
            return []
        self._machines.add(event.instance)
        return [f"   {event.instance} was made, at ${data['price_usd_hour']:.2f}/h"]

    def _gone(self, event: Event, data: Mapping[str, Any]) -> list[str]:
        detail = data.get("detail", "")
        if event.instance in self._given_up:
            return []
        why = data.get("reason") or ("" if detail in set(InstanceState) else detail)
        return [f"   {event.instance} is gone" + (f": {why}" if why else "")]

    def _reaped(self, event: Event, data: Mapping[str, Any]) -> list[str]:
        self._given_up.discard(event.instance)
        return [f"   {event.instance} was found and nobody asked for it ({data['why']}): ended"]

    def _forgotten(self, event: Event, data: Mapping[str, Any]) -> list[str]:
        self._given_up.add(event.instance)
        return [f"   {event.instance} was given up and may still be billed: {data['why']}"]


def _covered(block: Mapping[str, Any]) -> str:
    """Return what a refusal keeps out, up to the verb: ``a in r1 is not``."""
    scope, place = block["scope"], json.loads(block["place"])
    if scope == Scope.PROVIDER:
        return f"nothing of {block['provider']} is"
    if scope == Scope.REGION:
        return f"nothing of {block['provider']} in {place[0]} is"
    if scope in {Scope.QUOTA_FAMILY, Scope.QUOTA_FAMILY_EVERYWHERE}:
        where = f" in {place[3]}" if scope == Scope.QUOTA_FAMILY else ""
        return f"nothing as large under the quota of {place[0] or place[1]}{where} is"
    if scope == Scope.OFFER:
        return "it is not"
    zone = place[2] if scope == Scope.ZONE else ""
    return f"{place[0]} in {zone or place[1]} is not"
