"""``arb gpus``."""

from __future__ import annotations

from typing import Annotated

import typer

from arb.cli.completion import complete_accelerator, complete_provider, complete_sort
from arb.cli.options import Json, Plot

app = typer.Typer()

_Gpu = Annotated[
    str,
    typer.Argument(
        metavar="NAME[:COUNT]",
        help="H100, H100:8, H100:2+ (2 or more) or 80GB+; all accelerators when left out.",
        autocompletion=complete_accelerator,
    ),
]
_AllRegions = Annotated[
    bool,
    typer.Option("--all-regions", "-a", help="Every region and zone, not only the cheapest."),
]
_Infra = Annotated[
    str,
    typer.Option(
        "--infra",
        metavar="PROVIDER[/REGION[/ZONE]]",
        help="Only there; * matches anything.",
        autocompletion=complete_provider,
    ),
]
_Spot = Annotated[
    bool | None,
    typer.Option("--spot/--on-demand", "--use-spot/--no-use-spot", help="Only one capacity class."),
]
_MaxPrice = Annotated[
    float | None,
    typer.Option(
        "--max-price", "--max-hourly-cost", metavar="USD", help="USD an hour, whole instance."
    ),
]
_Sort = Annotated[
    str,
    typer.Option(
        "--sort",
        metavar="NAME",
        help="price, gpu-price, value (USD for a dense bf16 PFLOP-hour), memory, name or provider.",
        autocompletion=complete_sort,
    ),
]
_Limit = Annotated[
    int | None,
    typer.Option(
        "--limit", metavar="N", min=0, help="At most so many lines, 0 is all; tables have 50."
    ),
]


@app.command()
def gpus(
    gpu: _Gpu = "",
    all_regions: _AllRegions = False,
    infra: _Infra = "",
    spot: _Spot = None,
    max_price: _MaxPrice = None,
    sort: _Sort = "",
    limit: _Limit = None,
    plot: Plot = None,
    as_json: Json = False,
) -> None:
    """List GPUs and what they cost, over all installed providers.

    Without a name one line an accelerator, with the cheapest price of one GPU; with a name the
    cheapest offers of every provider. Prices are those of the last reading, and their age is told;
    arb refresh reads them again.
    """
    from arb.cli.gpu_listing import GpuListing
    from arb.cli.gpu_query import read_query, resolved
    from arb.cli.market import check_plot, read_prices

    query = read_query(
        gpu, infra=infra, spot=spot, max_price=max_price, sort=sort, all_regions=all_regions
    )
    check_plot(plot)
    with read_prices(query.provider) as prices:
        listing = GpuListing(prices.store, resolved(prices.store, query), prices.now)
        if gpu or all_regions:
            listing.show_offers(limit, as_json=as_json)
        else:
            listing.show_summary(sort, limit, as_json=as_json)
        if plot is not None:
            listing.draw(plot)
