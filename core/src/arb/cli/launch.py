"""``arb launch``."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated, Final

import typer

from arb.cli import render
from arb.cli.completion import complete_cluster
from arb.cli.group import Interrupted
from arb.cli.options import (
    Cpus,
    DiskSize,
    Env,
    EnvFile,
    Gpus,
    ImageId,
    Infra,
    InstanceType,
    Json,
    MaxHourlyCost,
    Memory,
    Near,
    NumNodes,
    Objective,
    Ports,
    PreferSpot,
    Secret,
    TaskArgument,
    UseSpot,
    Workdir,
    Yes,
)

if TYPE_CHECKING:
    from arb.clusters.jobs import Launched
    from arb.clusters.launch import Plan
    from arb.clusters.session import Session
    from arb.provision.agreement import Rise

app = typer.Typer()

_DECLINED: Final = 1

_Cluster = Annotated[
    str,
    typer.Option(
        "--cluster",
        "-c",
        metavar="NAME",
        help="Cluster to use or make; a new name if empty.",
        autocompletion=complete_cluster,
    ),
]
_Name = Annotated[str, typer.Option("--name", "-n", metavar="NAME", help="Name of the task.")]
_RetryUntilUp = Annotated[
    bool,
    typer.Option("--retry-until-up", "-r", help="When nothing can be bought, wait and try again."),
]
_MaxSlippage = Annotated[
    float | None,
    typer.Option(
        "--max-slippage",
        metavar="PERCENT",
        min=0,
        help="How far a price may rise from the list to the purchase; 5 by default.",
    ),
]
_TryBlocked = Annotated[
    bool, typer.Option("--try-blocked", help="Also try what an earlier refusal keeps out.")
]
_Detach = Annotated[
    bool, typer.Option("--detach", "-d", help="Return once the job is on the cluster.")
]
_Down = Annotated[
    bool, typer.Option("--down", help="Terminate the cluster when the job has ended.")
]
_Dryrun = Annotated[bool, typer.Option("--dryrun", help="Show what would be bought, and stop.")]


@app.command()
def launch(
    task: TaskArgument = None,
    cluster: _Cluster = "",
    name: _Name = "",
    infra: Infra = "",
    gpus: Gpus = "",
    num_nodes: NumNodes = None,
    use_spot: UseSpot = None,
    prefer_spot: PreferSpot = False,
    cpus: Cpus = "",
    memory: Memory = "",
    instance_type: InstanceType = "",
    disk_size: DiskSize = "",
    image_id: ImageId = "",
    ports: Ports = None,
    max_hourly_cost: MaxHourlyCost = None,
    objective: Objective = "",
    near: Near = None,
    workdir: Workdir = "",
    env: Env = None,
    env_file: EnvFile = None,
    secret: Secret = None,
    yes: Yes = False,
    retry_until_up: _RetryUntilUp = False,
    max_slippage: _MaxSlippage = None,
    try_blocked: _TryBlocked = False,
    detach: _Detach = False,
    down: _Down = False,
    dryrun: _Dryrun = False,
    as_json: Json = False,
) -> int:
    """Run a task on a cluster, buying its nodes first.

    A cluster of that name that is up is used again: its setup runs anew, nothing is bought.
    With a cluster name and no task, nodes are bought and wait for arb exec or arb ssh.
    """
    from arb.cli.follow import follow_job, session_for_task
    from arb.cli.task_input import overrides_from, read_task
    from arb.clusters.launch import Terms, Wish, plan_launch

    overrides = overrides_from(
        env=env, env_file=env_file, secret=secret, workdir=workdir, name=name, num_nodes=num_nodes,
        infra=infra, gpus=gpus, use_spot=use_spot, prefer_spot=prefer_spot, cpus=cpus,
        memory=memory, instance_type=instance_type, disk_size=disk_size, image_id=image_id,
        ports=ports, max_hourly_cost=max_hourly_cost,
    )  # fmt: skip
    terms = Terms(
        None if max_slippage is None else max_slippage / 100, retry_until_up=retry_until_up,
        try_blocked=try_blocked, objective=objective, near=tuple(near or ()),
    )  # fmt: skip
    with session_for_task() as session:
        wanted = read_task(task, overrides, required=not cluster, command="launch")
        plan = plan_launch(session, Wish(wanted, cluster, down=down, detach=detach, terms=terms))
        if dryrun:
            return _show_only(plan, session.clock.now(), as_json=as_json)
        _show(plan, session.clock.now())
        launched = _carry_out(session, plan, yes=yes)
        if launched is None:
            return _DECLINED
        return follow_job(session, launched, detach=detach, down=down, as_json=as_json)


def _carry_out(session: Session, plan: Plan, *, yes: bool) -> Launched | None:
    """Buy and hand over what was agreed to; None when nothing was."""
    from arb.clusters.launch import run_launch
    from arb.provision.agreement import Declined

    if _costs(plan) and not render.confirm(_question(plan), yes=yes):
        render.note("nothing was bought")
        return None
    try:
        return run_launch(session, plan, partial(_agree, yes=yes))
    except Declined as error:
        render.note(error.summary)
        return None
    except KeyboardInterrupt as error:
        raise _interrupted(session, plan.cluster) from error


def _interrupted(session: Session, cluster: str) -> Interrupted:
    """Return the error that says what there is of a cluster when Ctrl-C has ended its launch."""
    from arb.state.clusters import ClusterStatus, get_cluster

    record = get_cluster(session.store, cluster)
    hint = ""
    if record is None:
        left = f"nothing is left of cluster {cluster}"
    elif record.status is ClusterStatus.UP:
        left, hint = f"cluster {cluster} is up", f"end it with: arb down {cluster}"
    else:
        left = f"cluster {cluster} is not gone yet"
        hint = "the next arb command carries on with its end; arb status shows it"
    return Interrupted(f"interrupted: {left}", code="interrupted", hint=hint)


def _costs(plan: Plan) -> bool:
    return bool(plan.usd_hour) or plan.waits


def _question(plan: Plan) -> str:
    if plan.waits:
        return "Wait until there is an offer, and buy at the price that it is listed at then?"
    return f"Buy for {render.money(plan.usd_hour)} an hour?"


def _agree(rise: Rise, *, yes: bool) -> bool:
    """Ask about a price that rose since it was shown; --yes has agreed to that too."""
    now, before = render.money(rise.usd_hour), render.money(rise.agreed_usd_hour)
    if yes:
        render.warn(f"{rise.what} is now {now} an hour, not {before}; max_hourly_cost bounds it")
        return True
    what = rise.what.replace("the best", "The best", 1)
    return render.confirm(f"{what} is now {now} an hour, not {before}. Buy?", yes=yes)


def _show(plan: Plan, now: float) -> None:
    from arb.cli.offers import show_plan

    if plan.waits:
        render.note(f"Cluster {plan.cluster}: nothing that will do is available now")
    else:
        show_plan(plan, now)


def _show_only(plan: Plan, now: float, *, as_json: bool) -> int:
    from arb.cli.offers import plan_document

    if as_json:
        render.json_document(plan_document(plan, now))
        return 0
    _show(plan, now)
    if plan.ranking is None:
        render.note(f"cluster {plan.cluster} is up: nothing would be bought")
    return 0
