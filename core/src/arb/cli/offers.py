"""How offers look."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from arb.cli import render
from arb.text import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from arb.clusters.launch import Plan
    from arb.types import Offer

__all__ = ["accelerators", "offer_cells", "plan_document", "show_plan"]

_SHOWN = 5
_FRESH_S = 60.0
_COLUMNS = ("provider", "instance type", "vCPUs", "GiB", "accelerators", "place", "$/h")


def show_plan(plan: Plan, now: float) -> None:
    """Tell what would be tried, cheapest first, and how old its prices are."""
    ranking = plan.ranking
    if ranking is None:
        return
    render.note(
        f"Cluster {plan.cluster}: {counted(plan.num_nodes, 'node')}, to be tried in this order"
    )
    rows = [offer_cells(offer) for offer in ranking.offers[:_SHOWN]]
    render.table(_COLUMNS, rows, right="vCPUs,GiB,$/h", to_stderr=True)
    if len(ranking.offers) > _SHOWN:
        render.hint(f"and {len(ranking.offers) - _SHOWN} more")
    for line in _sources(ranking.offers, now):
        render.hint(line)


def _sources(offers: Sequence[Offer], now: float) -> list[str]:
    """Return where prices come from and how old they are, unless they were read just now."""
    found = {(o.provider, o.source, o.as_of) for o in offers if now - o.as_of > _FRESH_S}
    return [
        f"prices of {provider}: {source}, {render.age(now - as_of)} old"
        for provider, source, as_of in sorted(found)
    ]


def offer_cells(offer: Offer) -> tuple[str, ...]:
    """Return one row of the offer table; the price is for one whole instance."""
    kind = offer.instance_type + (f" ({offer.note})" if offer.note else "")
    return (
        offer.provider,
        kind + (" spot" if offer.spot else ""),
        render.number(offer.vcpus),
        render.number(round(offer.memory_gib, 1)),
        accelerators(offer),
        offer.place,
        f"{offer.price_usd_hour:.2f}",
    )


def accelerators(offer: Offer) -> str:
    """Return ``H100:8``, or a dash."""
    return f"{offer.accelerator}:{offer.accelerator_count:g}" if offer.accelerator else "-"


def plan_document(plan: Plan) -> dict[str, Any]:
    """Return the plan for ``--json``."""
    offers = plan.ranking.offers if plan.ranking else ()
    rejected = plan.ranking.rejected if plan.ranking else {}
    return {
        "cluster": plan.cluster,
        "num_nodes": plan.num_nodes,
        "usd_hour": plan.usd_hour,
        "reuses_cluster": plan.ranking is None,
        "offers": [asdict(offer) for offer in offers],
        "rejected": dict(rejected),
    }
