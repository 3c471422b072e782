"""What is wrong with a task file, in words and with its place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, get_args

from pydantic import BaseModel

from arb.errors import UsageError, closest
from arb.tasks.forms import Short, kind
from arb.tasks.retired import successor

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from pydantic import ValidationError

    from arb.tasks.document import Document

__all__ = ["Fault", "faults_of", "model_of", "raise_all"]

_SHORTEST_SECRET: Final = 4
_LONGEST: Final = 1000
_PLAIN: Final = {
    "missing": "is needed here",
    "model_type": "expected a map of keys",
    "tuple_type": "expected a list",
    "dict_type": "expected a map",
}


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong.

    Attributes:
        where: ``file:line:column``, or the option that said it.
        message: What is wrong; no secret is part of it.
        path: The keys that lead there.
    """

    where: str
    message: str
    path: tuple[str | int, ...] = ()

    def __str__(self) -> str:
        """Return the line that users see."""
        return f"{self.where}: {self.message}" if self.where else self.message


def raise_all(faults: Iterable[Fault]) -> None:
    """Raise what is wrong, if anything is.

    Raises:
        UsageError: There are faults; each is one line.
    """
    lines = list(dict.fromkeys(map(str, faults)))
    if lines:
        raise UsageError("\n".join(lines), code="task-invalid")


def faults_of(
    document: Document, error: ValidationError, model: type[BaseModel], secrets: Collection[str]
) -> list[Fault]:
    """Return every fault that validation found, in the order of the file.

    Args:
        document: Where the values came from.
        error: What pydantic says.
        model: What was validated.
        secrets: Texts that must not show.
    """
    found = [_fault(document, fault, model, secrets) for fault in error.errors()]
    return sorted(dict.fromkeys(found), key=lambda fault: document.mark(fault.path))


def _fault(
    document: Document, fault: Any, model: type[BaseModel], secrets: Collection[str]
) -> Fault:
    path = fault["loc"]
    block, where = _innermost(model, path), document.where(path)
    if fault["type"] == "extra_forbidden":
        message = _unknown(block, str(path[-1]), model)
    else:
        message = _message(fault)
        name = "" if where.startswith("--") else ".".join(str(part) for part in path)
        message = f"{name}: {message}" if name else message
    return Fault(where, _short(_masked(" ".join(message.split()), secrets)), path)


def _unknown(block: type[BaseModel], key: str, root: type[BaseModel]) -> str:
    """Say what to write instead of a key that is none: its successor, its place or the closest."""
    if instead := successor(block.__name__, key):
        return f"{key!r} is no longer a key: write {instead}".replace("write nothing: ", "")
    known = [name for name in block.model_fields if not name.startswith("_")]
    for name, field in root.model_fields.items():
        below = model_of(field.annotation, field.metadata)
        if block is root and below is not None and key in below.model_fields:
            return f"unknown key {key!r}: it belongs below {name}"
    if block is not root and key in root.model_fields:
        return f"unknown key {key!r}: it belongs at the top, beside run"
    return closest(key, known, what="key")


def _innermost(model: type[BaseModel], path: tuple[Any, ...]) -> type[BaseModel]:
    """Return the model that has, or should have, the last key of a path."""
    block, pending = model, None
    for part in path[:-1]:
        field = block.model_fields.get(str(part)) if pending is None else None
        inner = model_of(field.annotation, field.metadata) if field else pending
        if inner is None:
            continue
        if field is not None and _is_many(field.annotation):
            pending = inner
        else:
            block, pending = inner, None
    return block


def model_of(annotation: Any, metadata: Iterable[Any] = ()) -> type[BaseModel] | None:
    """Return the model of a field's maps: its own, or that of its items."""
    for item in (*metadata, *getattr(annotation, "__metadata__", ())):
        if isinstance(item, Short):
            return item.model
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for arg in get_args(annotation) if (found := model_of(arg))), None)


def _is_many(annotation: Any) -> bool:
    return getattr(annotation, "__origin__", None) in {tuple, dict, list}


def _message(fault: Any) -> str:
    if fault["input"] is None:
        return "it has no value: give one, or remove the line"
    if fault["type"] in {"model_type", "model_attributes_type", "tuple_type", "dict_type"}:
        return f"{_PLAIN.get(fault['type'], _PLAIN['model_type'])}, got {kind(fault['input'])}"
    if fault["type"] == "too_long":
        return f"at most {fault['ctx']['max_length']}, not {fault['ctx']['actual_length']}"
    return str(_PLAIN.get(fault["type"], fault["msg"].removeprefix("Value error, ")))


def _short(message: str) -> str:
    """Leave out the middle of what quotes a whole file: the end says what to write."""
    if len(message) <= _LONGEST:
        return message
    return f"{message[: _LONGEST // 2]} ... {message[-_LONGEST // 4 :]}"


def _masked(message: str, secrets: Iterable[str]) -> str:
    shown = {form for secret in secrets for form in (secret, repr(secret)[1:-1])}
    for secret in sorted((" ".join(form.split()) for form in shown), key=len, reverse=True):
        if len(secret) >= _SHORTEST_SECRET:
            message = message.replace(secret, "***")
    return message
