"""Why ``arb gpus`` found nothing: which filter removed the last offer, and what would be near."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from arb.catalog.listing import Sort, Spread
from arb.cli import render
from arb.cli.gpu_query import title_of
from arb.errors import NoOfferError, closest

if TYPE_CHECKING:
    from arb.catalog.listing import OfferQuery
    from arb.catalog.store import CatalogStore
    from arb.types import Offer

__all__ = ["explain_nothing"]


def explain_nothing(store: CatalogStore, query: OfferQuery) -> NoOfferError:
    """Return the error for a query that nothing passes.

    Args:
        store: Where nothing was found.
        query: With names and counts as the catalog has them.
    """
    row = store.provider(query.provider)
    if row is not None and row.error and not row.rows:
        summary = f"{row.name} did not tell its prices: {row.error}"
        hint = f"try again with: arb refresh {row.name}"
        return NoOfferError(summary, code="no-catalog", hint=hint)
    if not store.groups():
        return _no_offers_at_all(store)
    told = store.last_filter(query)
    if told == "any accelerator":
        sellers = ", ".join(row.name for row in store.providers() if row.rows)
        hint = "a provider is added with: pip install arb-<provider>"
        return NoOfferError(f"{sellers}: no GPU is sold here", code="no-offer", hint=hint)
    title = title_of(query) or "any accelerator"
    summary = f"no offer of {title} is left after the filter: {told}"
    return NoOfferError(summary, code="no-offer", hint=_way_out(store, query, told))


def _no_offers_at_all(store: CatalogStore) -> NoOfferError:
    failed = [row for row in store.providers() if row.error]
    if failed:
        told = "; ".join(f"{row.name}: {row.error}" for row in failed)
        hint = "try again with: arb refresh"
        return NoOfferError(f"no provider told its prices; {told}", code="no-catalog", hint=hint)
    if store.providers():
        names = ", ".join(row.name for row in store.providers())
        return NoOfferError(f"nothing is sold by {names}", code="no-offer")
    hint = "arb plugins says what is installed; one is added with: pip install arb-<provider>"
    return NoOfferError("there is no provider to ask", code="no-offer", hint=hint)


def _way_out(store: CatalogStore, query: OfferQuery, told: str) -> str:
    """Return what would be near; ``told`` is the filter that removed the last offer."""
    kind = told.partition(" ")[0]
    if kind in {"count", "memory", "maker"}:
        return _nearest_group(store, query, kind)
    if kind == "price":
        return f"the cheapest is {_cheapest(store, replace(query, max_price_usd_hour=None))}"
    if kind in {"spot", "on-demand"}:
        other = "on demand" if query.spot else "as spot"
        return f"it is sold {other} only, from {_cheapest(store, replace(query, spot=None))}"
    if kind in {"region", "zone"}:
        return _other_places(store, query, kind)
    return _other_sellers(store, query)


def _nearest_group(store: CatalogStore, query: OfferQuery, kind: str) -> str:
    from arb.optimizer import nearest

    groups = [
        group
        for group in store.groups()
        if query.provider in {"", group.provider}
        and query.accelerator in {"", group.accelerator}
        and group.accelerator
    ]
    if kind == "count" and query.count is not None:
        return nearest.count(groups, title_of(replace(query, count=None)) or "NAME", query.count)
    return nearest.maker(groups) if kind == "maker" else nearest.accelerator_memory(groups)


def _cheapest(store: CatalogStore, query: OfferQuery) -> str:
    (offer,) = store.listing(replace(query, sort=Sort.PRICE, limit=1))
    return f"{render.money(offer.price_usd_hour)}/h: {_told(offer)}"


def _told(offer: Offer) -> str:
    return f"{offer.provider} {offer.instance_type} in {offer.place}{' spot' * offer.spot}"


def _other_places(store: CatalogStore, query: OfferQuery, kind: str) -> str:
    anywhere = replace(query, zone="", spread=Spread.OFFER, limit=0)
    if kind == "region":
        anywhere = replace(anywhere, region="", spread=Spread.REGION)
    found = sorted({getattr(offer, kind) for offer in store.listing(anywhere)} - {""})
    wanted = getattr(query, kind)
    return closest(wanted, found, what=kind) if found else f"nothing here has a {kind}"


def _other_sellers(store: CatalogStore, query: OfferQuery) -> str:
    anywhere = replace(query, provider="", region="", zone="", limit=0)
    sellers = sorted({offer.provider for offer in store.listing(anywhere)})
    if sellers:
        return f"it is sold by {', '.join(sellers)}"
    return "no installed provider sells accelerators"
