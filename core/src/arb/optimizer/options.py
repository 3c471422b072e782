"""What a ranking is asked for beside the task's alternatives."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import pandas as pd

__all__ = ["Objective", "RankOptions"]


class Objective(StrEnum):
    """What "best" means. Every objective is a score, lower is better, proportional to the price."""

    COST = "cost"
    """The effective price: what an hour costs when the offer's billing minimum is counted."""
    VALUE = "value"
    """Effective USD for one dense bf16 PFLOP-hour. Without a known figure, CPU-only too: last."""
    LATENCY = "latency"
    """Effective price x (1 + km / 10,000 x weight), km being the mean great-circle distance to the
    client regions: 1,000 km nearer is worth a tenth of the price. Unknown places: last."""


@dataclass(frozen=True, slots=True)
class RankOptions:
    """How to rank.

    Attributes:
        objective: See ``Objective``. ``LATENCY`` needs ``near``.
        duration_h: How long the machines are expected to run; billing minimums count against it.
        num_nodes: Machines wanted at once.
        near: Latitude and longitude of client regions, degrees.
        near_weight: How much distance counts against price; 1 is the documented formula.
        named: Providers that were named outside the task: the user's own machines among them are
            candidates for every alternative that names no provider.
        excluded: Provider -> why none of its offers will do, short: ``its nodes cannot reach each
            other``.
        adjust: Called once with the candidates, columns of ``arb_catalog`` plus ``provider``; returns a
            subset of the rows, maybe at other prices. None when no plugin wants to.
    """

    objective: Objective = Objective.COST
    duration_h: float = 1.0
    num_nodes: int = 1
    near: tuple[tuple[float, float], ...] = ()
    near_weight: float = 1.0
    named: frozenset[str] = frozenset()
    excluded: Mapping[str, str] = field(default_factory=dict)
    adjust: Callable[[pd.DataFrame], pd.DataFrame] | None = None
