"""Options that several commands share, and reading tasks from a command line."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from arb.cli import render
from arb.errors import ArbError, UsageError

if TYPE_CHECKING:
    from arb.tasks import Overrides, Task

__all__ = ["Cluster", "Env", "EnvFile", "Json", "Secret", "TaskArgument", "Workdir", "Yes"]
__all__ += ["Cpus", "DiskSize", "ImageId", "InstanceType", "MaxHourlyCost", "Memory", "Ports"]
__all__ += ["PreferSpot", "overrides_from", "read_task"]


def complete_cluster(incomplete: str) -> list[str]:
    """Return live cluster names for shell completion; none when state cannot be read.

    Completion makes nothing: neither a home nor a database.
    """
    from arb.clusters.session import Session
    from arb.state.clusters import list_clusters

    with Session() as session:
        if not session.home.root.exists() and not session.env.get("ARB_DATABASE_URL"):
            return []
        try:
            names = [record.name for record in list_clusters(session.store)]
        except ArbError:
            return []
    return [name for name in names if name.startswith(incomplete)]


Json = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before money is spent.")]
Cluster = Annotated[
    str, typer.Argument(help="Name of the cluster.", autocompletion=complete_cluster)
]
TaskArgument = Annotated[
    list[str] | None,
    typer.Argument(metavar="TASK.yaml | COMMAND", help="A task file, or a shell command to run."),
]
Env = Annotated[
    list[str] | None,
    typer.Option(
        "--env",
        metavar="NAME[=VALUE]",
        help="A variable; NAME alone takes it from this shell. Repeatable.",
    ),
]
EnvFile = Annotated[
    list[Path] | None,
    typer.Option("--env-file", metavar="FILE", help="A file of NAME=value lines. Repeatable."),
]
Secret = Annotated[
    list[str] | None,
    typer.Option(
        "--secret",
        metavar="NAME[=VALUE]",
        help="As --env, but kept out of every table, log and listing. Repeatable.",
    ),
]
Workdir = Annotated[
    str,
    typer.Option(
        "--workdir", metavar="FOLDER", help="Folder to copy to ~/sky_workdir of every node."
    ),
]


Cpus = Annotated[str, typer.Option("--cpus", metavar="N[+]", help="vCPUs, for example 8+.")]
Memory = Annotated[
    str, typer.Option("--memory", metavar="GIB[+]", help="GiB, for example 64+, or 4x a vCPU.")
]
InstanceType = Annotated[
    str, typer.Option("--instance-type", metavar="TYPE", help="The provider's own name.")
]
DiskSize = Annotated[
    str, typer.Option("--disk-size", metavar="GIB", help="Boot disk, for example 200 or 1TB.")
]
ImageId = Annotated[str, typer.Option("--image-id", metavar="IMAGE", help="What a node boots.")]
Ports = Annotated[
    list[str] | None,
    typer.Option("--ports", metavar="PORT", help="8080 or 8000-8010, to open. Repeatable."),
]
MaxHourlyCost = Annotated[
    float | None,
    typer.Option("--max-hourly-cost", metavar="USD", help="At most this for one node and hour."),
]
PreferSpot = Annotated[
    bool, typer.Option("--prefer-spot", help="Spot and on-demand, whichever is cheaper.")
]


Objective = Annotated[
    str,
    typer.Option(
        "--objective",
        metavar="NAME",
        help="What is best: cost, value (USD for a dense bf16 PFLOP-hour) or latency.",
    ),
]
Near = Annotated[
    list[str] | None,
    typer.Option(
        "--near",
        metavar="LAT,LON | REGION",
        help="Where clients are, for the objective latency. Repeatable.",
    ),
]


def overrides_from(
    *,
    env: list[str] | None,
    env_file: list[Path] | None,
    secret: list[str] | None,
    **said: Any,
) -> Overrides:
    """Return what the command line says over the task file.

    Args:
        env: ``--env``.
        env_file: ``--env-file``.
        secret: ``--secret``.
        said: Other fields of ``Overrides``.
    """
    from arb.tasks import Overrides, parse_assignment, read_env_file

    envs: dict[str, str] = {}
    for path in env_file or []:
        envs.update(read_env_file(path))
    envs.update(parse_assignment(text, where="--env") for text in env or [])
    secrets = dict(parse_assignment(text, where="--secret") for text in secret or [])
    return Overrides(envs=envs, secrets=secrets, **said)


def read_task(
    words: list[str] | None, overrides: Overrides, *, required: bool = True, command: str = ""
) -> Task:
    """Read a task file, or make a task of a command.

    One word that ends in ``.yaml`` or ``.yml``, or that is a pipe, is a file; anything else is a
    command. Keys of the file that ``command`` does not act on are told once.

    Raises:
        UsageError: Nothing to run, or as ``load_task``.
    """
    from arb.tasks import load_task, notes, task_from_command
    from arb.tasks.reading import is_task_file

    if not words and not required:
        return task_from_command("", overrides)
    if not words:
        hint = "give a task file or a command; launch also takes --cluster NAME alone"
        raise UsageError("nothing to run", code="no-task", hint=hint)
    if len(words) == 1 and is_task_file(words[0]):
        task = load_task(Path(words[0]), overrides)
        for note in notes(task, command) if command else ():
            render.warn(note.message)
        return task
    import shlex

    line = words[0] if len(words) == 1 else shlex.join(words)
    return task_from_command(line, overrides)
