"""Where prices come from and how old they are: said wherever a price is shown."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from arb.cli import render

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from arb.catalog.schema import ProviderRow
    from arb.types import Offer

__all__ = [
    "PriceSource",
    "dated_sources_line",
    "provider_document",
    "sources_line",
    "sources_of_offers",
]

_FRESH_S: Final = 60.0
_DAY_S: Final = 86400.0


class PriceSource(NamedTuple):
    """Prices of one provider that are of one origin and date."""

    provider: str
    source: str
    as_of: float


def sources_of_offers(offers: Iterable[Offer]) -> list[PriceSource]:
    """Return each provider's sources, with the oldest date of each."""
    oldest: dict[tuple[str, str], float] = {}
    for offer in offers:
        key = (offer.provider, offer.source)
        oldest[key] = min(offer.as_of, oldest.get(key, offer.as_of))
    return [PriceSource(*key, as_of) for key, as_of in sorted(oldest.items())]


def sources_line(sources: Sequence[PriceSource], now: float) -> str:
    """Return one line; empty without sources."""
    told = [f"{each.provider} {each.source}, {_age(each.as_of, now)}" for each in sources]
    return f"prices: {'; '.join(told)}" if told else ""


def dated_sources_line(sources: Sequence[PriceSource]) -> str:
    """Return one line that stays true: for what is kept, such as pictures."""
    told = (f"{each.provider} {each.source}, {_date(each)}" for each in sources)
    return f"Prices: {'; '.join(told)}"


def provider_document(row: ProviderRow, now: float) -> dict[str, Any]:
    """Return what ``--json`` says of a provider's prices. Times are seconds."""
    return {
        "provider": row.name,
        "distribution": row.distribution,
        "version": row.version,
        "owned": row.owned,
        "source": row.source,
        "as_of": row.as_of,
        "age_s": max(0.0, now - row.as_of) if row.refreshed_at else None,
        "refreshed_at": row.refreshed_at,
        "ttl_s": row.ttl_s,
        "offers": row.rows,
        "refused": row.refused,
        "refusals": list(row.refusals),
        "error": row.error,
    }


def _age(as_of: float, now: float) -> str:
    """Return ``now``, ``3h 12m old`` or ``2026-05-16 (192d old)``."""
    seconds = now - as_of
    if seconds <= _FRESH_S:
        return "now"
    if seconds < _DAY_S:
        return f"{render.age(seconds)} old"
    day = time.strftime("%Y-%m-%d", time.gmtime(as_of))
    return f"{day} ({seconds // _DAY_S:.0f}d old)"


def _date(source: PriceSource) -> str:
    """Return the day of a price list; of what was read live the minute."""
    form = "%Y-%m-%d %H:%M UTC" if source.source == "live" else "%Y-%m-%d"
    return time.strftime(form, time.gmtime(source.as_of))
