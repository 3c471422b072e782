"""The ranked list: what the walk follows, what a table shows and what ``--why`` explains."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, overload

from arb.optimizer.standing import Standing

if TYPE_CHECKING:
    import numpy as np

    from arb.catalog.market import Market
    from arb.optimizer.rejections import Rejections
    from arb.tasks.alternatives import Alternative
    from arb.types import Offer

    Array = np.ndarray[Any, Any]

__all__ = ["Entry", "Ranked", "Ranking"]

_BATCH: Final = 64


@dataclass(frozen=True, slots=True)
class Ranked:
    """The sorted columns of a ranking, all of one length.

    Attributes:
        rows: The market's row numbers.
        alternative: Index of the alternative that an offer satisfies.
        comparable: Whether the objective has a figure for it.
        price: What is ranked, USD an hour: the catalog's price, or what a plugin made of it.
        effective: The same with the billing minimum counted.
        score: What is sorted by.
        factor: Score over the catalog's price.
        provider: Index into ``providers``.
        spot: Capacity class.
        providers: Provider ids.
    """

    rows: Array
    alternative: Array
    comparable: Array
    price: Array
    effective: Array
    score: Array
    factor: Array
    provider: Array
    spot: Array
    providers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the ranking.

    Attributes:
        offer: At the catalog's price.
        alternative: What the task asks for that this satisfies.
        ranked_usd_hour: The price that was ranked; differs where a plugin adjusted it.
        effective_usd_hour: The same with the billing minimum counted.
        score: Lower is better, among comparable ones of one preference.
        comparable: Whether the objective has a figure for it; if not, it is ranked last by
            effective price.
    """

    offer: Offer
    alternative: Alternative
    ranked_usd_hour: float
    effective_usd_hour: float
    score: float
    comparable: bool


@dataclass(frozen=True, slots=True)
class Ranking:
    """Offers to try in this order, and why the others are not among them.

    Attributes:
        offers: Best first. Made when they are looked at, some at a time.
        alternatives: What was asked for.
        rejections: One for each alternative, in their order.
        notices: What a reader should know: on-demand instead of spot, offers that the objective
            cannot compare, alternatives without any offer.
    """

    offers: Sequence[Offer]
    alternatives: tuple[Alternative, ...] = ()
    rejections: tuple[Rejections, ...] = ()
    notices: tuple[str, ...] = ()
    _ranked: Ranked | None = field(default=None, repr=False)
    _places: dict[tuple[str, str, bool], int] = field(default_factory=dict, repr=False)

    @classmethod
    def of(
        cls,
        market: Market,
        ranked: Ranked,
        alternatives: tuple[Alternative, ...],
        rejections: tuple[Rejections, ...],
        notices: tuple[str, ...],
    ) -> Ranking:
        """Put a ranking over the rows of a market."""
        places: dict[tuple[str, str, bool], int] = {}
        offers = _Offers(market, ranked.rows, places)
        return cls(offers, alternatives, rejections, notices, ranked, places)

    @property
    def providers(self) -> tuple[str, ...]:
        """Providers that have an offer here, sorted."""
        if self._ranked is None:
            return ()
        return tuple(
            self._ranked.providers[code] for code in sorted(set(self._ranked.provider.tolist()))
        )

    @property
    def nearby(self) -> tuple[str, ...]:
        """In which other counts the same is sold, alternatives that found offers included."""
        return tuple(dict.fromkeys(each.nearby for each in self.rejections if each.nearby))

    def entry(self, place: int) -> Entry:
        """Return what is known of the offer at a place, 0 first."""
        ranked = self._columns()
        return Entry(
            offer=self.offers[place],
            alternative=self.alternatives[int(ranked.alternative[place])],
            ranked_usd_hour=float(ranked.price[place]),
            effective_usd_hour=float(ranked.effective[place]),
            score=float(ranked.score[place]),
            comparable=bool(ranked.comparable[place]),
        )

    def alternative_of(self, offer: Offer) -> Alternative:
        """Return what the task asks for that an offer of this ranking satisfies.

        Raises:
            KeyError: It is none of this ranking's.
        """
        return self.alternatives[int(self._columns().alternative[self._place(offer)])]

    def standing(self, offer: Offer) -> Standing:
        """Return where an offer of this ranking stands apart from its price.

        Raises:
            KeyError: It is none of this ranking's.
        """
        ranked, place = self._columns(), self._place(offer)
        alternative = self.alternatives[int(ranked.alternative[place])]
        return Standing(
            preference=alternative.preference,
            comparable=bool(ranked.comparable[place]),
            factor=float(ranked.factor[place]),
            max_price_usd_hour=alternative.max_price_usd_hour,
        )

    def last_filter(self) -> str:
        """Return the filter that removed the last offers; empty when some are left."""
        if len(self.offers) or not self.rejections:
            return ""
        return self.rejections[-1].last_filter

    def cheapest(self) -> list[tuple[str, bool, int]]:
        """Return each provider and capacity class with the place of its best offer, best first."""
        if self._ranked is None:
            return []
        import numpy as np

        kinds = self._ranked.provider * 2 + self._ranked.spot
        found, places = np.unique(kinds, return_index=True)
        pairs = sorted(zip(places.tolist(), found.tolist(), strict=True))
        names = self._ranked.providers
        return [(names[kind // 2], bool(kind % 2), place) for place, kind in pairs]

    def _columns(self) -> Ranked:
        if self._ranked is None:
            raise KeyError("the ranking is empty")
        return self._ranked

    def _place(self, offer: Offer) -> int:
        """Return where an offer stands; reads on until it is found."""
        for begin in range(0, len(self.offers), _BATCH):
            if offer.key in self._places:
                break
            self.offers[begin]
        return self._places[offer.key]


class _Offers(Sequence["Offer"]):
    """Rows of a market as offers, made in batches when they are looked at."""

    def __init__(
        self, market: Market, rows: Array, places: dict[tuple[str, str, bool], int]
    ) -> None:
        self._market = market
        self._rows = rows
        self._places = places
        self._made: dict[int, Offer] = {}

    def __len__(self) -> int:
        return len(self._rows)

    @overload
    def __getitem__(self, index: int) -> Offer: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Offer]: ...
    def __getitem__(self, index: int | slice) -> Offer | Sequence[Offer]:
        wanted = range(len(self._rows))[index]  # raises as a list does
        if isinstance(wanted, int):
            self._make(range(wanted, wanted + 1))
            return self._made[wanted]
        self._make(wanted)
        return tuple(self._made[place] for place in wanted)

    def _make(self, wanted: Sequence[int]) -> None:
        """Make what is missing, in whole batches: the next ones are mostly wanted soon."""
        missing = {place // _BATCH for place in wanted if place not in self._made}
        for batch in sorted(missing):
            begin = batch * _BATCH
            offers = self._market.offers(self._rows[begin : begin + _BATCH].tolist())
            for place, offer in enumerate(offers, start=begin):
                self._made[place] = offer
                self._places[offer.key] = place
