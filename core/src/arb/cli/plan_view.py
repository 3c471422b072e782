"""What ``arb plan`` shows: the ranked table, what was rejected, totals, a document, a picture."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from arb.cli import render
from arb.cli.offers import COLUMNS, RIGHT, offer_cells, offer_document
from arb.cli.plan_tables import show_rejections, show_totals
from arb.cli.sources import PriceSource, dated_sources_line, sources_line, sources_of_offers
from arb.optimizer.options import Objective
from arb.optimizer.rejections import written

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from arb.clusters.catalog import Found
    from arb.optimizer import Entry
    from arb.optimizer.totals import Totals
    from arb.tasks import Task
    from arb.tasks.alternatives import Alternative

__all__ = ["PlanView"]

_UNITS: Final = {Objective.VALUE: "$/PFLOP-h", Objective.LATENCY: "$/h by distance"}
_PICTURED: Final = 500
"""Offers that a picture is chosen from."""


class PlanView:
    """One answer of ``arb plan``.

    Args:
        task: What is planned.
        found: What was found for it.
        now: Seconds since the epoch.
    """

    def __init__(self, task: Task, found: Found, now: float) -> None:
        self._task = task
        self._found = found
        self._ranking = found.ranking
        self._now = now

    def check(self) -> None:
        """Raise the error that says why nothing is left, when that is so.

        Raises:
            NoOfferError: As ``arb.clusters.catalog.ranked_offers``.
            CredentialsError: The same.
        """
        if not len(self._ranking.offers):
            from arb.clusters.nothing import no_offer

            raise no_offer(self._found.prices, self._ranking)

    def totals(self, hours: float, spot_share: float) -> Totals:
        """Return the totals of each strategy.

        Raises:
            UsageError: The hours or the share are none.
        """
        from arb.optimizer.totals import total

        found = self._found
        return total(found.prices.market, found.alternatives, found.options, hours, spot_share)

    def show(self, limit: int, totals: Totals | None, *, why: bool) -> None:
        """Print tables; an empty ranking prints only why it is empty."""
        count = len(self._ranking.offers)
        shown = self._entries(limit)
        if shown:
            self._show_offers(shown)
            if count > len(shown):
                render.hint(f"and {count - len(shown):,} more; --limit 0 shows all")
        if why:
            show_rejections(self._ranking.rejections, gap=bool(shown))
        if totals is not None and totals.strategies and shown:
            show_totals(totals)
        for notice in self._ranking.notices:
            render.note(notice)
        if line := sources_line(_sources(shown, totals), self._now):
            render.hint(line)

    def document(self, limit: int, totals: Totals | None) -> dict[str, Any]:
        """Return the plan for ``--json``."""
        options = self._found.options
        shown = self._entries(limit)
        return {
            "task": self._task.name,
            "num_nodes": options.num_nodes,
            "objective": options.objective.value,
            "duration_h": options.duration_h,
            "offers": [self._document(entry) for entry in shown],
            "total": len(self._ranking.offers),
            "rejections": [each.to_dict() for each in self._ranking.rejections],
            "notices": list(self._ranking.notices),
            "totals": totals.to_dict() if totals is not None else None,
            "prices": [
                {**each._asdict(), "age_s": max(0.0, self._now - each.as_of)}
                for each in _sources(shown, totals)
            ],
        }

    def draw(self, path: Path) -> None:
        """Write a picture of the hardware's prices, in both classes, anywhere.

        Raises:
            UsageError: As for ``write_plot``.
        """
        from arb.optimizer.plot import PriceBar, write_plot
        from arb.optimizer.totals import comparison

        found = self._found
        ranking = comparison(found.prices.market, found.alternatives, found.options)
        places = {*range(min(_PICTURED, len(ranking.offers)))}
        places.update(place for _, _, place in ranking.cheapest())
        offers = [ranking.offers[place] for place in sorted(places)]
        bars = [PriceBar.of(offer) for offer in offers]
        write_plot(
            path,
            bars,
            title=_title(self._found.alternatives) or self._task.name or "Prices",
            subtitle=dated_sources_line(sources_of_offers(offers)),
            per_gpu=len({bar.gpus for bar in bars}) > 1,
        )
        render.note(f"wrote {path}")

    def _entries(self, limit: int) -> list[Entry]:
        count = len(self._ranking.offers)
        return [self._ranking.entry(place) for place in range(min(limit or count, count))]

    def _show_offers(self, shown: Sequence[Entry]) -> None:
        """Print the ranked table, with columns only where they say something."""
        extra = {
            "order": [str(entry.alternative.preference + 1) for entry in shown],
            "$/h ranked": [f"{entry.ranked_usd_hour:.2f}" for entry in shown],
            "$/h billed": [f"{entry.effective_usd_hour:.2f}" for entry in shown],
        }
        plain = [f"{entry.offer.price_usd_hour:.2f}" for entry in shown]
        if len({each.preference for each in self._found.alternatives}) == 1:
            del extra["order"]
        if extra["$/h billed"] == extra["$/h ranked"]:
            del extra["$/h billed"]
        if extra["$/h ranked"] == plain:
            del extra["$/h ranked"]
        if unit := _UNITS.get(self._found.options.objective):
            extra[unit] = [f"{e.score:.2f}" if e.comparable else "-" for e in shown]
        rows = [
            (*offer_cells(entry.offer), *(cells[row] for cells in extra.values()))
            for row, entry in enumerate(shown)
        ]
        render.table((*COLUMNS, *extra), rows, right=",".join((RIGHT, *extra)))
        if self._found.options.num_nodes > 1:
            render.hint(f"prices are of one node; the task has {self._found.options.num_nodes}")

    def _document(self, entry: Entry) -> dict[str, Any]:
        """Return an offer for ``--json``, with what ranked it and the price's age."""
        return {
            **offer_document(entry.offer, self._now),
            "alternative": written(entry.alternative.path),
            "preference": entry.alternative.preference,
            "ranked_usd_hour": entry.ranked_usd_hour,
            "effective_usd_hour": entry.effective_usd_hour,
            "score": entry.score if entry.comparable else None,
        }


def _sources(shown: Sequence[Entry], totals: Totals | None) -> list[PriceSource]:
    """Return where every price is from that is shown, with the oldest date of each."""
    offers = [entry.offer for entry in shown]
    if totals is not None and shown:
        offers += [part.offer for each in totals.strategies for part in each.parts]
    return sources_of_offers(offers)


def _title(alternatives: Sequence[Alternative]) -> str:
    """Return the accelerators that are asked for, each once."""
    names = [f"{each.accelerator}:{each.count}" for each in alternatives if each.accelerator]
    return ", ".join(dict.fromkeys(names))
