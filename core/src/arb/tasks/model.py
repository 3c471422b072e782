"""The task as the rest of the code sees it. Keys and meanings are SkyPilot's."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import Field, ValidationInfo, field_validator

from arb.tasks.forms import Lenient, Text, whole
from arb.tasks.resources import Resources

__all__ = ["Task"]

_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class Task(Lenient):
    """A resolved task.

    ``envs`` and ``secrets`` with the value None must be given on the command line; a loaded task
    has none left. ``secrets`` never leave ``repr`` or a dump.
    """

    name: Text = ""
    workdir: Text = ""
    num_nodes: Annotated[int, whole(1, 9999)] = 1
    envs: dict[str, str | None] = Field(default_factory=dict)
    secrets: dict[str, str | None] = Field(default_factory=dict, repr=False, exclude=True)
    setup: Text = ""
    run: Text = ""
    resources: Resources = Field(default_factory=Resources)

    @field_validator("name")
    @classmethod
    def _name(cls, value: str) -> str:
        if value and not _NAME.fullmatch(value):
            raise ValueError(f"{value!r} is not a name: letters, digits, '.', '_' and '-'")
        return value

    @field_validator("envs", "secrets", mode="before")
    @classmethod
    def _variables(cls, value: Any, info: ValidationInfo) -> Any:
        if not isinstance(value, dict):
            return value
        for number, name in enumerate(value, start=1):
            if not _VARIABLE.fullmatch(str(name)):
                # Where a secret's name should be its value may stand.
                told = f"entry {number}" if info.field_name == "secrets" else repr(name)
                raise ValueError(f"{told} is not a variable name")
        return {str(k): None if v is None else _scalar(k, v) for k, v in value.items()}


def _scalar(name: str, value: Any) -> str:
    if isinstance(value, dict | list):
        raise ValueError(f"{name}: a variable is one value, not a {type(value).__name__}")
    return str(value)
