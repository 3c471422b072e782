"""What ``arb gpus`` shows of an open catalog: a table or a document, and a picture."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from arb.cli import render
from arb.cli.gpu_query import title_of
from arb.cli.sources import (
    PriceSource,
    dated_sources_line,
    provider_document,
    sources_line,
    sources_of_offers,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from arb.catalog.listing import OfferQuery
    from arb.catalog.store import CatalogStore
    from arb.cli.gpu_summary import Piece, Sold
    from arb.errors import ArbError
    from arb.types import Offer

__all__ = ["TABLE_LINES", "GpuListing"]

TABLE_LINES: Final = 50
"""Lines of a table when nothing else is asked for."""


class GpuListing:
    """One answer of ``arb gpus``.

    Args:
        store: The catalog.
        query: What is looked for, with names as the catalog has them.
        now: Seconds since the epoch.
    """

    def __init__(self, store: CatalogStore, query: OfferQuery, now: float) -> None:
        self._store = store
        self._query = query
        self._now = now
        self._owned = frozenset(row.name for row in store.providers() if row.owned)

    def show_offers(self, limit: int | None, *, as_json: bool) -> None:
        """Print offers.

        Raises:
            NoOfferError: There is none.
        """
        from arb.cli.gpu_offers import show_offers
        from arb.cli.offers import offer_document

        rows = self._rows()
        shown = self._store.offers(_limited(rows, limit, as_json=as_json))
        if as_json:
            documents = [offer_document(offer, self._now) for offer in shown]
            self._print_document({"offers": documents, "total": len(rows)})
            return
        show_offers(shown)
        self._tell_rest(len(rows) - len(shown))
        self._tell_sources(sources_of_offers(shown))

    def show_summary(self, sort: str, limit: int | None, *, as_json: bool) -> None:
        """Print one line an accelerator.

        Raises:
            NoOfferError: There is none.
        """
        from arb.cli.gpu_summary import show_summary, sorted_summary

        found = sorted_summary(self._summary(), sort)
        shown = _limited(found, limit, as_json=as_json)
        if as_json:
            documents = [sold.document(self._now) for sold in shown]
            self._print_document({"accelerators": documents, "total": len(found)})
            return
        show_summary(shown)
        self._tell_rest(len(found) - len(shown))
        self._tell_sources(self._sources(shown))

    def draw(self, path: Path) -> None:
        """Write a picture of what the tables show.

        Raises:
            NoOfferError: There is nothing to draw.
            UsageError: As for ``write_plot``.
        """
        from arb.optimizer.plot import PriceBar, write_plot

        title = title_of(self._query)
        offers = self._drawn_offers() if title else self._cheapest_offers()
        bars = [PriceBar.of(offer) for offer in offers]
        if not title:
            bars = [
                replace(bar, instance_type=f"{offer.accelerator}: {bar.instance_type}")
                for bar, offer in zip(bars, offers, strict=True)
            ]
        write_plot(
            path,
            bars,
            title=f"{title} by price" if title else "The cheapest offer of every accelerator",
            subtitle=dated_sources_line(sources_of_offers(offers)),
            per_gpu=len({bar.gpus for bar in bars}) > 1,
        )
        render.note(f"wrote {path}")

    def _rows(self) -> list[int]:
        from arb.catalog.listing import rows_of_listing

        rows = rows_of_listing(self._store, self._query)
        if not rows:
            raise self._nothing()
        return rows

    def _summary(self) -> list[Sold]:
        from arb.cli.gpu_summary import summarise

        found = summarise(self._pieces())
        if not found:
            raise self._nothing()
        return found

    def _pieces(self) -> Iterable[Piece]:
        """Return what is sold: without a filter from the summary alone, however many offers."""
        from arb.catalog.listing import OfferQuery, Sort, shown_of_groups
        from arb.cli.gpu_summary import Piece

        if replace(self._query, sort=Sort.PRICE) == OfferQuery(owned=True):
            return [Piece.of_group(*both) for both in shown_of_groups(self._store)]
        offers = self._store.listing(self._query)
        return [Piece.of_offer(offer, self._owned) for offer in offers]

    def _drawn_offers(self) -> list[Offer]:
        """Return what a picture is chosen from; one zone of a region is enough of a region."""
        from arb.catalog.listing import Spread

        is_wide = self._query.spread is Spread.OFFER
        spread = Spread.REGION if is_wide else self._query.spread
        return self._store.listing(replace(self._query, spread=spread))

    def _cheapest_offers(self) -> list[Offer]:
        """Return the cheapest offer of every accelerator and capacity class, by one GPU's price."""
        from arb.catalog.listing import Spread

        best: dict[tuple[str, bool], Offer] = {}
        for offer in self._store.listing(replace(self._query, spread=Spread.GROUP)):
            key = (offer.accelerator, offer.spot)
            best[key] = min(best.get(key, offer), offer, key=self._worth)
        return list(best.values())

    def _worth(self, offer: Offer) -> tuple[bool, float]:
        price = offer.price_usd_hour / offer.accelerator_count
        return (offer.provider in self._owned, price)

    def _nothing(self) -> ArbError:
        from arb.cli.gpu_nothing import explain_nothing

        return explain_nothing(self._store, self._query)

    def _sources(self, shown: Iterable[Sold]) -> list[PriceSource]:
        """Return where the prices of a summary are from, with the oldest date of each provider."""
        oldest: dict[str, float] = {}
        for piece in (piece for sold in shown for piece in sold.pieces):
            oldest[piece.provider] = min(piece.as_of, oldest.get(piece.provider, piece.as_of))
        sources = {row.name: row.source for row in self._store.providers()}
        return [PriceSource(name, sources[name], as_of) for name, as_of in sorted(oldest.items())]

    def _tell_sources(self, sources: Sequence[PriceSource]) -> None:
        """Tell how old the prices are, and which machines nobody buys without naming them."""
        if line := sources_line(sources, self._now):
            render.hint(line)
        if own := sorted(self._owned & {source.provider for source in sources}):
            options = ", ".join(f"--infra {name}" for name in own)
            render.hint(f"machines of your own are bought only when named: {options}")

    def _tell_rest(self, more: int) -> None:
        if more:
            render.hint(f"and {more:,} more; --limit 0 shows all")

    def _print_document(self, answer: dict[str, Any]) -> None:
        rows = [provider_document(row, self._now) for row in self._store.providers()]
        render.json_document({**answer, "providers": rows})


def _limited(found: Sequence[Any], limit: int | None, *, as_json: bool) -> Sequence[Any]:
    """Return the first lines; a document has all of them unless a limit was asked for."""
    if limit is None:
        limit = 0 if as_json else TABLE_LINES
    return found[:limit] if limit else found
