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
    Gpus,
    Infra,
    InstanceType,
    Json,
    MaxHourlyCost,
    Memory,
    Near,
    NumNodes,
    Objective,
    Plot,
    PreferSpot,
    Secret,
    TaskArgument,
    UseSpot,
)
from arb.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from arb.cli.plan_view import PlanView
    from arb.clusters.catalog import Wanted
    from arb.tasks import Overrides, Task

app = typer.Typer()

_Hours = Annotated[
    float | None,
    typer.Option(
        "--hours", metavar="N", help="How long the nodes run; adds the totals of each strategy."
    ),
]
_SpotShare = Annotated[
    float,
    typer.Option(
        "--spot-share", metavar="SHARE", help="Share of the hours on spot in the blend, 0 to 1."
    ),
]
_Prices = Annotated[
    Path | None,
    typer.Option(
        "--prices", metavar="FILE.csv", help="Prices that replace those of the providers in it."
    ),
]
_Why = Annotated[bool, typer.Option("--why", help="Show how many offers each filter removed.")]
_NearWeight = Annotated[
    float,
    typer.Option(
        "--near-weight",
        min=0,
        max=1e6,
        metavar="W",
        help="How much distance counts against price.",
    ),
]
_Limit = Annotated[
    int, typer.Option("--limit", min=0, metavar="N", help="At most so many offers; 0 is all.")
]


@app.command()
def plan(
    task: TaskArgument = None,
    hours: _Hours = None,
    spot_share: _SpotShare = 0.8,
    prices: _Prices = None,
    why: _Why = False,
    objective: Objective = "",
    near: Near = None,
    near_weight: _NearWeight = 1.0,
    limit: _Limit = 10,
    infra: Infra = "",
    gpus: Gpus = "",
    num_nodes: NumNodes = None,
    use_spot: UseSpot = None,
    prefer_spot: PreferSpot = False,
    cpus: Cpus = "",
    memory: Memory = "",
    instance_type: InstanceType = "",
    max_hourly_cost: MaxHourlyCost = None,
    env: Env = None,
    env_file: EnvFile = None,
    secret: Secret = None,
    plot: Plot = None,
    as_json: Json = False,
) -> int:
    """Show what a task would be bought for, best offer first, without buying.

    Prices are those of the last reading, and their age is told; arb refresh reads them again.
    Variables without a value stop nothing here. With --hours, each provider's totals on demand and
    as spot are compared with a blend of both, for providers that the task does not name too.
    A file of several tasks has one plan for each.
    """
    from arb.cli.market import check_plot
    from arb.cli.plan_several import Extent, show_each, shown
    from arb.cli.task_input import overrides_from
    from arb.clusters.catalog import Wanted

    overrides = overrides_from(
        env=env, env_file=env_file, secret=secret, num_nodes=num_nodes, infra=infra, gpus=gpus,
        use_spot=use_spot, prefer_spot=prefer_spot, cpus=cpus, memory=memory,
        instance_type=instance_type, max_hourly_cost=max_hourly_cost,
    )  # fmt: skip
    wanted = Wanted(
        objective=objective, hours=hours, near=tuple(near or ()), near_weight=near_weight,
        overlay=prices,
    )  # fmt: skip
    extent = Extent(limit, hours, spot_share, why)
    check_plot(plot)
    tasks = _read(task, overrides, plot)
    with _planning(wanted) as planned:
        if len(tasks) > 1:
            return show_each(tasks, planned, extent, as_json=as_json)
        view = planned(tasks[0])
        document = shown(view, extent, as_json=as_json)
        if as_json:
            render.json_document(document)
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


def _read(words: list[str] | None, overrides: Overrides, plot: Path | None) -> tuple[Task, ...]:
    """Read tasks as far as buying goes: variables may lack values.

    Raises:
        UsageError: As ``read_task``, or the options do not fit several tasks.
    """
    from arb.cli.task_input import read_task
    from arb.tasks import examine, notes
    from arb.tasks.reading import is_task_file

    if words and len(words) == 1 and is_task_file(words[0]):
        tasks = examine(Path(words[0]), overrides).tasks
        told = (note.message for task in tasks for note in notes(task, "plan"))
        for message in dict.fromkeys(told):
            render.warn(message)
        if len(tasks) > 1:
            _check_for_one(overrides, plot)
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
