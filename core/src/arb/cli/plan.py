"""``arb plan``."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from arb.cli import render
from arb.cli.options import (
    Cpus,
    Env,
    EnvFile,
    InstanceType,
    Json,
    MaxHourlyCost,
    Memory,
    Near,
    Objective,
    PreferSpot,
    Secret,
    TaskArgument,
)
from arb.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from arb.cli.plan_view import PlanView
    from arb.clusters.catalog import Wanted
    from arb.tasks import Overrides, Task

app = typer.Typer()


@app.command()
def plan(
    task: TaskArgument = None,
    hours: Annotated[
        float | None,
        typer.Option(metavar="N", help="How long the nodes run; adds the totals of each strategy."),
    ] = None,
    spot_share: Annotated[
        float,
        typer.Option(metavar="SHARE", help="Share of the hours on spot in the blend, 0 to 1."),
    ] = 0.8,
    prices: Annotated[
        Path | None,
        typer.Option(metavar="FILE.csv", help="Prices that replace those of the providers in it."),
    ] = None,
    why: Annotated[
        bool, typer.Option("--why", help="Show how many offers each filter removed.")
    ] = False,
    objective: Objective = "",
    near: Near = None,
    near_weight: Annotated[
        float,
        typer.Option(min=0, max=1e6, metavar="W", help="How much distance counts against price."),
    ] = 1.0,
    limit: Annotated[
        int, typer.Option(min=0, metavar="N", help="At most so many offers; 0 is all.")
    ] = 10,
    infra: Annotated[str, typer.Option(metavar="PLACE", help="PROVIDER[/REGION[/ZONE]].")] = "",
    gpus: Annotated[
        str, typer.Option("--gpus", "--gpu", metavar="NAME[:COUNT]", help="For example H100:8.")
    ] = "",
    num_nodes: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="How many nodes.")
    ] = None,
    use_spot: Annotated[
        bool | None,
        typer.Option("--use-spot/--no-use-spot", "--spot/--on-demand", help="Spot or on-demand."),
    ] = None,
    prefer_spot: PreferSpot = False,
    cpus: Cpus = "",
    memory: Memory = "",
    instance_type: InstanceType = "",
    max_hourly_cost: MaxHourlyCost = None,
    env: Env = None,
    env_file: EnvFile = None,
    secret: Secret = None,
    plot: Annotated[
        Path | None, typer.Option(metavar="FILE.png", help="Draw the prices, too.")
    ] = None,
    as_json: Json = False,
) -> int:
    """Show what a task would be bought for, best offer first, without buying.

    Prices are those of the last reading, and their age is told; arb refresh reads them again.
    Variables without a value stop nothing here. With --hours, each provider's totals on demand and
    as spot are compared with a blend of both, for providers that the task does not name too.
    A file of several tasks has one plan for each.
    """
    from arb.cli.options import overrides_from
    from arb.cli.plan_several import Extent, show_each
    from arb.clusters.catalog import Wanted

    overrides = overrides_from(
        env=env, env_file=env_file, secret=secret, num_nodes=num_nodes, infra=infra, gpus=gpus,
        use_spot="prefer" if prefer_spot else use_spot, cpus=cpus, memory=memory,
        instance_type=instance_type, max_hourly_cost=max_hourly_cost,
    )  # fmt: skip
    wanted = Wanted(
        objective=objective, hours=hours, near=tuple(near or ()), near_weight=near_weight,
        overlay=prices,
    )  # fmt: skip
    if plot is not None:
        from arb.optimizer.plot import check_plot_path

        check_plot_path(plot)
    tasks = _read(task, overrides)
    if len(tasks) > 1:
        _check_for_one(overrides, plot)
    extent = Extent(limit, hours, spot_share, why)
    with _planning(wanted) as planned:
        if len(tasks) > 1:
            return show_each(tasks, planned, extent, as_json=as_json)
        view = planned(tasks[0])
        totals = extent.totals(view)
        if not as_json:
            view.show(limit, totals, why=why)
        view.check()
        if as_json:
            render.json_document(view.document(limit, totals))
        if plot is not None:
            view.draw(plot)
    return 0


def _check_for_one(overrides: Overrides, plot: Path | None) -> None:
    """Refuse for a file of several tasks what is about one.

    Raises:
        UsageError: An option is.
    """
    options = [*overrides.without_variables(), *(["--plot"] if plot is not None else [])]
    if options:
        verb = "is" if len(options) == 1 else "are"
        summary = f"{', '.join(options)} {verb} about one task, and the file holds several"
        raise UsageError(summary, code="plan-several", hint="write it into the file's tasks")


def _read(words: list[str] | None, overrides: Overrides) -> tuple[Task, ...]:
    """Read tasks as far as buying goes: variables may lack values."""
    from arb.cli.options import read_task
    from arb.tasks import examine, notes
    from arb.tasks.reading import is_task_file

    if words and len(words) == 1 and is_task_file(words[0]):
        tasks = examine(Path(words[0]), overrides).tasks
        told = (note.message for task in tasks for note in notes(task, "plan"))
        for message in dict.fromkeys(told):
            render.warn(message)
        if tasks:
            return tasks
    return (read_task(words, overrides, required=False),)


@contextmanager
def _planning(wanted: Wanted) -> Iterator[Callable[[Task], PlanView]]:
    """Yield what finds and ranks offers. Only the cache is made: no state, no keys."""
    from arb.cli.plan_view import PlanView
    from arb.cli.progress import open_progress
    from arb.clusters.catalog import look
    from arb.clusters.session import Session

    with Session(only_looks=True) as session:

        def planned(task: Task) -> PlanView:
            with open_progress() as progress:
                session.progress = progress
                found = look(session, task, wanted)
            return PlanView(task, found, session.clock.now())

        yield planned
