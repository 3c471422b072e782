"""``arb cancel``."""

from __future__ import annotations

from typing import Annotated

import typer

from arb.cli import render
from arb.cli.completion import complete_job
from arb.cli.options import Cluster, Json
from arb.errors import UsageError

app = typer.Typer()


@app.command()
def cancel(
    cluster: Cluster,
    jobs: Annotated[
        list[int] | None,
        typer.Argument(metavar="JOB", help="Numbers of the jobs.", autocompletion=complete_job),
    ] = None,
    everything: Annotated[bool, typer.Option("--all", "-a", help="All jobs.")] = False,
    as_json: Json = False,
) -> None:
    """Cancel jobs of a cluster."""
    from arb.cli.follow import asking_for
    from arb.clusters.execute import usable
    from arb.clusters.nodes import Nodes
    from arb.clusters.refresh import told_if_gone
    from arb.clusters.session import Session

    if bool(jobs) == everything:
        raise UsageError("give job numbers, or --all", code="cancel-what")
    with Session() as session, asking_for(cluster):
        record = usable(session, cluster)
        with told_if_gone(session, record):
            agent = Nodes(session, record, whole=False).head.agent()
            ended = agent.cancel(jobs or [], everything=everything)
    if as_json:
        render.json_document({"cluster": cluster, "cancelled": ended})
        return
    numbers = ", ".join(map(str, ended))
    render.note(f"cancelling job {numbers}" if ended else "nothing was running")
