"""From YAML documents to tasks: overrides, variables, validation, and everything there is to say."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from arb.errors import UsageError, closest
from arb.tasks.acted import Note, notes
from arb.tasks.environment import secret_name
from arb.tasks.faults import Fault, faults_of, raise_all
from arb.tasks.forms import kind
from arb.tasks.internal import without_internal
from arb.tasks.model import Task
from arb.tasks.overrides import Overrides
from arb.tasks.substitute import fill, waits_for, without

if TYPE_CHECKING:
    from pydantic import BaseModel

    from arb.tasks.document import Document, Path
    from arb.tasks.groups import JobGroup, Pipeline

__all__ = ["Builder", "Missing"]

_FOR_ALL = ("termination_delay", "default")


@dataclass(frozen=True, slots=True)
class Missing:
    """A variable that a file wants and does not give.

    Attributes:
        where: ``file:line:column``.
        option: ``--env`` or ``--secret``.
        name: Of the variable.
    """

    where: str
    option: str
    name: str

    @property
    def given_by(self) -> str:
        """What to write on the command line. A secret's name alone keeps its value out of there."""
        return f"{self.option} {self.name}{'' if self.option == '--secret' else '=...'}"


class Builder:
    """Builds what one file holds, and collects what there is to say about it.

    Attributes:
        value: What was built; None when there are faults.
        faults: What is wrong.
        missing: Variables without a value.
        notes: What stops nothing, with its place.
    """

    def __init__(self, name: str, overrides: Overrides) -> None:
        self.value: Task | Pipeline | JobGroup | None = None
        self.faults: list[Fault] = []
        self.missing: list[Missing] = []
        self.notes: list[tuple[str, Note]] = []
        self._name = name
        self._overrides = overrides

    def result(self) -> Task | Pipeline | JobGroup:
        """Return what was built.

        Raises:
            UsageError: There are faults, or variables without a value.
        """
        raise_all(self.faults)
        if self.missing or self.value is None:
            raise _missing_values(self.missing)
        return self.value

    def build(self, documents: list[Document]) -> None:
        """Build a task, a pipeline or a group."""
        self._check_shape(documents)
        if self.faults:
            return
        header, *rest = documents
        if rest and header.value.get("execution") == "parallel":
            self._group(header, rest)
        elif rest and {"name"} <= header.value.keys() <= {"name", "execution"}:
            self._pipeline(header, rest)
        elif rest:
            self._pipeline(None, documents)
        else:
            self.value = self._task(header, self._overrides)
        if self.faults:
            self.value = None

    def _check_shape(self, documents: list[Document]) -> None:
        for document in documents:
            if not isinstance(document.value, dict):
                told = f"expected a map of keys, got {kind(document.value)}"
                self.faults.append(Fault(document.where(()), told))
        if not any(document.value for document in documents):
            self.faults.append(Fault(self._name, "it holds no task: write at least run"))

    def _pipeline(self, header: Document | None, documents: list[Document]) -> None:
        from arb.tasks.groups import Pipeline, PipelineHeader

        read = None
        if header is not None:
            read = self._validated(header, header.value, PipelineHeader)
        tasks = self._tasks(documents)
        self.value = Pipeline(self._overrides.name or (read.name if read else ""), tasks)

    def _group(self, header: Document, documents: list[Document]) -> None:
        from arb.tasks.groups import HEADER_KEYS, GroupHeader, JobGroup

        for key in [key for key in header.value if key not in HEADER_KEYS]:
            note = Note((str(key),), f"{key}: no key of a header; it is left out of account")
            self.notes.append((header.where(note.path), note))
        known = {key: value for key, value in header.value.items() if key in HEADER_KEYS}
        read = self._validated(header, known, GroupHeader)
        tasks = self._tasks(documents)
        names = self._names(documents)
        if read is None:
            return
        delays = read.termination_delay
        for key, wanted in (("primary_tasks", read.primary_tasks), ("termination_delay", delays)):
            for name in [n for n in wanted if n not in names and (key, n) != _FOR_ALL]:
                told = closest(name, names, what="task")
                self.faults.append(Fault(header.where((key,)), told))
        name = self._overrides.name or read.name
        self.value = JobGroup(name, tasks, read.primary_tasks, delays, read.inter_connection)

    def _names(self, documents: list[Document]) -> list[str]:
        """Return the names of a group's tasks; each must have one, a plain one of its own."""
        from arb.tasks.groups import plain_name

        found: list[str] = []
        for document in documents:
            name = document.value.get("name")
            told = "" if name is not None else "a task of a group needs a name"
            try:
                told = told or (f"two tasks are called {name}" if name in found else "")
                found.append(plain_name(name))
            except ValueError as error:
                told = told or str(error)
            if told:
                self.faults.append(Fault(document.where(("name",)), told))
        return found

    def _tasks(self, documents: list[Document]) -> tuple[Task, ...]:
        """Build each; what the command line says of one task counts where there is one."""
        overrides = replace(self._overrides, name="")
        if len(documents) > 1 and (ignored := overrides.without_variables()):
            note = Note(
                (), f"{', '.join(ignored)}: left out of account, as the file has several tasks"
            )
            self.notes.append((self._name, note))
            overrides = Overrides(envs=overrides.envs, secrets=overrides.secrets)
        built = [self._task(document, overrides) for document in documents]
        return tuple(task for task in built if task is not None)

    def _task(self, document: Document, overrides: Overrides) -> Task | None:
        values, ignored = without_internal(document.value)
        values = overrides.apply(values)
        placed = replace(document, options=overrides.places())
        marks = dict(document.marks)
        try:
            values = fill(values, _variables(values), _renamed(marks))
        except ValueError as error:
            self.faults.append(Fault(placed.where(()), str(error)))
            return None
        placed = replace(placed, marks=marks)
        task = self._validated(placed, values, Task, _without_value(values))
        if task is None:
            return None
        task = _with_managed(task)
        self._note_missing(placed, task)
        told = sorted((*ignored, *notes(task)), key=lambda note: placed.mark(note.path))
        self.notes += [(placed.where(note.path), note) for note in told]
        return task

    def _validated(
        self,
        document: Document,
        values: Any,
        model: type[BaseModel],
        pending: frozenset[str] = frozenset(),
    ) -> Any:
        """Return the model, or None and the faults.

        What waits for a variable that has no value yet cannot be judged, and is left out.
        """
        try:
            return model.model_validate(values)
        except ValidationError as error:
            found = [(fault["loc"], fault["input"]) for fault in error.errors()]
            waiting = [path for path, value in found if waits_for(path, value, pending)]
            if waiting:
                return self._validated(document, without(values, waiting), model)
            self.faults += faults_of(document, error, model, self._hidden(values))
            return None

    def _hidden(self, values: Any) -> set[str]:
        secrets = values.get("secrets")
        own = secrets.values() if isinstance(secrets, dict) else ()
        return {str(value) for value in own if value is not None} | set(
            self._overrides.secrets.values()
        )

    def _note_missing(self, document: Document, task: Task) -> None:
        for key, option in (("envs", "--env"), ("secrets", "--secret")):
            for name, value in getattr(task, key).items():
                known = any((m.option, m.name) == (option, name) for m in self.missing)
                if value is None and not known:
                    self.missing.append(Missing(document.where((key, name)), option, name))


def _variables(values: dict[str, Any]) -> dict[str, str]:
    """Return what can be filled in now: ``envs`` with a value. A secret of that name goes first."""
    envs, secrets = values.get("envs"), values.get("secrets")
    if not isinstance(envs, dict):
        return {}
    names = secrets if isinstance(secrets, dict | list) else ()
    hidden = {secret_name(str(name)) for name in names}
    return {
        str(name): str(value)
        for name, value in envs.items()
        if value is not None and str(name) not in hidden
    }


def _without_value(values: dict[str, Any]) -> frozenset[str]:
    """Return the variables that must still be given."""
    blocks = [values.get(key) for key in ("envs", "secrets")]
    maps = [block for block in blocks if isinstance(block, dict)]
    return frozenset(str(name) for block in maps for name, value in block.items() if value is None)


def _renamed(marks: dict[Path, tuple[int, int]]) -> Any:
    """Return what keeps positions right when a variable changes a key."""

    def move(old: Path, new: Path) -> None:
        below = [path for path in marks if path[: len(old)] == old]
        marks.update({(*new, *path[len(old) :]): marks[path] for path in below})

    return move


def _with_managed(task: Task) -> Task:
    """Add the secrets that are kept elsewhere to those that must be given."""
    named = {secret.name: None for secret in task.managed_secrets}
    if not named.keys() - task.secrets.keys():
        return task
    return task.model_copy(update={"secrets": {**named, **task.secrets}})


def _missing_values(missing: list[Missing]) -> UsageError:
    """Name every variable without a value at once."""
    lines: dict[str, tuple[str, list[str]]] = {}
    for each in missing:
        lines.setdefault(each.option, (each.where, []))[1].append(each.name)
    summary = "\n".join(
        f"{where}: no value for {', '.join(names)}" for where, names in lines.values()
    )
    hint = " ".join(each.given_by for each in missing)
    return UsageError(summary, code="task-missing-value", hint=hint)
