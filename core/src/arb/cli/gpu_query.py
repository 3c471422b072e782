"""What ``arb gpus`` was asked for, as a query of the catalog."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from arb.catalog.listing import OfferQuery, Sort, Spread
from arb.errors import NoOfferError, UsageError, closest

if TYPE_CHECKING:
    from arb.catalog.store import CatalogStore

__all__ = ["read_query", "resolved", "title_of"]

_COUNT: Final = re.compile(r":\s*[\d.]+\s*\+?\s*$")


def read_query(
    gpu: str,
    *,
    infra: str,
    spot: bool | None,
    max_price: float | None,
    sort: str,
    all_regions: bool,
) -> OfferQuery:
    """Read a command line.

    Raises:
        UsageError: A part of it has another form.
    """
    from arb.tasks.places import Place

    if max_price is not None and not max_price > 0:  # a number that is none compares with nothing
        raise UsageError("--max-price must be above 0", code="gpus-max-price")
    if sort and sort not in list(Sort):
        raise UsageError(closest(sort, map(str, Sort), what="--sort"), code="gpus-sort")
    try:
        place = Place.parse(infra)
    except ValueError as error:
        raise UsageError(f"--infra {error}", code="gpus-infra") from error
    return replace(
        _read_wish(gpu),
        provider=place.provider,
        region=place.region,
        zone=place.zone,
        spot=spot,
        max_price_usd_hour=max_price,
        owned=True,
        spread=Spread.OFFER if all_regions else Spread.GROUP,
        sort=Sort(sort) if sort else Sort.PRICE,
    )


def _read_wish(gpu: str) -> OfferQuery:
    """Return the query for ``H100``, ``H100:8``, ``H100:2+``, ``80GB+`` or ``AMD:80GB+:8``."""
    if not gpu.strip():
        return OfferQuery()
    from arb.tasks.accelerators import Accelerator

    try:
        wish = Accelerator.parse(gpu)
    except ValueError as error:
        raise UsageError(str(error), code="gpus-name") from error
    return OfferQuery(
        accelerator=wish.name,
        accelerator_gib=wish.memory,
        maker=wish.maker,
        count=wish.amount if _COUNT.search(gpu) else None,
    )


def resolved(store: CatalogStore, query: OfferQuery) -> OfferQuery:
    """Return the query with the accelerator's canonical name and its own count.

    Raises:
        UsageError: No such name is known; the closest one is named.
        NoOfferError: It is known, and nobody sells it.
    """
    if not query.accelerator or not store.groups():  # of an empty catalog nothing can be told
        return query
    from arb.catalog.names import known_names, read_spelling

    spelling = read_spelling(query.accelerator)
    sold = {name.casefold(): name for name in store.accelerators()}
    name = sold.get(spelling.name.casefold())
    if name is None and not spelling.is_known:
        summary = closest(query.accelerator, {*sold.values(), *known_names()}, what="accelerator")
        raise UsageError(summary, code="unknown-accelerator", hint="arb gpus lists what is sold")
    if name is None:
        raise _not_sold(store, spelling.name, sorted(sold.values()))
    count = query.count
    if count is not None and spelling.times != 1:  # a slice of several chips
        count = replace(count, value=count.value * spelling.times)
    return replace(query, accelerator=name, count=count)


def title_of(query: OfferQuery) -> str:
    """Return what is looked for as people write it: ``H100:8``, ``80GB+``; empty for everything."""
    title = query.accelerator
    if query.accelerator_gib is not None:
        gib = query.accelerator_gib
        size = f"{gib.value:g}GB{'+' if gib.at_least else ''}"
        title = f"{query.maker}:{size}" if query.maker else size
    return f"{title}:{query.count}" if query.count is not None else title


def _not_sold(store: CatalogStore, name: str, sold: list[str]) -> NoOfferError:
    silent = [row for row in store.providers() if row.error and not row.rows]
    if silent:  # they may sell it
        told = "; ".join(f"{row.name} told no prices: {row.error}" for row in silent)
        summary = f"nobody who told prices sells {name}; {told}"
        hint = f"what is wrong is told by: arb check {' '.join(row.name for row in silent)}"
        return NoOfferError(summary, code="no-offer", hint=hint)
    hint = f"sold are {', '.join(sold)}" if sold else "no installed provider sells accelerators"
    return NoOfferError(f"no installed provider sells {name}", code="no-offer", hint=hint)
