"""A ranking for the walk, in which the front offers have moved to match their new prices.

Only the front is in memory; the rest stays lazy, however often prices are asked for.
"""

from __future__ import annotations

from collections import deque
from heapq import heappop, heappush
from typing import TYPE_CHECKING, NamedTuple

from arb.optimizer.slippage import ChangeKind, apply_quotes
from arb.optimizer.standing import Standing

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from arb.optimizer.slippage import Change, Quote
    from arb.types import Offer

__all__ = ["Lineup"]


class _Displaced(NamedTuple):
    """An offer that lost its place, and what it is sorted by now."""

    key: tuple[object, ...]
    offer: Offer


def _by_price(_: Offer) -> Standing:
    return Standing()


class Lineup:
    """The offers that are left, best first.

    Args:
        offers: Best first.
        standing: Where an offer stands at a price; None: by the price alone.
    """

    def __init__(
        self, offers: Sequence[Offer], standing: Callable[[Offer], Standing] | None
    ) -> None:
        self._tail = offers
        self._at = 0
        self._front: deque[Offer] = deque()
        self._displaced: list[_Displaced] = []
        self._standing = standing or _by_price

    def first(self) -> Offer | None:
        """Return the best that is left; None when nothing is."""
        self._fill()
        return self._front[0] if self._front else None

    def drop_first(self) -> None:
        """Take the best out."""
        self._front.popleft()

    def ahead(self, count: int, counts: Callable[[Offer], bool]) -> list[Offer]:
        """Return the next offers in their order, as far as the ``count``-th of those that count."""
        found: list[Offer] = []
        left = count
        for offer in self._front:
            found.append(offer)
            left -= counts(offer)
        while left > 0 and self._pull():
            found.append(self._front[-1])
            left -= counts(self._front[-1])
        return found

    def requote(
        self, quotes: Mapping[tuple[str, str, bool], Quote], slippage: float
    ) -> list[Change]:
        """Apply live quotes of offers that ``ahead`` returned; say what changed.

        What is left behind by everything in front is put back among the rest, where its new price
        puts it.
        """
        done = apply_quotes(tuple(self._front), quotes, slippage, self._standing)
        risen = {c.offer.key for c in done.changes if c.kind is ChangeKind.LOST_PLACE}
        self._front = deque(done.offers)
        while self._front and self._front[-1].key in risen:
            offer = self._front.pop()
            heappush(self._displaced, _Displaced(self._key(offer), offer))
        return list(done.changes)

    def _fill(self) -> None:
        """Have the best in front: of what is there already, or of the rest and the displaced."""
        if not self._front:
            self._pull()

    def _pull(self) -> bool:
        """Move the best of the rest and the displaced to the end of the front."""
        rest = self._tail[self._at] if self._at < len(self._tail) else None
        if self._displaced and (rest is None or self._displaced[0].key < self._key(rest)):
            self._front.append(heappop(self._displaced).offer)
            return True
        if rest is None:
            return False
        self._at += 1
        self._front.append(rest)
        return True

    def _key(self, offer: Offer) -> tuple[object, ...]:
        return self._standing(offer).key(offer, offer.price_usd_hour)
