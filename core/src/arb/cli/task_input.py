"""What a command line says about a task: overrides of its file, and the task itself."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from arb.cli import render
from arb.errors import UsageError

if TYPE_CHECKING:
    from arb.tasks import Overrides, Task

__all__ = ["overrides_from", "read_task"]


def overrides_from(
    *,
    env: list[str] | None,
    env_file: list[Path] | None,
    secret: list[str] | None,
    use_spot: bool | None = None,
    prefer_spot: bool = False,
    ports: list[str] | None = None,
    **said: Any,
) -> Overrides:
    """Return what the command line says over the task file.

    Args:
        env: ``--env``.
        env_file: ``--env-file``.
        secret: ``--secret``.
        use_spot: ``--use-spot``.
        prefer_spot: ``--prefer-spot``, which wins.
        ports: ``--ports``.
        said: Other fields of ``Overrides``.
    """
    from arb.tasks import Overrides, parse_assignment, read_env_file

    envs: dict[str, str] = {}
    for path in env_file or []:
        envs.update(read_env_file(path))
    envs.update(parse_assignment(text, where="--env") for text in env or [])
    secrets = dict(parse_assignment(text, where="--secret") for text in secret or [])
    spot = "prefer" if prefer_spot else use_spot
    return Overrides(envs=envs, secrets=secrets, use_spot=spot, ports=tuple(ports or ()), **said)


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
        alone = "; launch also takes --cluster NAME alone" if command == "launch" else ""
        hint = f"give a task file or a command{alone}"
        raise UsageError("nothing to run", code="no-task", hint=hint)
    if len(words) == 1 and is_task_file(words[0]):
        task = load_task(Path(words[0]), overrides)
        for note in notes(task, command) if command else ():
            render.warn(note.message)
        return task
    _refuse_more_than_a_file(words)
    import shlex

    line = words[0] if len(words) == 1 else shlex.join(words)
    return task_from_command(line, overrides)


def _refuse_more_than_a_file(words: list[str]) -> None:
    """Refuse ``task.yaml WORD``, which is no command that anybody runs.

    Raises:
        UsageError: The first of several words is a task file.
    """
    from arb.tasks.reading import is_task_file

    if len(words) > 1 and is_task_file(words[0]) and Path(words[0]).is_file():
        summary = f"{words[0]} is a task file, and {words[1]!r} stands behind it"
        hint = "give one file, or a command; values for the file are given with --env NAME=VALUE"
        raise UsageError(summary, code="task-words", hint=hint)
