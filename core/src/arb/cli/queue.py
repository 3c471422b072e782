"""``arb queue``."""

from __future__ import annotations

import typer

from arb.cli import render
from arb.cli.options import Cluster, Json

app = typer.Typer()


@app.command()
def queue(cluster: Cluster, as_json: Json = False) -> None:
    """List the jobs of a cluster."""
    from arb.cli.follow import job_document
    from arb.clusters.execute import usable
    from arb.clusters.nodes import Nodes
    from arb.clusters.refresh import told_if_gone
    from arb.clusters.session import Session

    with Session() as session:
        record = usable(session, cluster)
        with told_if_gone(session, record):
            jobs = Nodes(session, record, whole=False).head.agent().jobs()
        now = session.clock.now()
    if as_json:
        render.json_document([job_document(job) for job in jobs])
        return
    if not jobs:
        render.note(f"cluster {cluster} has run no job")
        return
    rows = [
        (
            str(job.id),
            job.name or "-",
            job.state.value,
            str(job.num_nodes),
            render.number(job.gpus) if job.gpus else "-",
            render.age(now - job.submitted_at) if job.submitted_at else "-",
            render.age((job.ended_at or now) - job.started_at) if job.started_at else "-",
            "-" if job.exit_code is None else str(job.exit_code),
        )
        for job in jobs
    ]
    columns = ("job", "name", "state", "nodes", "GPUs", "submitted", "ran", "code")
    render.table(columns, rows, right="job,nodes,GPUs,code")
