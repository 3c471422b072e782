"""``arb task``: what a task file says, without running it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from arb.cli import render
from arb.cli.options import Env, EnvFile, Json, Secret
from arb.errors import UsageError

if TYPE_CHECKING:
    from arb.tasks import Examined, JobGroup, Pipeline, Task

app = typer.Typer(no_args_is_help=True)

_INVALID = 2


@app.callback()
def task() -> None:
    """Check, show and describe task files, without credentials and network."""


@app.command()
def check(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE", help="Task files.", show_default=False)
    ],
    env: Env = None,
    env_file: EnvFile = None,
    secret: Secret = None,
    as_json: Json = False,
) -> int:
    """Say whether task files are good, and what they need.

    Exit code 2 when one of them is not. Values that must be given when the task is launched are
    listed; providers without an installed plugin are warnings, as another provider may do.
    """
    from arb.cli.task_input import overrides_from
    from arb.cli.task_report import Report, show_report
    from arb.tasks import examine

    overrides = overrides_from(env=env, env_file=env_file, secret=secret)
    reports = [Report.of(str(file), examine(file, overrides)) for file in files]
    if as_json:
        render.json_document([report.document() for report in reports])
    else:
        for report in reports:
            show_report(report)
    return 0 if all(report.good for report in reports) else _INVALID


@app.command()
def schema(as_json: Json = False) -> None:  # noqa: ARG001 - it is JSON either way
    """Print the JSON Schema of task files, for editors.

    An editor with a YAML language server takes it from a file, by a first line such as
    "# yaml-language-server: $schema=arb-task.json" in the task file.
    """
    from arb.tasks.schema import task_schema

    render.json_document(task_schema())


@app.command()
def show(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A task file.")],
    env: Env = None,
    env_file: EnvFile = None,
    secret: Secret = None,
    as_json: Json = False,
) -> None:
    """Print a task file as it was understood, and every machine that would do.

    Variables are filled in, units made plain, secrets masked. What is printed is a task
    file itself.
    """
    from arb.cli.task_input import overrides_from
    from arb.tasks import examine

    examined = examine(file, overrides_from(env=env, env_file=env_file, secret=secret))
    if examined.value is None:
        lines = "\n".join(map(str, examined.faults))
        raise UsageError(lines, code="task-invalid")
    if as_json:
        render.json_document(_documents(examined.value, examined))
    else:
        _print(examined.value, examined)
    for missing in examined.missing:
        render.note(f"{missing.where}: give it with {missing.given_by}")


def _documents(value: Task | Pipeline | JobGroup, examined: Examined) -> dict[str, Any]:
    from arb.tasks.show import alternative_document, as_documents

    return {
        "documents": as_documents(value),
        "alternatives": [
            [alternative_document(one) for one in task.resources.alternatives()]
            for task in examined.tasks
        ],
        "missing": [f"{missing.option} {missing.name}" for missing in examined.missing],
    }


def _print(value: Task | Pipeline | JobGroup, examined: Examined) -> None:
    from arb.tasks.show import as_documents, as_yaml, in_words

    render.line(as_yaml(as_documents(value)).rstrip("\n"))
    for number, task in enumerate(examined.tasks, start=1):
        name = task.name or (f"task {number}" if len(examined.tasks) > 1 else "this task")
        render.line(f"# Machines for {name}, the preferred first:")
        for one in task.resources.alternatives():
            words = " ".join(in_words(one).split())  # a name with a line end would end the comment
            render.line(f"#   {one.preference + 1}. {words}")
