"""``arb down``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from arb.cli import render
from arb.cli.options import Json, Yes, complete_cluster
from arb.errors import UsageError

if TYPE_CHECKING:
    from arb.clusters.down import Ended

app = typer.Typer()


@app.command()
def down(
    clusters: Annotated[
        list[str] | None,
        typer.Argument(help="Names, or globs such as 'train-*'.", autocompletion=complete_cluster),
    ] = None,
    everything: Annotated[bool, typer.Option("--all", "-a", help="All clusters.")] = False,
    yes: Yes = False,
    as_json: Json = False,
) -> int:
    """Stop paying for clusters.

    The wish is kept until the provider confirms it: what cannot end yet is carried on with by the
    next command.
    """
    from arb.cli.progress import open_progress
    from arb.clusters.down import down as end
    from arb.clusters.names import matching
    from arb.clusters.session import Session
    from arb.provision.resume import resume

    if bool(clusters) == everything:
        raise UsageError("give cluster names, or --all", code="down-what")
    with open_progress() as progress, Session(progress=progress) as session:
        names = [c.name for c in matching(session.store, clusters or [], everything=everything)]
        if names and not yes and not render.confirm(f"End {', '.join(names)}?", yes=yes):
            return 1
        ended = end(session, names)
        resume(session.shop)
    _show(ended, as_json=as_json)
    return next((outcome.error.exit_code for outcome in ended if outcome.error), 0)


def _show(ended: list[Ended], *, as_json: bool) -> None:
    if as_json:
        render.json_document([_document(outcome) for outcome in ended])
        return
    if not ended:
        render.note("no cluster to end")
    for outcome in ended:
        if outcome.error is not None:
            render.error(outcome.error, as_json=False)
        for machine in outcome.left:
            why = machine.terminate_detail or "the provider has not confirmed it yet"
            render.warn(f"{outcome.cluster}: {machine.key} ends later: {why}")
        if outcome.left:
            render.hint("  the next arb command carries on; arb status shows it")
        elif outcome.error is None:
            render.note(f"Cluster {outcome.cluster} is gone")


def _document(outcome: Ended) -> dict[str, object]:
    return {
        "cluster": outcome.cluster,
        "gone": not outcome.left and outcome.error is None,
        "pending": [
            {"instance": m.key, "detail": m.terminate_detail, "retry_at": m.terminate_after}
            for m in outcome.left
        ],
        "error": outcome.error.to_dict() if outcome.error else None,
    }
