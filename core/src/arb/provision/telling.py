"""Report the steps of the walk: at once to people, and in the log for ``arb why``.

Both read the same lines, which are made here from an event's kind and data.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from arb.errors import Scope
from arb.state import events
from arb.state.attempts import BRIEF
from arb.text import age, counted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from arb.progress import Progress
    from arb.state.store import Transaction
    from arb.types import Offer

__all__ = ["Teller", "attempt_line", "brief_of", "clock_time", "lines_of", "offer_name"]

_SHOWN: Final = 5
"""So many lines of one kind are told one by one."""


_FRESH_S: Final = 90.0
"""A price that a provider told so long ago is one of now."""


class Teller:
    """Tells what happens, and keeps it until the next commit.

    Args:
        progress: Hears it at once.
        cluster: Name of the cluster that is bought for.
        cluster_id: This life of it.
    """

    def __init__(self, progress: Progress, cluster: str, cluster_id: str) -> None:
        self._progress = progress
        self._cluster = cluster
        self._cluster_id = cluster_id
        self._kept: list[tuple[str, Mapping[str, object]]] = []

    def tell(self, kind: str, data: Mapping[str, Any]) -> None:
        """Say it, and keep it for the log."""
        for line in lines_of(kind, data):
            self._progress.step(line)
        self.keep(kind, data)

    def keep(self, kind: str, data: Mapping[str, Any]) -> None:
        """Keep it for the log, without a word."""
        self._kept.append((kind, {"cluster_id": self._cluster_id, **data}))

    def write(self, tx: Transaction) -> None:
        """Append what is kept to the log, and forget it."""
        for kind, data in self._kept:
            events.append(tx, kind, cluster=self._cluster, data=data)
        self._kept.clear()

    @property
    def has_news(self) -> bool:
        """Whether something waits to be written."""
        return bool(self._kept)


def lines_of(kind: str, data: Mapping[str, Any]) -> list[str]:
    """Return an event of the walk as people read it; empty when there is nothing to say."""
    maker = _LINES.get(kind)
    return list(maker(data)) if maker else []


def attempt_line(number: int, offer: Mapping[str, Any], count: int, at: float) -> str:
    """Return ``2. fake a in r1/a spot at $1.00/h x 2``, and how old a price is that is not of now.

    Args:
        number: Which attempt of its cluster, from 1.
        offer: What ``brief_of`` returned.
        count: How many machines.
        at: When it was tried, seconds since the epoch.
    """
    times = f" x {count}" if count > 1 else ""
    price = f"${offer.get('price_usd_hour', 0):.2f}/h"
    return f"{number}. {offer_name(offer)} at {price}{times}{_dated(offer, at)}"


def _dated(offer: Mapping[str, Any], at: float) -> str:
    """Say how old a price is unless the provider has just told it, or nothing is to be paid."""
    as_of = offer.get("as_of", 0)
    if not as_of or not offer.get("price_usd_hour"):
        return ""
    if offer.get("source") != "live":
        return f" (list price of {time.strftime('%Y-%m-%d', time.localtime(as_of))})"
    return f" (price of {age(at - as_of)} ago)" if at - as_of > _FRESH_S else ""


def brief_of(offer: Offer) -> dict[str, object]:
    """Return what people need to know an offer by."""
    return {name: value for name in BRIEF if (value := getattr(offer, name))}


def offer_name(offer: Mapping[str, Any]) -> str:
    """Return provider, instance type and place of what ``brief`` returned."""
    note = f" ({offer['note']})" if offer.get("note") else ""
    zone = f"/{offer['zone']}" if offer.get("zone") else ""
    spot = " spot" if offer.get("spot") else ""
    place = f"{offer['region']}{zone}{spot}"
    return f"{offer['provider']} {offer['instance_type']}{note} in {place}"


def clock_time(at: float) -> str:
    """Return a time of day, local, to the second."""
    return time.strftime("%H:%M:%S", time.localtime(at))


def _skipped(data: Mapping[str, Any]) -> Iterable[str]:
    count = data["count"]
    if data.get("scope") == Scope.PROVIDER.value:
        yield f"   offers of {data['provider']} skipped: {data['reason']}"
    elif count == 1:
        yield f"   {offer_name(data['offer'])} skipped: {data['reason']}"
    else:
        yield f"   {counted(count, 'offer')} of {data['provider']} skipped: {data['reason']}"


def _prices(data: Mapping[str, Any]) -> Iterable[str]:
    for failure in data["failed"]:
        yield f"   {failure['provider']}: {failure['reason']}; prices of its catalog are used"
    dropped = [change for change in data["changes"] if change["dropped"]]
    for group in _grouped(dropped):
        first = group[0]
        yield from _skipped({**first, "count": len(group), "provider": first["offer"]["provider"]})
    moved = [change for change in data["changes"] if not change["dropped"]]
    for change in moved[:_SHOWN]:
        yield f"   {offer_name(change['offer'])} {change['reason']}"
    if len(moved) > _SHOWN:
        yield f"   {counted(len(moved) - _SHOWN, 'more price')} changed"


def _grouped(changes: list[dict[str, Any]]) -> Iterable[list[dict[str, Any]]]:
    """Put changes of one provider and reason together, unless they are few."""
    if len(changes) <= _SHOWN:
        return [[change] for change in changes]
    groups: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for change in changes:
        groups.setdefault((change["offer"]["provider"], change["reason"]), []).append(change)
    return groups.values()


def _rose(data: Mapping[str, Any]) -> Iterable[str]:
    answer = "agreed" if data["agreed"] else "declined"
    now, before = data["usd_hour"], data["agreed_usd_hour"]
    what = data.get("what", "the best price")
    yield f"   {what} is now ${now:.2f} an hour, not ${before:.2f}: {answer}"


def _waits(data: Mapping[str, Any]) -> Iterable[str]:
    yield f"{data['summary']}; trying again at {clock_time(data['until'])}"


_LINES: Final[Mapping[str, Callable[[Mapping[str, Any]], Iterable[str]]]] = {
    events.OFFERS_SKIPPED: _skipped,
    events.PRICES_ASKED: _prices,
    events.PRICE_ROSE: _rose,
    events.WALK_WAITS: _waits,
}
