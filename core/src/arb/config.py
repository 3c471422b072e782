"""Settings: ``ARB_HOME/config.yaml`` below the environment, below the command line.

The file is small and its keys are few::

    disabled_providers: [aws]
    default_infra: local
    provider_options:
      local:
        room: ~/room

Reading a file that does not exist costs no YAML import.
"""

from __future__ import annotations

import math
import os
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from arb.errors import StateError, UsageError, closest
from arb.locks import locked

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["KEYS", "Config", "parse_value", "read_config", "remove_value", "write_value"]

KEYS: Final[Mapping[str, tuple[type, str]]] = {
    "bringup_timeout": (int, "minutes after which a machine that nobody claimed ends itself"),
    "default_infra": (str, "provider, or provider/region/zone, for tasks that name none"),
    "disabled_providers": (list, "providers that are never loaded"),
    "max_slippage": (float, "percent that a price may rise between the plan and the purchase"),
    "near": (list, "client regions for the objective latency: LATITUDE,LONGITUDE or a region"),
    "objective": (str, "what the best offer is: cost, value or latency"),
    "provider_options": (dict, "settings of providers: provider_options.<provider>.<option>"),
    "ssh_config": (bool, "keep an Include line in ~/.ssh/config, so that `ssh NAME` works"),
}

_WAIT_S: Final = 10.0
"""For another process that changes the file, which takes a moment."""


@dataclass(frozen=True, slots=True)
class Config:
    """Validated settings. ``provider_options`` values are checked by their provider."""

    bringup_timeout: int = 30
    default_infra: str = ""
    disabled_providers: tuple[str, ...] = ()
    max_slippage: float = 5.0
    near: tuple[str, ...] = ()
    objective: str = ""
    provider_options: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    ssh_config: bool = True


def read_config(path: Path) -> Config:
    """Read the settings file; a missing one is empty, and so is a setting without a value.

    Raises:
        UsageError: Not YAML, an unknown key (with the closest match) or a wrong type.
        StateError: It is there and cannot be read.
    """
    values = {key: value for key, value in _read(path).items() if value is not None}
    _check_all(path, values)
    options = values.get("provider_options", {})
    values["provider_options"] = {name: group or {} for name, group in options.items() if group}
    for name in ("disabled_providers", "near"):
        values[name] = tuple(values.get(name, ()))
    return Config(**values)


def write_value(path: Path, dotted: str, text: str) -> Any:
    """Set ``a.b.c`` to a YAML value and return it; an empty text removes the key.

    The file is replaced as a whole, so that a crash leaves the old one; writers take turns.

    Raises:
        UsageError: No such setting, no YAML, or the wrong type; the file stays as it was.
        StateError: The file cannot be read or written.
    """
    value = parse_value(dotted, text)
    _change(path, dotted, value)
    return value


def remove_value(path: Path, dotted: str) -> bool:
    """Remove a setting, also one that should not be there; return whether it was there.

    Raises:
        UsageError: It was not, and there is no such setting.
        StateError: The file cannot be read or written.
    """
    was = _change(path, dotted, None)
    name = dotted.split(".", maxsplit=1)[0]
    if was is None and name not in KEYS:
        raise UsageError(closest(name, KEYS, what="setting"), code="config-key")
    return was is not None


def _change(path: Path, dotted: str, value: Any) -> Any:
    """Set a nested value, None removes it; return what it was."""
    names = dotted.split(".")
    if not all(names):
        raise UsageError(f"{dotted!r} is not the name of a setting", code="config-path")
    real = path.resolve()  # a link to a file elsewhere stays a link
    with _plain_errors(path, "write"):
        real.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with locked(real.with_name(f".{real.name}.lock"), "changing settings", wait_s=_WAIT_S):
            values = _read(path)
            was = _put(values, names, value)
            if value is not None:  # else what is wrong could not be removed piece by piece
                _check_all(path, values)
            _replace(real, _dump(values))
    return was


def _put(values: dict[str, Any], names: list[str], value: Any) -> Any:
    """Set a nested value, or remove it with every group that is empty then; return what it was."""
    name, *rest = names
    if not rest:
        was = values.get(name)
        values[name] = value
    else:
        group = values.get(name)
        group = {} if group is None else group
        if not isinstance(group, dict):
            raise UsageError(f"{name} is not a group of settings", code="config-path")
        was = _put(group, rest, value)
        values[name] = group or None
    if values[name] is None:
        del values[name]
    return was


def _read(path: Path) -> dict[str, Any]:
    try:
        with _plain_errors(path, "read"):
            text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    values = parse_value(str(path), text)
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise UsageError(f"{path}: expected settings, got {type(values).__name__}", code="config")
    return values


def parse_value(where: str, text: str) -> Any:
    """Return the value that a text of YAML is; None for an empty one.

    Args:
        where: Whose value it is, for the error.
        text: YAML.

    Raises:
        UsageError: It is not YAML.
    """
    import yaml

    try:
        return yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        told = " ".join(str(error).split())  # a parser's error spreads over lines
        raise UsageError(f"{where}: not valid YAML: {told}", code="config-yaml") from error


def _dump(values: dict[str, Any]) -> str:
    import yaml

    return yaml.safe_dump(values, sort_keys=True) if values else ""


def _check_all(path: Path, values: Mapping[str, Any]) -> None:
    for key, value in values.items():
        _check(path, key, value)


def _check(path: Path, key: str, value: object) -> None:
    if key not in KEYS:
        raise UsageError(f"{path}: {closest(str(key), KEYS, what='setting')}", code="config-key")
    expected = KEYS[key][0]
    if expected is float:
        _check_number(path, key, value)
    elif value is not None and not isinstance(value, expected):
        summary = f"{path}: {key} must be a {expected.__name__}, not {type(value).__name__}"
        raise UsageError(summary, code="config-type")
    if isinstance(value, list):
        for item in value:
            if not isinstance(item, str):
                kind = type(item).__name__
                summary = f"{path}: {key} must hold names, not a {kind}"
                raise UsageError(summary, code="config-type")
    if isinstance(value, dict):
        for name, group in value.items():
            _check_group(path, f"{key}.{name}", group)


def _check_number(path: Path, key: str, value: object) -> None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if value is not None and not (is_number and 0 <= value < math.inf):  # type: ignore[operator]  # a number
        summary = f"{path}: {key} must be a number that is not negative, not {value!r}"
        raise UsageError(summary, code="config-type")


def _check_group(path: Path, where: str, group: object) -> None:
    if not isinstance(group, dict | None):
        summary = f"{path}: {where} must be a group of settings"
        raise UsageError(summary, code="config-type")
    for name in group or ():
        if not isinstance(name, str):
            raise UsageError(f"{path}: {where}: {name!r} is not a name", code="config-type")


@contextmanager
def _plain_errors(path: Path, verb: str) -> Iterator[None]:
    """Tell what is wrong with a file as people expect it. A missing one is the caller's."""
    try:
        yield
    except FileNotFoundError:
        raise
    except UnicodeDecodeError as error:
        raise UsageError(f"{path}: not UTF-8 text", code="config-yaml") from error
    except OSError as error:
        summary = f"cannot {verb} {path}: {error.strerror}"
        hint = "set ARB_HOME to a folder of yours"
        raise StateError(summary, code="config-file", hint=hint) from error


def _replace(path: Path, text: str) -> None:
    import tempfile

    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".config-")
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
    Path(name).replace(path)
