"""``arb why``."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated

import typer

from arb.cli import render
from arb.cli.completion import complete_cluster
from arb.cli.options import Json

if TYPE_CHECKING:
    from arb.clusters.why import Life

app = typer.Typer()


@app.command()
def why(
    cluster: Annotated[
        str,
        typer.Argument(
            metavar="CLUSTER",
            help="Name of a cluster, gone or not.",
            autocompletion=complete_cluster,
        ),
    ],
    everything: Annotated[
        bool, typer.Option("--all", "-a", help="Every cluster that had this name.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Tell what a launch tried, what was refused and why.

    Every attempt with its price and what became of it, offers that were skipped and until when, live
    prices that changed, machines that were lost. Also for clusters that are gone: the latest of that
    name.
    """
    from arb.clusters.session import Session
    from arb.clusters.why import lives_of

    with Session() as session:
        lives = lives_of(session.store, cluster, everything=everything)
    if as_json:
        render.json_document([life.to_dict() for life in lives])
        return
    for number, life in enumerate(lives):
        if number:
            render.line("")
        _show(life)


def _show(life: Life) -> None:
    record = life.record
    began = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(record.created_at))
    render.line(f"{record.name} ({record.status.value}), launched {began}")
    for moment in life.moments:
        at = time.strftime("%H:%M:%S", time.localtime(moment.at))
        for line in moment.lines:
            render.line(f"{at}  {line}")
