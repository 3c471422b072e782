"""``$NAME`` and ``${NAME}`` in the parts of a task file that are no shell."""

from __future__ import annotations

import copy
import re
from typing import TYPE_CHECKING, Any, Final

from arb.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

    from arb.tasks.document import Path
    from arb.tasks.model import Task

__all__ = ["SUBSTITUTED", "fill", "reveal", "waits_for", "without"]

SUBSTITUTED: Final = (
    "workdir",
    "file_mounts",
    "secret_mounts",
    "volumes",
    "service",
    "checkpoint",
)
"""The keys whose texts are filled in: SkyPilot's, and ours that hold paths."""

_REFERENCE: Final = re.compile(r"\$(?:\{([A-Za-z_]\w*)\}|([A-Za-z_]\w*))", re.ASCII)


def fill(
    values: Mapping[str, Any],
    variables: Mapping[str, str],
    renamed: Callable[[Path, Path], None] | None = None,
) -> dict[str, Any]:
    """Return a document's values with variables in place; unknown ones stay as they are.

    Args:
        values: The top level.
        variables: Name -> value.
        renamed: Told of each key that changed: the old path and the new.
    """
    told = renamed or (lambda _old, _new: None)
    return {
        key: _filled(value, variables, (str(key),), (str(key),), told)
        if key in SUBSTITUTED
        else value
        for key, value in values.items()
    }


def reveal(task: Task) -> Task:
    """Return the task with its secrets in place, for whoever is about to use them at once.

    What comes back must not be stored or shown.

    Raises:
        UsageError: With a secret in place the task is none; no secret is part of the message.
    """
    known = {name: value for name, value in task.secrets.items() if value is not None}
    if not known:
        return task
    values = {key: task.model_dump(include={key}) for key in SUBSTITUTED}
    given = {key: value[key] for key, value in values.items() if key in value}
    try:
        revealed = type(task).model_validate(fill(given, known))
    except ValueError:
        names = ", ".join(sorted(known))
        summary = f"with the value of a secret ({names}) in its place the task is not valid"
        hint = "arb task show FILE shows where each is filled in"
        # The cause would tell the values.
        raise UsageError(summary, code="task-secret", hint=hint) from None
    return task.model_copy(update={key: getattr(revealed, key) for key in given})


def waits_for(path: tuple[str | int, ...], value: Any, names: Collection[str]) -> bool:
    """Say whether a value is a text that one of some variables is yet to be filled into."""
    if not isinstance(value, str) or not path or path[0] not in SUBSTITUTED:
        return False
    return any((match[1] or match[2]) in names for match in _REFERENCE.finditer(value))


def without(values: dict[str, Any], paths: Iterable[tuple[str | int, ...]]) -> dict[str, Any]:
    """Return nested values without some of them; of a short form that was one of them all goes."""
    kept = copy.deepcopy(values)
    for path in paths:
        place: Any = kept
        for depth, step in enumerate(path, start=1):
            key = next((k for k in _keys(place) if str(k) == str(step)), None)
            if key is None:
                break
            if depth == len(path) or not isinstance(place[key], dict | list):
                del place[key]
                break
            place = place[key]
    return kept


def _keys(place: Any) -> Iterable[Any]:
    return place if isinstance(place, dict) else range(len(place))


def _filled(
    value: Any,
    variables: Mapping[str, str],
    path: Path,
    new: Path,
    told: Callable[[Path, Path], None],
) -> Any:
    if isinstance(value, str):
        return _REFERENCE.sub(lambda m: variables.get(m[1] or m[2], m[0]), value)
    if isinstance(value, list):
        return [
            _filled(item, variables, (*path, index), (*new, index), told)
            for index, item in enumerate(value)
        ]
    if not isinstance(value, dict):
        return value
    found = {}
    for key, item in value.items():
        filled = _filled(key, variables, path, new, told)
        old_path, new_path = (*path, str(key)), (*new, str(filled))
        if old_path != new_path:
            told(old_path, new_path)
        if filled in found:
            raise ValueError(f"{key!r} becomes {filled!r}, which stands there already")
        found[filled] = _filled(item, variables, old_path, new_path, told)
    return found
