"""``arb gpus``."""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from arb.cli.options import Json
from arb.errors import ArbError

if TYPE_CHECKING:
    from collections.abc import Iterable

app = typer.Typer()

_WORD: Final = re.compile(r"[\w.+-]+", re.ASCII)


def complete_accelerator(incomplete: str) -> list[str]:
    """Return names for shell completion: what is sold, as far as it was ever read."""
    import os

    from arb.catalog.names import known_names
    from arb.catalog.store import open_catalog
    from arb.home import Home

    with suppress(ArbError), open_catalog(Home.from_env(os.environ).catalog_db) as store:
        if sold := store.accelerators():
            return _beginning(sold, incomplete)
    return _beginning(known_names(), incomplete)


def _beginning(names: Iterable[str], incomplete: str) -> list[str]:
    """Return names that begin so; what a shell would read as more than a word is none of them."""
    return [
        name
        for name in names
        if name.casefold().startswith(incomplete.casefold()) and _WORD.fullmatch(name)
    ]


@app.command()
def gpus(
    gpu: Annotated[
        str,
        typer.Argument(
            metavar="NAME[:COUNT]",
            help="H100, H100:8, H100:2+ (2 or more) or 80GB+; all accelerators when left out.",
            autocompletion=complete_accelerator,
        ),
    ] = "",
    all_regions: Annotated[
        bool,
        typer.Option("--all-regions", "-a", help="Every region and zone, not only the cheapest."),
    ] = False,
    infra: Annotated[
        str,
        typer.Option(metavar="PROVIDER[/REGION[/ZONE]]", help="Only there; * matches anything."),
    ] = "",
    spot: Annotated[
        bool | None,
        typer.Option(
            "--spot/--on-demand", "--use-spot/--no-use-spot", help="Only one capacity class."
        ),
    ] = None,
    max_price: Annotated[
        float | None,
        typer.Option(
            "--max-price", "--max-hourly-cost", metavar="USD", help="USD an hour, whole instance."
        ),
    ] = None,
    sort: Annotated[
        str,
        typer.Option(
            help="price, gpu-price, value (USD for a dense bf16 PFLOP-hour), memory, name or "
            "provider."
        ),
    ] = "",
    limit: Annotated[
        int | None,
        typer.Option(min=0, help="At most so many lines, 0 is all; tables have 50."),
    ] = None,
    plot: Annotated[
        Path | None, typer.Option(metavar="FILE.png", help="Draw the prices, too.")
    ] = None,
    as_json: Json = False,
) -> None:
    """List GPUs and what they cost, over all installed providers.

    Without a name one line an accelerator, with the cheapest price of one GPU; with a name the
    cheapest offers of every provider. Prices are those of the last reading, and their age is told;
    arb refresh reads them again.
    """
    from arb.cli.gpu_listing import GpuListing
    from arb.cli.gpu_query import read_query, resolved
    from arb.cli.market import read_prices

    query = read_query(
        gpu, infra=infra, spot=spot, max_price=max_price, sort=sort, all_regions=all_regions
    )
    if plot is not None:
        from arb.optimizer.plot import check_plot_path

        check_plot_path(plot)
    with read_prices(query.provider) as prices:
        listing = GpuListing(prices.store, resolved(prices.store, query), prices.now)
        if gpu or all_regions:
            listing.show_offers(limit, as_json=as_json)
        else:
            listing.show_summary(sort, limit, as_json=as_json)
        if plot is not None:
            listing.draw(plot)
