"""``arb launch``."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from arb.cli import render
from arb.cli.options import (
    Cpus,
    DiskSize,
    Env,
    EnvFile,
    ImageId,
    InstanceType,
    Json,
    MaxHourlyCost,
    Memory,
    Near,
    Objective,
    Ports,
    PreferSpot,
    Secret,
    TaskArgument,
    Workdir,
    Yes,
)

if TYPE_CHECKING:
    from arb.clusters.launch import Plan
    from arb.provision.agreement import Rise

app = typer.Typer()


@app.command()
def launch(
    task: TaskArgument = None,
    cluster: Annotated[
        str,
        typer.Option(
            "--cluster", "-c", metavar="NAME", help="Cluster to use or make; a new name if empty."
        ),
    ] = "",
    name: Annotated[
        str, typer.Option("--name", "-n", metavar="NAME", help="Name of the task.")
    ] = "",
    infra: Annotated[
        str, typer.Option("--infra", metavar="PLACE", help="PROVIDER[/REGION[/ZONE]].")
    ] = "",
    gpus: Annotated[
        str, typer.Option("--gpus", "--gpu", metavar="NAME[:COUNT]", help="For example H100:8.")
    ] = "",
    num_nodes: Annotated[
        int | None, typer.Option("--num-nodes", metavar="N", min=1, help="How many nodes.")
    ] = None,
    use_spot: Annotated[
        bool | None,
        typer.Option("--use-spot/--no-use-spot", "--spot/--on-demand", help="Spot or on-demand."),
    ] = None,
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
    retry_until_up: Annotated[
        bool,
        typer.Option(
            "--retry-until-up", "-r", help="When nothing can be bought, wait and try again."
        ),
    ] = False,
    max_slippage: Annotated[
        float | None,
        typer.Option(
            "--max-slippage",
            metavar="PERCENT",
            min=0,
            help="How far a price may rise from the list to the purchase; 5 by default.",
        ),
    ] = None,
    try_blocked: Annotated[
        bool, typer.Option("--try-blocked", help="Also try what an earlier refusal keeps out.")
    ] = False,
    detach: Annotated[
        bool, typer.Option("--detach", "-d", help="Return once the job is on the cluster.")
    ] = False,
    down: Annotated[
        bool, typer.Option("--down", help="Terminate the cluster when the job has ended.")
    ] = False,
    dryrun: Annotated[
        bool, typer.Option("--dryrun", help="Show what would be bought, and stop.")
    ] = False,
    as_json: Json = False,
) -> int:
    """Run a task on a cluster, buying its nodes first.

    A cluster of that name that is up is used again: its setup runs anew, nothing is bought.
    With a cluster name and no task, nodes are bought and wait for arb exec or arb ssh.
    """
    from arb.cli.follow import follow_job, session_for_task
    from arb.cli.options import overrides_from, read_task
    from arb.clusters.launch import Terms, Wish, plan_launch, run_launch
    from arb.provision.agreement import Declined

    overrides = overrides_from(
        env=env,
        env_file=env_file,
        secret=secret,
        workdir=workdir,
        name=name,
        num_nodes=num_nodes,
        infra=infra,
        gpus=gpus,
        use_spot="prefer" if prefer_spot else use_spot,
        cpus=cpus,
        memory=memory,
        instance_type=instance_type,
        disk_size=disk_size,
        image_id=image_id,
        ports=tuple(ports or ()),
        max_hourly_cost=max_hourly_cost,
    )
    with session_for_task() as session:
        wanted = read_task(task, overrides, required=not cluster, command="launch")
        slippage = None if max_slippage is None else max_slippage / 100
        terms = Terms(
            slippage,
            retry_until_up=retry_until_up,
            try_blocked=try_blocked,
            objective=objective,
            near=tuple(near or ()),
        )
        wish = Wish(wanted, cluster=cluster, down=down, detach=detach, terms=terms)
        plan = plan_launch(session, wish)
        _show(plan, session.clock.now(), as_json=as_json and dryrun)
        if dryrun:
            if plan.ranking is None and not as_json:
                render.note(f"cluster {plan.cluster} is up: nothing would be bought")
            return 0
        if _costs(plan) and not render.confirm(_question(plan), yes=yes):
            render.note("nothing was bought")
            return 1
        try:
            launched = run_launch(session, plan, partial(_agree, yes=yes))
        except Declined as error:
            render.note(error.summary)
            return 1
        return follow_job(session, launched, detach=detach, down=down, as_json=as_json)


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


def _show(plan: Plan, now: float, *, as_json: bool) -> None:
    from arb.cli import offers

    if as_json:
        render.json_document(offers.plan_document(plan, now))
    elif plan.waits:
        render.note(f"Cluster {plan.cluster}: nothing that will do is available now")
    elif plan.ranking is not None:
        offers.show_plan(plan, now)
