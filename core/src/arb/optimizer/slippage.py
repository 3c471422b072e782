"""What live quotes change in a ranking: the slippage rule, as a pure function.

The rule, for an offer that was asked about:

* It is dropped when its provider left it out of the answer, called it not available, or asks more
  than the task's ``max_hourly_cost`` now.
* Its price rose by more than the slippage that is allowed: it loses its place, and stands where its
  new price puts it. It is not dropped: it may still be the best that is left.
* Its price fell: it moves up to where its new price puts it.
* Otherwise, a rise within the slippage included, it keeps its place; its price is the new one.

Offers that were not asked about keep their order among themselves. A strict preference (``ordered``)
is never crossed.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from operator import itemgetter
from typing import TYPE_CHECKING, NamedTuple, overload

from arb.optimizer.standing import Standing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from arb.types import Offer

    Key = tuple[str, str, bool]

__all__ = ["Change", "ChangeKind", "Quote", "Requoted", "apply_quotes"]

_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class Quote:
    """What a provider says of one offer now.

    Attributes:
        price_usd_hour: For the whole instance; what is not a price (NaN, negative) is taken for the
            catalog's price.
        available: None when unknown.
        missing: The provider was asked and left the offer out: it does not sell it any more.
        as_of: When it was said, seconds since the epoch; 0 leaves source and age as they were.
    """

    price_usd_hour: float = math.nan
    available: bool | None = None
    missing: bool = False
    as_of: float = 0


class ChangeKind(StrEnum):
    """What became of an offer that was asked about."""

    MISSING = "missing"
    """Dropped: no longer sold."""
    SOLD_OUT = "sold-out"
    """Dropped: not available."""
    OVER_LIMIT = "over-limit"
    """Dropped: dearer than the task's ``max_hourly_cost``."""
    LOST_PLACE = "lost-place"
    """Dearer by more than the slippage: ranked again at its new price."""
    MOVED_UP = "moved-up"
    """Cheaper: ranked again at its new price."""
    HELD = "held"
    """Dearer within the slippage: in its place, at its new price."""

    @property
    def dropped(self) -> bool:
        """Whether the offer is no longer among those to try."""
        return self in {ChangeKind.MISSING, ChangeKind.SOLD_OUT, ChangeKind.OVER_LIMIT}


@dataclass(frozen=True, slots=True)
class Change:
    """One offer that a quote changed.

    Attributes:
        offer: As it was.
        price_usd_hour: Now; the old price when none was told.
        kind: See ``ChangeKind``.
        reason: For people, one line without the offer's name.
    """

    offer: Offer
    price_usd_hour: float
    kind: ChangeKind
    reason: str


@dataclass(frozen=True, slots=True)
class Requoted:
    """A ranking with live quotes applied.

    Attributes:
        offers: Best first, at their new prices. Lazy where ``ranked`` was.
        changes: In the order of the old ranking; offers whose quote changed nothing are left out.
    """

    offers: Sequence[Offer]
    changes: tuple[Change, ...]


def _by_price(offer: Offer) -> Standing:  # noqa: ARG001 - for every offer
    return Standing()


class _Entry(NamedTuple):
    key: tuple[object, ...]
    offer: Offer


def apply_quotes(
    ranked: Sequence[Offer],
    quotes: Mapping[Key, Quote],
    max_slippage: float,
    standing: Callable[[Offer], Standing] = _by_price,
) -> Requoted:
    """Apply live quotes to ranked offers; see the rule above.

    Args:
        ranked: Best first. Read only as far as the last offer that was asked about.
        quotes: By ``Offer.key``, of offers in ``ranked``: an empty mapping changes nothing.
        max_slippage: 0.05 is five percent; what is not above 0 allows no rise at all.
        standing: ``Ranking.standing``; without it, by price alone.
    """
    in_place: list[_Entry] = []
    moved: list[_Entry] = []
    changes: list[Change] = []
    seen, waiting = 0, len(quotes)
    while waiting and seen < len(ranked):
        offer = ranked[seen]
        seen += 1
        where = standing(offer)
        quote = quotes.get(offer.key)
        if quote is None:
            in_place.append(_entry(offer, where, offer.price_usd_hour))
            continue
        waiting -= 1
        change = _change(offer, quote, max_slippage, where.max_price_usd_hour)
        if change is not None:
            changes.append(change)
        if change is None or change.kind is ChangeKind.HELD:
            in_place.append(_entry(_quoted(offer, quote), where, offer.price_usd_hour))
        elif not change.kind.dropped:
            moved.append(_entry(_quoted(offer, quote), where, change.price_usd_hour))
    moved.sort(key=itemgetter(0))
    rest = _entries(in_place, ranked, seen, standing)
    length = len(in_place) + len(moved) + len(ranked) - seen
    return Requoted(_Lazy(length, _merged(rest, moved)), tuple(changes))


def _change(offer: Offer, quote: Quote, max_slippage: float, limit: float | None) -> Change | None:
    """Say what a quote does to an offer; None when it changes nothing."""
    new = _price(offer, quote)
    if quote.missing:
        return Change(offer, new, ChangeKind.MISSING, "no longer on offer")
    if quote.available is False:
        return Change(offer, new, ChangeKind.SOLD_OUT, "not available now")
    if limit is not None and new > limit + _ROUNDING:
        reason = f"costs ${new:.2f} now, over max_hourly_cost ${limit:.2f}"
        return Change(offer, new, ChangeKind.OVER_LIMIT, reason)
    return _new_price(offer, new, max(0.0, max_slippage))


def _new_price(offer: Offer, new: float, max_slippage: float) -> Change | None:
    old = offer.price_usd_hour
    told = f"from ${old:.2f} to ${new:.2f}"
    if new < old:
        return Change(offer, new, ChangeKind.MOVED_UP, f"fell {told}")
    if new > old * (1 + max_slippage) + _ROUNDING:
        reason = f"rose {told}, more than the {max_slippage:.1%} allowed"
        return Change(offer, new, ChangeKind.LOST_PLACE, reason)
    return Change(offer, new, ChangeKind.HELD, f"rose {told}") if new > old else None


def _price(offer: Offer, quote: Quote) -> float:
    return quote.price_usd_hour if _is_price(quote.price_usd_hour) else offer.price_usd_hour


def _is_price(value: float) -> bool:
    return math.isfinite(value) and value >= 0


def _quoted(offer: Offer, quote: Quote) -> Offer:
    """Return an offer as it is sold now; a price that was not told stays as old as it was."""
    now = replace(offer, price_usd_hour=_price(offer, quote), available=quote.available)
    is_told = quote.as_of and _is_price(quote.price_usd_hour)
    return replace(now, source="live", as_of=quote.as_of) if is_told else now


def _entry(offer: Offer, where: Standing, price_usd_hour: float) -> _Entry:
    return _Entry(where.key(offer, price_usd_hour), offer)


def _entries(
    in_place: list[_Entry],
    ranked: Sequence[Offer],
    seen: int,
    standing: Callable[[Offer], Standing],
) -> Iterator[_Entry]:
    """Yield what keeps its order: the offers that were looked at, then the tail."""
    yield from in_place
    for position in range(seen, len(ranked)):
        offer = ranked[position]
        yield _entry(offer, standing(offer), offer.price_usd_hour)


def _merged(rest: Iterator[_Entry], moved: list[_Entry]) -> Iterator[Offer]:
    """Put each moved offer before the first of the others that it beats."""
    waiting = deque(moved)
    for entry in rest:
        while waiting and waiting[0].key < entry.key:
            yield waiting.popleft().offer
        yield entry.offer
    yield from (entry.offer for entry in waiting)


class _Lazy(Sequence["Offer"]):
    """An iterator of known length, read when its items are asked for."""

    def __init__(self, length: int, source: Iterator[Offer]) -> None:
        self._length = length
        self._source = source
        self._found: list[Offer] = []

    def __len__(self) -> int:
        return self._length

    @overload
    def __getitem__(self, index: int) -> Offer: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Offer]: ...
    def __getitem__(self, index: int | slice) -> Offer | Sequence[Offer]:
        wanted = range(self._length)[index]  # raises as a list does
        last = wanted if isinstance(wanted, int) else max(wanted, default=-1)
        while len(self._found) <= last:
            self._found.append(next(self._source))
        if isinstance(wanted, int):
            return self._found[wanted]
        return tuple(self._found[position] for position in wanted)
