"""One scoring pass gives the whole ranked list; fall-through is its next row."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from arb.optimizer.adjust import adjusted_prices
from arb.optimizer.filters import RowFilter, row_filters
from arb.optimizer.groups import GroupChooser
from arb.optimizer.options import RankOptions
from arb.optimizer.ranking import Ranked, Ranking
from arb.optimizer.rejections import Rejections, Removed

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy as np

    from arb.catalog.market import Group, Market
    from arb.optimizer.groups import Chosen
    from arb.tasks.alternatives import Alternative

    Array = np.ndarray[Any, Any]

__all__ = ["rank"]

_DEFAULTS: Final = RankOptions()


def rank(
    market: Market, alternatives: Sequence[Alternative], options: RankOptions = _DEFAULTS
) -> Ranking:
    """Return every offer that satisfies one of the alternatives, best first.

    An offer that satisfies several stands once, under the most preferred of them. The order is that
    of ``Standing.key``: preference, whether the objective can compare it, score, and names.

    Args:
        market: What can be bought. The ranking goes on reading offers from it.
        alternatives: At least one, as ``Resources.alternatives`` returns them.
        options: Objective, duration, number of nodes and so on.

    Raises:
        UsageError: The objective lacks something.
        ArbError: A plugin refused the plan.
    """
    groups = market.groups()
    total = sum(group.rows for group in groups)
    chooser = GroupChooser(groups, options)
    chosen = [chooser.choose(each) for each in alternatives]
    # Alternatives that are alike have the very same groups.
    different = {id(each.groups): each.groups for each in chosen}.values()
    wanted = list(dict.fromkeys(group for some in different for group in some))
    sieve = _Sieve(market, wanted, options) if wanted else None
    taken = [
        sieve.take(number, alternative, each.groups) if sieve and each.groups else _NOTHING
        for number, (alternative, each) in enumerate(zip(alternatives, chosen, strict=True))
    ]
    rejections = [
        Rejections(
            alternative,
            total,
            one.removed + two.removed,
            two.left,
            two.hint or one.hint,
            one.nearby,
        )
        for alternative, one, two in zip(alternatives, chosen, taken, strict=True)
    ]
    notices = _notices(chosen, taken, rejections)
    if sieve is None or not any(each.left for each in rejections):
        return Ranking((), tuple(alternatives), tuple(rejections), notices)
    ranked, told = sieve.ranked()
    found = tuple(alternatives), tuple(rejections), (*notices, *told)
    return Ranking.of(market, ranked, *found)


def _notices(
    chosen: Sequence[Chosen], taken: Sequence[_Taken], rejections: Sequence[Rejections]
) -> tuple[str, ...]:
    """Return what should be known of alternatives that others outlived, and of spot that is none."""
    notices = []
    some_left = any(each.left for each in rejections)
    for one, two, outcome in zip(chosen, taken, rejections, strict=True):
        if outcome.left and one.on_demand_instead:
            told = f"{outcome.alternative.provider} has no spot market: offered on demand"
            notices.append(f"{told}, from ${two.cheapest_usd_hour:,.2f} an hour")
        elif some_left and not outcome.left:
            notices.append(f"{outcome.where or 'resources'}: {outcome.explained()}")
    return tuple(dict.fromkeys(notices))


class _Taken(NamedTuple):
    """What an alternative's filters left of the rows of its groups."""

    removed: tuple[Removed, ...] = ()
    left: int = 0
    hint: str = ""
    cheapest_usd_hour: float = 0.0


_NOTHING: Final = _Taken()


class _Sieve:
    """The candidates of all alternatives, and which alternative took each row."""

    def __init__(self, market: Market, groups: Sequence[Group], options: RankOptions) -> None:
        import numpy as np

        from arb.optimizer.columns import Columns

        frame = market.candidates(groups, whole=options.adjust is not None)
        self._options = options
        self._columns = Columns(frame)
        self._adjusted = adjusted_prices(frame, options.adjust) if options.adjust else None
        self._rows: dict[int, tuple[tuple[Group, ...], Array]] = {}
        self._taken = np.full(len(frame), -1, dtype=np.int64)
        self._preference = np.zeros(len(frame), dtype=np.int64)

    def take(self, number: int, alternative: Alternative, groups: tuple[Group, ...]) -> _Taken:
        """Apply an alternative's filters to the rows of its groups; it gets what is left."""
        rows = self._rows_of(groups)
        removed: list[Removed] = []
        for each in self._filters(alternative):
            kept = rows[each.passes(self._columns)[rows]]
            if len(kept) < len(rows):
                removed.append(Removed(each.reason, len(rows) - len(kept)))
            if not len(kept):
                return _Taken(tuple(removed), hint=each.hint(self._columns, rows))
            rows = kept
        self._claim(number, alternative.preference, rows)
        cheapest = float(self._columns.numbers("price_usd_hour")[rows].min())
        return _Taken(tuple(removed), len(rows), cheapest_usd_hour=cheapest)

    def _rows_of(self, groups: tuple[Group, ...]) -> Array:
        """Return the rows of some groups; the answer is kept for others that have the very same."""
        import numpy as np

        known = self._rows.get(id(groups))
        if known is None or known[0] is not groups:
            ids = np.array([group.id for group in groups], dtype=np.int64)
            rows = np.flatnonzero(np.isin(self._columns.whole_numbers("group"), ids))
            known = self._rows[id(groups)] = (groups, rows)
        return known[1]

    def _filters(self, alternative: Alternative) -> Iterator[RowFilter]:
        prices = self._adjusted
        if prices is not None:
            import numpy as np

            yield RowFilter(
                "arb_adjust_offers",
                lambda _: ~np.isnan(prices),
                lambda *_: "an installed policy removed them; arb plugins lists what is installed",
            )
        yield from row_filters(alternative, self._options)

    def _claim(self, number: int, preference: int, rows: Array) -> None:
        """Give rows to an alternative unless one that is preferred at least as much has them."""
        better = rows[(self._taken[rows] < 0) | (preference < self._preference[rows])]
        self._taken[better] = number
        self._preference[better] = preference

    def ranked(self) -> tuple[Ranked, tuple[str, ...]]:
        """Score and sort what was taken; return it with what a reader should know."""
        import numpy as np

        from arb.optimizer.objective import score
        from arb.optimizer.order import best_first

        columns = self._columns
        rows = np.flatnonzero(self._taken >= 0)
        scoring = score(columns, rows, self._options)
        catalog = columns.numbers("price_usd_hour")[rows]
        price = catalog if self._adjusted is None else self._adjusted[rows]
        factor = scoring.factor
        if self._adjusted is not None:
            factor = factor * np.where(
                catalog > 0, price / np.where(catalog > 0, catalog, 1.0), 1.0
            )
        scores = np.where(catalog > 0, catalog, price) * factor
        order = best_first(columns, rows, self._preference[rows], scoring.comparable, scores)
        at = rows[order]
        return Ranked(
            rows=columns.whole_numbers("row")[at],
            alternative=self._taken[at],
            comparable=scoring.comparable[order],
            price=price[order],
            effective=(price * scoring.billing)[order],
            score=scores[order],
            factor=factor[order],
            provider=columns.codes("provider")[at],
            spot=columns.spot[at],
            providers=tuple(columns.texts("provider")),
        ), scoring.notices
