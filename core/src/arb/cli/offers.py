"""How offers look."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

from arb.cli import render
from arb.cli.sources import sources_line, sources_of_offers
from arb.text import counted

if TYPE_CHECKING:
    from arb.clusters.launch import Plan
    from arb.types import Offer

__all__ = ["COLUMNS", "RIGHT", "accelerators", "kind_of", "offer_cells", "offer_document"]
__all__ += ["plan_document", "show_plan", "usd_gpu_hour"]

COLUMNS: Final = ("provider", "instance type", "vCPUs", "GiB", "accelerators", "place", "$/h")
RIGHT: Final = "vCPUs,GiB,$/h"
_SHOWN: Final = 5
_LISTED: Final = 50
"""Offers of a document: nobody walks through a hundred thousand."""
_UNKNOWN_IS_0: Final = ("vcpus", "memory_gib", "accelerator_gib")


def show_plan(plan: Plan, now: float) -> None:
    """Tell what would be tried, cheapest first, and how old its prices are."""
    ranking = plan.ranking
    if ranking is None:
        return
    render.note(
        f"Cluster {plan.cluster}: {counted(plan.num_nodes, 'node')}, to be tried in this order"
    )
    shown = ranking.offers[:_SHOWN]
    render.table(COLUMNS, [offer_cells(offer) for offer in shown], right=RIGHT, to_stderr=True)
    if len(ranking.offers) > _SHOWN:
        render.hint(f"and {len(ranking.offers) - _SHOWN:,} more")
    for notice in ranking.notices:
        render.note(notice)
    if line := sources_line(sources_of_offers(shown), now):
        render.hint(line)


def offer_cells(offer: Offer) -> tuple[str, ...]:
    """Return one row of the offer table; the price is for one whole instance."""
    return (
        offer.provider,
        kind_of(offer) + (" spot" if offer.spot else ""),
        render.number(offer.vcpus) if offer.vcpus else "-",  # unknown
        render.number(round(offer.memory_gib, 1)) if offer.memory_gib else "-",
        accelerators(offer),
        offer.place,
        f"{offer.price_usd_hour:.2f}",
    )


def kind_of(offer: Offer) -> str:
    """Return the instance type with the offer's note, which is shown wherever the offer is."""
    return offer.instance_type + (f" ({offer.note})" if offer.note else "")


def accelerators(offer: Offer) -> str:
    """Return ``H100:8``, or a dash."""
    return f"{offer.accelerator}:{offer.accelerator_count:g}" if offer.accelerator else "-"


def usd_gpu_hour(offer: Offer) -> float:
    """Return the price of one accelerator; without any that of the instance."""
    return offer.price_usd_hour / (offer.accelerator_count or 1)


def offer_document(offer: Offer, now: float) -> dict[str, Any]:
    """Return an offer for ``--json``: what is not known is None, and the price has its age.

    Args:
        offer: Which.
        now: Seconds since the epoch.
    """
    sizes = {name: getattr(offer, name) or None for name in _UNKNOWN_IS_0}
    return {
        **asdict(offer),
        **sizes,
        "usd_gpu_hour": usd_gpu_hour(offer) if offer.accelerator_count else None,
        "age_s": max(0.0, now - offer.as_of),
    }


def plan_document(plan: Plan, now: float) -> dict[str, Any]:
    """Return the plan for ``--json``; ``now`` is in seconds since the epoch."""
    ranking = plan.ranking
    offers = ranking.offers if ranking else ()
    return {
        "cluster": plan.cluster,
        "num_nodes": plan.num_nodes,
        "usd_hour": plan.usd_hour,
        "reuses_cluster": ranking is None,
        "offers": [offer_document(offer, now) for offer in offers[:_LISTED]],
        "total": len(offers),
        "rejections": [each.to_dict() for each in ranking.rejections] if ranking else [],
        "notices": list(ranking.notices) if ranking else [],
    }
