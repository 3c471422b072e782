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

import os
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from arb.errors import UsageError, closest

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["KEYS", "Config", "read_config", "write_value"]

KEYS: Final[Mapping[str, tuple[type, str]]] = {
    "default_infra": (str, "provider, or provider/region/zone, for tasks that name none"),
    "disabled_providers": (list, "providers that are never loaded"),
    "provider_options": (dict, "settings of providers: provider_options.<provider>.<option>"),
    "ssh_config": (bool, "keep an Include line in ~/.ssh/config, so that `ssh NAME` works"),
}


@dataclass(frozen=True, slots=True)
class Config:
    """Validated settings. ``provider_options`` values are checked by their provider."""

    default_infra: str = ""
    disabled_providers: tuple[str, ...] = ()
    provider_options: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    ssh_config: bool = True


def read_config(path: Path) -> Config:
    """Read the settings file; a missing one is empty.

    Raises:
        UsageError: Not YAML, an unknown key (with the closest match) or a wrong type.
    """
    values = _read(path)
    for key, value in values.items():
        _check(path, key, value)
    values["disabled_providers"] = tuple(values.get("disabled_providers") or ())
    return Config(**values)


def write_value(path: Path, dotted: str, text: str) -> Any:
    """Set ``a.b.c`` to a YAML value and return it; an empty text removes the key.

    The file is replaced as a whole, so that a crash leaves the old one.
    """
    import yaml

    values = _read(path)
    *parents, leaf = dotted.split(".")
    target = values
    for name in parents:
        target = target.setdefault(name, {})
        if not isinstance(target, dict):
            raise UsageError(f"{dotted}: {name} is not a group of settings", code="config-path")
    value = yaml.safe_load(text)
    if value is None:
        target.pop(leaf, None)
    else:
        target[leaf] = value
    for key, top in values.items():
        _check(path, key, top)
    _replace(path, yaml.safe_dump(values, sort_keys=True) if values else "")
    return value


def _read(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    import yaml

    try:
        values = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise UsageError(f"{path}: not valid YAML: {error}", code="config-yaml") from error
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise UsageError(f"{path}: expected settings, got {type(values).__name__}", code="config")
    return values


def _check(path: Path, key: str, value: object) -> None:
    if key not in KEYS:
        raise UsageError(f"{path}: {closest(str(key), KEYS, what='setting')}", code="config-key")
    expected = KEYS[key][0]
    if value is not None and not isinstance(value, expected):
        summary = f"{path}: {key} must be a {expected.__name__}, not {type(value).__name__}"
        raise UsageError(summary, code="config-type")
    if key == "provider_options":
        for provider, options in (value or {}).items():  # type: ignore[attr-defined]
            if not isinstance(options, dict):
                summary = f"{path}: provider_options.{provider} must be a group of settings"
                raise UsageError(summary, code="config-type")


def _replace(path: Path, text: str) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".config-")
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
    Path(name).replace(path)
