"""From a task file or an inline command, with the command line's overrides, to a ``Task``."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from arb.errors import UsageError, closest
from arb.tasks.document import Document, read_document
from arb.tasks.model import Task
from arb.tasks.resources import Resources

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pydantic import BaseModel

__all__ = ["Overrides", "load_task", "task_from_command"]


@dataclass(frozen=True, slots=True)
class Overrides:
    """What the command line says; None and empty leave the file's value.

    ``infra`` replaces the file's place as a whole.
    """

    name: str = ""
    workdir: str = ""
    num_nodes: int | None = None
    infra: str = ""
    gpus: str = ""
    use_spot: bool | None = None
    envs: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)


def load_task(path: Path, overrides: Overrides = Overrides()) -> Task:
    """Read a task file.

    A relative ``workdir`` is relative to the folder that the command runs in, as in SkyPilot.

    Raises:
        UsageError: Not readable, not YAML, unknown keys, wrong values, or variables without a
            value. All faults of one file are told at once, each with line and column.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8 text"
        raise UsageError(f"cannot read {path}: {reason}", code="task-unreadable") from error
    return _build(read_document(text, str(path)), overrides)


def task_from_command(command: str, overrides: Overrides = Overrides()) -> Task:
    """Make a task whose ``run`` is one shell command."""
    return _build(Document("command line", {"run": command}), overrides)


def _build(document: Document, overrides: Overrides) -> Task:
    if not isinstance(document.value, dict):
        kind = type(document.value).__name__
        raise UsageError(f"{document.name}: expected a mapping of keys, got a {kind}", code="task")
    values = _merged(document.value, overrides)
    try:
        task = Task.model_validate(values)
    except ValidationError as error:
        raise _told(document, error) from error
    _require_values(document, task)
    return task


def _merged(values: dict[str, Any], overrides: Overrides) -> dict[str, Any]:
    merged = {key: value for key, value in values.items() if value is not None}
    resources = merged.get("resources", {})
    if isinstance(resources, dict):
        merged["resources"] = _merged_resources(resources, overrides)
    for key in ("name", "workdir", "num_nodes"):
        if value := getattr(overrides, key):
            merged[key] = value
    return _with_variables(merged, overrides)


def _merged_resources(resources: dict[Any, Any], overrides: Overrides) -> dict[Any, Any]:
    merged = dict(resources)
    if overrides.infra:
        for key in ("infra", "cloud", "region", "zone"):
            merged.pop(key, None)
        merged["infra"] = overrides.infra
    if overrides.gpus:
        merged["accelerators"] = overrides.gpus
    if overrides.use_spot is not None:
        merged["use_spot"] = overrides.use_spot
    return {key: value for key, value in merged.items() if value is not None}


def _with_variables(merged: dict[str, Any], overrides: Overrides) -> dict[str, Any]:
    """Add the command line's variables; what is no mapping stays, for validation to refuse it."""
    secrets, envs = merged.get("secrets", {}), merged.get("envs", {})
    if isinstance(secrets, dict):
        merged["secrets"] = {**secrets, **overrides.secrets}
    if isinstance(envs, dict):
        both = {**envs, **overrides.envs}
        merged["envs"] = {key: value for key, value in both.items() if key not in overrides.secrets}
    return merged


def _require_values(document: Document, task: Task) -> None:
    """Refuse variables without a value, all of them at once."""
    lines: list[str] = []
    options: list[str] = []
    for kind, option in (("envs", "--env"), ("secrets", "--secret")):
        missing = [name for name, value in getattr(task, kind).items() if value is None]
        if missing:
            where = document.where((kind, missing[0]))
            lines.append(f"{where}: no value for {', '.join(missing)}")
            options.extend(f"{option} {name}=..." for name in missing)
    if lines:
        raise UsageError("\n".join(lines), code="task-missing-value", hint=" ".join(options))


def _told(document: Document, error: ValidationError) -> UsageError:
    lines = [_line(document, fault) for fault in error.errors()]
    return UsageError("\n".join(dict.fromkeys(lines)), code="task-invalid")


def _line(document: Document, fault: Any) -> str:
    path = tuple(part for part in fault["loc"] if not str(part).startswith("function-"))
    where = document.where(path)
    if fault["type"] == "extra_forbidden":
        return f"{where}: {closest(str(path[-1]), _known(path), what='key')}"
    message = fault["msg"].removeprefix("Value error, ")
    if fault["type"] == "model_type":
        message = f"expected a mapping of keys, got a {type(fault['input']).__name__}"
    name = ".".join(str(part) for part in path)
    return f"{where}: {name}: {message}" if name else f"{where}: {message}"


def _known(path: tuple[Any, ...]) -> list[str]:
    model: type[BaseModel] = Resources if path[0] == "resources" else Task
    return list(model.model_fields)
