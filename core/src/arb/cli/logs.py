"""``arb logs``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from arb.cli import render
from arb.cli.completion import complete_job
from arb.cli.options import Cluster, Json

app = typer.Typer()


@app.command()
def logs(
    cluster: Cluster,
    job: Annotated[
        int,
        typer.Argument(
            metavar="JOB",
            help="Number of the job; the newest if left out.",
            autocompletion=complete_job,
            show_default=False,
        ),
    ] = 0,
    follow: Annotated[
        bool,
        typer.Option("--follow/--no-follow", "-f", help="Wait for more until the job has ended."),
    ] = True,
    tail: Annotated[
        int | None,
        typer.Option(metavar="N", min=0, help="Only the last so many lines of each rank."),
    ] = None,
    rank: Annotated[int | None, typer.Option(metavar="N", min=0, help="Only this rank.")] = None,
    sync_down: Annotated[
        bool, typer.Option("--sync-down", help="Copy the logs to ARB_HOME/logs instead.")
    ] = False,
    as_json: Json = False,
) -> int:
    """Show what a job printed, and follow it.

    Ctrl-C stops the showing, not the job. The exit code is the job's when it has ended.
    """
    from arb.cli.follow import asking_for, exit_code, job_document, session_for_task, show_log
    from arb.clusters.execute import usable
    from arb.clusters.jobs import last_job
    from arb.clusters.logs import LogWish, save_logs
    from arb.clusters.nodes import Nodes
    from arb.clusters.refresh import told_if_gone

    with session_for_task() as session, asking_for(cluster):
        record = usable(session, cluster)
        with told_if_gone(session, record):
            nodes = Nodes(session, record, whole=False)
            number = job or last_job(nodes)
            if sync_down:
                folder = session.home.folder("logs") / cluster / str(number)
                paths = save_logs(session, nodes, number, folder)
                _show_saved(paths, as_json=as_json)
                return 0
            wish = LogWish(follow=follow, tail=tail, rank=rank)
            ended = show_log(session, nodes, number, wish, to_stderr=as_json)
    if as_json:
        render.json_document(job_document(ended))
    return exit_code(ended, followed=follow and rank is None)


def _show_saved(paths: list[Path], *, as_json: bool) -> None:
    if as_json:
        render.json_document([str(path) for path in paths])
        return
    for path in paths:
        render.line(str(path))
