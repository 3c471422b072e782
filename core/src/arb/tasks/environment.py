"""The variables of a task: ``envs``, ``secrets`` and ``managed_secrets``."""

from __future__ import annotations

import re
from typing import Annotated, Any, Final

from arb.tasks.forms import Form, Short, Strict, Text, kind

__all__ = ["Envs", "ManagedSecret", "ManagedSecrets", "Secrets", "secret_name"]

_VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_MANAGED: Final = "secrets:"
_SCOPES: Final = ("personal.", "workspace.", "global.")


def secret_name(text: str) -> str:
    """Return the variable of ``TOKEN``, ``secrets:TOKEN`` or ``secrets:workspace.TOKEN``."""
    name = text.removeprefix(_MANAGED)
    for scope in _SCOPES:
        name = name.removeprefix(scope)
    return name


def _envs(value: Any) -> dict[str, str | None]:
    if not isinstance(value, dict):
        raise ValueError(f"expected a map of names to values, got {kind(value)}")
    for name in value:
        if not _VARIABLE.fullmatch(str(name)):
            raise ValueError(f"{str(name)!r} is not a variable name")
    return {str(name): _scalar(str(name), item) for name, item in value.items()}


def _secrets(value: Any) -> dict[str, str | None]:
    """Take a map, or the list form. No text is repeated: it may be what nobody should read."""
    if isinstance(value, list | tuple):
        return {_listed(item): None for item in value}
    if not isinstance(value, dict):
        raise ValueError(f"expected a map of names to values, got {kind(value)}")
    found = {}
    for number, (given, item) in enumerate(value.items(), start=1):
        name = secret_name(str(given))
        if not _VARIABLE.fullmatch(name):
            # Where a secret's name should be its value may stand.
            raise ValueError(f"entry {number} is not a variable name")
        if item is not None and name != given:
            raise ValueError(f"entry {number} is kept elsewhere and has a value here: drop one")
        found[name] = _scalar(name, item)
    return found


def _listed(item: Any) -> str:
    name = secret_name(item) if isinstance(item, str) and item.startswith(_MANAGED) else ""
    if not _VARIABLE.fullmatch(name):
        raise ValueError(f"a list holds names such as {_MANAGED}TOKEN; values need a map")
    return name


def _scalar(name: str, value: Any) -> str | None:
    if isinstance(value, dict | list):
        raise ValueError(f"{name}: a variable is one value, not {kind(value)}")
    return None if value is None else str(value)


class ManagedSecret(Strict):
    """One entry of ``managed_secrets``.

    Attributes:
        name: The variable.
        mount_path: A file of every node that holds the value too.
    """

    name: Text
    mount_path: Text = ""


def _managed(value: Any) -> Any:
    """Expand ``TOKEN`` and ``{TOKEN: {mount_path: ...}}``."""
    options: Any = {}
    if isinstance(value, ManagedSecret):
        return value
    if isinstance(value, dict) and len(value) == 1:
        ((value, options),) = value.items()
    if not isinstance(value, str) or not isinstance(options, dict):
        raise ValueError("expected a name, or one name with a map")
    name = secret_name(value)
    if not _VARIABLE.fullmatch(name):
        raise ValueError("it is not a variable name")
    return {**options, "name": name}


def _managed_text(secret: ManagedSecret) -> str | dict[str, dict[str, str]]:
    return {secret.name: {"mount_path": secret.mount_path}} if secret.mount_path else secret.name


_ONE_SECRET: Final = {
    "type": "object",
    "maxProperties": 1,
    "additionalProperties": {
        "type": "object",
        "additionalProperties": False,
        "properties": {"mount_path": {"type": "string"}},
    },
}
_VALUES: Final = {
    "type": "object",
    "additionalProperties": {"type": ["string", "number", "boolean", "null"]},
}
_LISTED: Final = {"type": "string", "pattern": f"^{_MANAGED}"}
Envs = Annotated[
    dict[str, str | None],
    Form(_envs, {**_VALUES, "propertyNames": {"pattern": f"^{_VARIABLE.pattern}$"}}),
]
Secrets = Annotated[
    dict[str, str | None],
    Form(_secrets, {"anyOf": [_VALUES, {"type": "array", "items": _LISTED}]}),
]
ManagedSecrets = tuple[
    Annotated[
        ManagedSecret,
        Short(ManagedSecret, _managed, ({"type": "string"}, _ONE_SECRET), _managed_text),
    ],
    ...,
]
