"""Options that several commands share, and reading tasks from a command line."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from arb.errors import ArbError, UsageError

if TYPE_CHECKING:
    from arb.tasks import Overrides, Task

__all__ = ["Cluster", "Env", "EnvFile", "Json", "Secret", "TaskArgument", "Workdir", "Yes"]
__all__ += ["overrides_from", "read_task"]


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


def overrides_from(
    *,
    env: list[str] | None,
    env_file: list[Path] | None,
    secret: list[str] | None,
    workdir: str = "",
    name: str = "",
    num_nodes: int | None = None,
    infra: str = "",
    gpus: str = "",
    use_spot: bool | None = None,
) -> Overrides:
    """Return what the command line says over the task file."""
    from arb.tasks import Overrides, parse_assignment, read_env_file

    envs: dict[str, str] = {}
    for path in env_file or []:
        envs.update(read_env_file(path))
    envs.update(parse_assignment(text, where="--env") for text in env or [])
    return Overrides(
        name=name,
        workdir=workdir,
        num_nodes=num_nodes,
        infra=infra,
        gpus=gpus,
        use_spot=use_spot,
        envs=envs,
        secrets=dict(parse_assignment(text, where="--secret") for text in secret or []),
    )


def read_task(words: list[str] | None, overrides: Overrides, *, required: bool = True) -> Task:
    """Read a task file, or make a task of a command.

    One word that ends in ``.yaml`` or ``.yml`` is a file; anything else is a command.

    Raises:
        UsageError: Nothing to run, or as ``load_task``.
    """
    from arb.tasks import load_task, task_from_command

    if not words and not required:
        return task_from_command("", overrides)
    if not words:
        hint = "give a task file or a command; launch also takes --cluster NAME alone"
        raise UsageError("nothing to run", code="no-task", hint=hint)
    if len(words) == 1 and words[0].endswith((".yaml", ".yml")):
        return load_task(Path(words[0]), overrides)
    import shlex

    command = words[0] if len(words) == 1 else shlex.join(words)
    return task_from_command(command, overrides)
