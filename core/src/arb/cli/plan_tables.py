"""Tables below the offers of ``arb plan``: what was rejected, and totals."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from arb.cli import render
from arb.cli.offers import kind_of
from arb.text import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from arb.optimizer import Rejections
    from arb.optimizer.totals import Strategy, Totals

__all__ = ["show_rejections", "show_totals"]

_SMALL_USD: Final = 100
"""Where one total is below this, all have cents."""


def show_rejections(rejections: Sequence[Rejections], *, gap: bool) -> None:
    """Print how many offers each filter removed, alternative by alternative."""
    rows = []
    for each in rejections:
        where = each.where if len(rejections) > 1 else ""
        steps = [
            *((removed.reason, removed.count) for removed in each.removed),
            ("left", each.left),
        ]
        for reason, count in steps:
            rows.append((*((where,) if len(rejections) > 1 else ()), reason, f"{count:,}"))
            where = ""
    if gap:
        render.line("")
    columns = (*(("alternative",) if len(rejections) > 1 else ()), "rejected by", "offers")
    render.table(columns, rows, right="offers")


def show_totals(totals: Totals) -> None:
    """Print every strategy, cheapest first, and what the best of them saves."""
    nodes = counted(totals.num_nodes, "node")
    render.line("")
    columns = (f"{totals.hours:g} h on {nodes}", "instance type", "$/h", "total $")
    digits = 2 if any(0 < each.total_usd < _SMALL_USD for each in totals.strategies) else 0
    rows = [_cells(each, digits) for each in totals.strategies]
    render.table(columns, rows, right="$/h,total $")
    best = totals.best
    if best is not None and (savings := totals.savings()):
        told = ", ".join(f"{share * 100:.0f} % under {other.name}" for other, share in savings)
        render.line(f"{best.name} is {told}")
    if not all(each.in_task for each in totals.strategies):
        render.hint("* for comparison: the task as it is written is not bought there")


def _cells(strategy: Strategy, digits: int) -> tuple[str, ...]:
    offers = [part.offer for part in strategy.parts]
    types = " + ".join(offer.instance_type for offer in offers)
    return (
        strategy.name + ("" if strategy.in_task else " *"),
        types if strategy.is_blend else kind_of(offers[0]),
        f"{strategy.usd_hour:,.2f}",
        f"{strategy.total_usd:,.{digits}f}",
    )
