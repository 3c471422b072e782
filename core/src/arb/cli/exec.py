"""``arb exec``."""

from __future__ import annotations

from typing import Annotated

import typer

from arb.cli.options import (
    Cluster,
    Env,
    EnvFile,
    Gpus,
    Json,
    NumNodes,
    Secret,
    TaskArgument,
    Workdir,
)

app = typer.Typer()

_Name = Annotated[str, typer.Option("--name", "-n", metavar="NAME", help="Name of the job.")]
_Detach = Annotated[bool, typer.Option("--detach", "-d", help="Return once the job is queued.")]


@app.command("exec")
def exec_(
    cluster: Cluster,
    task: TaskArgument = None,
    name: _Name = "",
    gpus: Gpus = "",
    num_nodes: NumNodes = None,
    workdir: Workdir = "",
    env: Env = None,
    env_file: EnvFile = None,
    secret: Secret = None,
    detach: _Detach = False,
    as_json: Json = False,
) -> int:
    """Run a task on a cluster that is up.

    Nothing is bought and setup does not run: the workdir is copied and the job is queued.
    """
    from arb.cli.follow import follow_job, session_for_task
    from arb.cli.task_input import overrides_from, read_task
    from arb.clusters.execute import execute

    overrides = overrides_from(
        env=env, env_file=env_file, secret=secret, workdir=workdir, name=name,
        num_nodes=num_nodes, gpus=gpus,
    )  # fmt: skip
    with session_for_task() as session:
        launched = execute(session, cluster, read_task(task, overrides, command="exec"))
        return follow_job(session, launched, detach=detach, as_json=as_json)
