"""From a task file or an inline command, with the command line's overrides, to tasks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from arb.errors import UsageError
from arb.tasks.build import Builder
from arb.tasks.document import Document, read_documents
from arb.tasks.model import Task
from arb.tasks.overrides import Overrides
from arb.tasks.reading import read_file
from arb.text import counted

if TYPE_CHECKING:
    from pathlib import Path

    from arb.tasks.acted import Note
    from arb.tasks.build import Missing
    from arb.tasks.faults import Fault
    from arb.tasks.groups import JobGroup, Pipeline

__all__ = ["Examined", "Overrides", "examine", "load_document", "load_task"]
__all__ += ["load_text", "task_from_command"]

NOTHING = Overrides()
_MOST_BYTES: Final = 10_000_000


@dataclass(frozen=True, slots=True)
class Examined:
    """All that can be said of a task file.

    Attributes:
        value: What it holds; None when there are faults.
        faults: What is wrong.
        missing: Variables that must be given before it can run.
        notes: What stops nothing and is worth saying, with its place.
    """

    value: Task | Pipeline | JobGroup | None
    faults: tuple[Fault, ...] = ()
    missing: tuple[Missing, ...] = ()
    notes: tuple[tuple[str, Note], ...] = ()

    @property
    def tasks(self) -> tuple[Task, ...]:
        """Every task of the file."""
        if self.value is None:
            return ()
        return (self.value,) if isinstance(self.value, Task) else self.value.tasks


def load_task(path: Path, overrides: Overrides = NOTHING) -> Task:
    """Read a task file that holds one task.

    A relative ``workdir`` is relative to the folder that the command runs in, as in SkyPilot.

    Raises:
        UsageError: Not readable, not YAML, unknown keys, wrong values, or variables without a
            value. All faults of one file are told at once, each with line and column. Or the file
            holds several tasks.
    """
    loaded = load_document(path, overrides)
    if isinstance(loaded, Task):
        return loaded
    from arb.tasks.groups import Pipeline

    if isinstance(loaded, Pipeline) and len(loaded.tasks) == 1:
        return loaded.tasks[0].model_copy(update={"name": loaded.name or loaded.tasks[0].name})
    how = "one after the other" if isinstance(loaded, Pipeline) else "at the same time"
    summary = f"{path} holds {counted(len(loaded.tasks), 'task')} to run {how}; this runs one"
    hint = f"several tasks are run by arb-jobs: arb jobs launch {path}"
    raise UsageError(summary, code="task-several", hint=hint)


def load_document(path: Path, overrides: Overrides = NOTHING) -> Task | Pipeline | JobGroup:
    """Read a task file that may hold several tasks; overrides count for each of them.

    Raises:
        UsageError: As ``load_task``.
    """
    return load_text(_text(path), str(path), overrides)


def load_text(text: str, name: str, overrides: Overrides = NOTHING) -> Task | Pipeline | JobGroup:
    """Read the text of a task file.

    Args:
        text: YAML.
        name: What messages call it.
        overrides: As for ``load_document``.

    Raises:
        UsageError: As ``load_task``.
    """
    return _built(read_documents(text, name), name, overrides).result()


def examine(path: Path, overrides: Overrides = NOTHING) -> Examined:
    """Read a task file and return all that can be said of it, instead of raising."""
    from arb.tasks.faults import Fault

    try:
        builder = _built(read_documents(_text(path), str(path)), str(path), overrides)
    except UsageError as error:
        where, _, message = error.summary.partition(": ")
        placed = where.startswith(f"{path}:")
        fault = Fault(where, message) if placed else Fault("", error.summary)
        return Examined(None, faults=(fault,))
    return Examined(
        builder.value, tuple(builder.faults), tuple(builder.missing), tuple(builder.notes)
    )


def task_from_command(command: str, overrides: Overrides = NOTHING) -> Task:
    """Make a task whose ``run`` is one shell command."""
    name = "command line"
    made = _built([Document(name, {"run": command})], name, overrides).result()
    return made if isinstance(made, Task) else made.tasks[0]


def _text(path: Path) -> str:
    try:
        data = read_file(path, _MOST_BYTES)
        if len(data) > _MOST_BYTES:
            raise _too_large(path)
        return data.decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8 text"
        raise UsageError(f"cannot read {path}: {reason}", code="task-unreadable") from error


def _too_large(path: Path) -> UsageError:
    summary = f"{path} is larger than {_MOST_BYTES // 1_000_000} MB: put data below workdir"
    return UsageError(summary, code="task-too-large")


def _built(documents: list[Document], name: str, overrides: Overrides) -> Builder:
    builder = Builder(name, overrides)
    builder.build(documents)
    return builder
