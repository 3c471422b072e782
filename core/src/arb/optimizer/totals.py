"""What a task costs over many hours: each provider on demand and as spot, and a blend of both."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from arb.errors import UsageError
from arb.optimizer.options import Objective
from arb.optimizer.rank import rank
from arb.tasks.alternatives import SpotUse

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from arb.catalog.market import Market
    from arb.optimizer.options import RankOptions
    from arb.optimizer.ranking import Entry, Ranking
    from arb.tasks.alternatives import Alternative
    from arb.types import Offer

__all__ = ["SPOT_SHARE", "Part", "Strategy", "Totals", "comparison", "total"]

SPOT_SHARE: Final = 0.8
"""Of the hours of the blend; the rest is for what preemptions and sold-out spot push to on-demand."""
_LEAST_HOURS: Final = 1e-6
_MOST_HOURS: Final = 1_000_000_000
_CENTS: Final = 2
_FINER: Final = 4


@dataclass(frozen=True, slots=True)
class Part:
    """A share of the hours on one offer. ``usd_hour`` is for one node, billing minimum included."""

    offer: Offer
    share: float
    usd_hour: float

    @property
    def name(self) -> str:
        """``PROVIDER spot`` or ``PROVIDER on-demand``."""
        return f"{self.offer.provider} {'spot' if self.offer.spot else 'on-demand'}"


@dataclass(frozen=True, slots=True)
class Strategy:
    """One way to pay for the hours.

    Attributes:
        parts: One, or spot and its fallback.
        usd_hour: All nodes together, on average. Of a blend in whole cents, as it is shown.
        total_usd: ``usd_hour`` times the hours.
        in_task: Whether the task as it is written may be bought so, apart from its ``use_spot``. What
            may not is there for comparison: another provider, or over ``max_hourly_cost``.
    """

    parts: tuple[Part, ...]
    usd_hour: float
    total_usd: float
    in_task: bool = True

    @property
    def name(self) -> str:
        """``80 % spheron spot + 20 % lambda on-demand``; one part alone goes without its share."""
        if len(self.parts) == 1:
            return self.parts[0].name
        return " + ".join(f"{part.share * 100:g} % {part.name}" for part in self.parts)

    @property
    def is_blend(self) -> bool:
        """Whether it mixes offers."""
        return len(self.parts) > 1

    def saves(self, other: Strategy) -> float:
        """Return how far this is under another one, as a share of the other; negative when over."""
        return 1 - self.total_usd / other.total_usd if other.total_usd else 0.0


@dataclass(frozen=True, slots=True)
class Totals:
    """All strategies, cheapest first.

    Attributes:
        hours: How long.
        num_nodes: Machines at once.
        spot_share: Of the blend's hours.
        strategies: At most one a provider and capacity class, and the blend.
    """

    hours: float
    num_nodes: int
    spot_share: float
    strategies: tuple[Strategy, ...]

    @property
    def best(self) -> Strategy | None:
        """The cheapest that the task may be bought by, spot alone left out where there is a choice.

        Hours on spot alone are cheap and uncertain: the blend stands for them.
        """
        possible = [each for each in self.strategies if each.in_task]
        steady = (each for each in possible if each.is_blend or not each.parts[0].offer.spot)
        return next(steady, next(iter(possible), None))

    def savings(self) -> list[tuple[Strategy, float]]:
        """Return on-demand strategies that ``best`` is under, with the share; least first."""
        best = self.best
        if best is None:
            return []
        others = [s for s in self.strategies if not s.is_blend and not s.parts[0].offer.spot]
        found = [(other, best.saves(other)) for other in others if other is not best]
        return sorted((pair for pair in found if pair[1] > 0), key=lambda pair: pair[1])

    def to_dict(self) -> dict[str, Any]:
        """Return it for ``--json``."""
        best = self.best
        return {
            "hours": self.hours,
            "num_nodes": self.num_nodes,
            "spot_share": self.spot_share,
            "strategies": [_document(each) for each in self.strategies],
            "best": best.name if best else None,
            "savings": {other.name: round(share, 4) for other, share in self.savings()},
        }


def total(
    market: Market,
    alternatives: Sequence[Alternative],
    options: RankOptions,
    hours: float,
    spot_share: float = SPOT_SHARE,
) -> Totals:
    """Return what the hardware of a task costs by each strategy.

    Providers that the task does not name are there for comparison; the blend is made of what the
    task may be bought by. Spot and on-demand are both looked at, whatever ``use_spot`` says.

    Args:
        market: What can be bought.
        alternatives: The task's.
        options: As for the ranking; objective and duration are set here.
        hours: How long the machines run.
        spot_share: Share of the hours on spot, 0 to 1, for the blend.

    Raises:
        UsageError: ``hours`` is not above 0, or the share is none.
    """
    _check(hours, spot_share)
    options = replace(options, objective=Objective.COST, duration_h=hours)
    ranking = comparison(market, alternatives, options)
    found = []
    for _, _, place in ranking.cheapest():
        entry = ranking.entry(place)
        found.append(_alone(entry, options.num_nodes, hours))
    blend = _blend(found, options.num_nodes, hours, spot_share)
    every = sorted([*found, *blend], key=lambda each: (each.total_usd, each.name))
    return Totals(hours, options.num_nodes, spot_share, tuple(every))


def comparison(
    market: Market, alternatives: Sequence[Alternative], options: RankOptions
) -> Ranking:
    """Rank the hardware of a task in both capacity classes: where it may be bought, then anywhere.

    What the task may be bought by has the preference 0, the rest 1.
    """
    return rank(market, _relaxed(alternatives), options)


def _check(hours: float, spot_share: float) -> None:
    if not _LEAST_HOURS <= hours <= _MOST_HOURS:
        told = f"the hours must be above 0 and at most {_MOST_HOURS:,}"
        raise UsageError(told, code="plan-hours")
    if not 0 <= spot_share <= 1:
        raise UsageError("the share on spot must be between 0 and 1", code="plan-share")


def _relaxed(alternatives: Iterable[Alternative]) -> list[Alternative]:
    """Return the task's alternatives in either class, and after them the same hardware anywhere.

    An instance type is one provider's own, so what names one has no equal elsewhere.
    """
    both = [replace(each, spot=SpotUse.PREFER, preference=0) for each in alternatives]
    anywhere = [
        replace(
            each, provider="", region="", zone="", preference=1, max_price_usd_hour=None, path=()
        )
        for each in both
        if not each.instance_type
    ]
    return [*both, *anywhere]


def _alone(entry: Entry, num_nodes: int, hours: float) -> Strategy:
    usd_hour = entry.effective_usd_hour * num_nodes
    part = Part(entry.offer, 1.0, entry.effective_usd_hour)
    return Strategy((part,), usd_hour, usd_hour * hours, entry.alternative.preference == 0)


def _blend(found: Sequence[Strategy], num_nodes: int, hours: float, share: float) -> list[Strategy]:
    """Return the blend of the cheapest spot and the cheapest on-demand, when there are both."""
    possible = sorted((each for each in found if each.in_task), key=lambda each: each.total_usd)
    spot = next((each.parts[0] for each in possible if each.parts[0].offer.spot), None)
    rest = next((each.parts[0] for each in possible if not each.parts[0].offer.spot), None)
    if spot is None or rest is None:
        return []
    mean = (spot.usd_hour * share + rest.usd_hour * (1 - share)) * num_nodes
    usd_hour = round(mean, _CENTS if mean >= 1 else _FINER)
    parts = (replace(spot, share=share), replace(rest, share=round(1 - share, 9)))
    return [Strategy(parts, usd_hour, usd_hour * hours)]


def _document(strategy: Strategy) -> dict[str, Any]:
    return {
        "strategy": strategy.name,
        "usd_hour": strategy.usd_hour,
        "total_usd": round(strategy.total_usd, 2),
        "in_task": strategy.in_task,
        "parts": [
            {
                "provider": part.offer.provider,
                "spot": part.offer.spot,
                "share": part.share,
                "instance_type": part.offer.instance_type,
                "place": part.offer.place,
                "price_usd_hour": part.offer.price_usd_hour,
                "source": part.offer.source,
                "as_of": part.offer.as_of,
            }
            for part in strategy.parts
        ],
    }
