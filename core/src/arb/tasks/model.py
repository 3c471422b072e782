"""The task as the rest of the code sees it. Keys and meanings are SkyPilot's."""

from __future__ import annotations

import math
import re
from typing import Any, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
    model_validator,
)

__all__ = ["Accelerator", "Amount", "Resources", "Task"]

_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Amount(_Model):
    """``8`` is exactly 8, ``8+`` is at least 8."""

    value: float
    at_least: bool = False

    @model_validator(mode="before")
    @classmethod
    def _parse(cls, value: Any) -> Any:
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            return value
        match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(\+?)\s*", str(value))
        if not match:
            raise ValueError(f"{value!r} is not an amount: write 8 or 8+")
        return {"value": float(match[1]), "at_least": match[2] == "+"}

    def admits(self, actual: float) -> bool:
        """Say whether a machine with this much will do."""
        return actual >= self.value if self.at_least else actual == self.value


class Accelerator(_Model):
    """``H100:8``: a name and an exact count."""

    name: str
    count: float = 1

    @model_validator(mode="before")
    @classmethod
    def _parse(cls, value: Any) -> Any:
        if isinstance(value, dict) and len(value) == 1 and not value.keys() & {"name", "count"}:
            ((name, count),) = value.items()
            return {"name": str(name), "count": 1 if count is None else count}
        if not isinstance(value, str):
            return value
        name, _, count = value.partition(":")
        if not name.strip() or (count and not re.fullmatch(r"\s*\d+(\.\d+)?\s*", count)):
            raise ValueError(f"{value!r} is not an accelerator: write NAME or NAME:COUNT")
        return {"name": name.strip(), "count": float(count) if count else 1}

    @field_validator("count")
    @classmethod
    def _positive(cls, value: float) -> float:
        if not 0 < value < math.inf:
            raise ValueError("the count must be above 0")
        return value

    def __str__(self) -> str:
        """Return ``NAME:COUNT``."""
        return f"{self.name}:{self.count:g}"


class Resources(_Model):
    """What one node must have. Empty fields do not restrict."""

    infra: str = ""
    cloud: str = ""
    region: str = ""
    zone: str = ""
    instance_type: str = ""
    accelerators: Accelerator | None = None
    cpus: Amount | None = None
    memory: Amount | None = None
    use_spot: bool = False
    ports: tuple[str, ...] = ()

    @field_validator("ports", mode="before")
    @classmethod
    def _ports(cls, value: Any) -> Any:
        items = value if isinstance(value, list | tuple) else [value]
        for item in items:
            if not _is_port(str(item)):
                raise ValueError(f"{item!r} is not a port: write 8080 or 8000-8010")
        return tuple(str(item) for item in items)

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if self.infra and (self.cloud or self.region or self.zone):
            raise ValueError("infra excludes cloud, region and zone: give one or the other")
        return self

    @property
    def place(self) -> tuple[str, str, str]:
        """Provider, region and zone; empty for "any"."""
        if not self.infra:
            return (self.cloud.lower(), self.region, self.zone)
        parts = [("" if part == "*" else part) for part in self.infra.split("/", 2)]
        provider, region, zone = (*parts, "", "")[:3]
        return (provider.lower(), region, zone)


class Task(_Model):
    """A resolved task.

    ``envs`` and ``secrets`` with the value None must be given on the command line; a loaded task
    has none left. ``secrets`` never leave ``repr`` or a dump.
    """

    name: str = ""
    workdir: str = ""
    num_nodes: int = Field(default=1, ge=1, le=9999)
    envs: dict[str, str | None] = Field(default_factory=dict)
    secrets: dict[str, str | None] = Field(default_factory=dict, repr=False, exclude=True)
    setup: str = ""
    run: str = ""
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

    @field_validator("setup", "run", "workdir", mode="before")
    @classmethod
    def _text(cls, value: Any) -> Any:
        return "" if value is None else value


def _is_port(text: str) -> bool:
    match = re.fullmatch(r"(\d{1,5})(?:-(\d{1,5}))?", text, re.ASCII)
    if match is None:
        return False
    first, last = int(match[1]), int(match[2] or match[1])
    return 0 < first <= last < 65536  # noqa: PLR2004 - TCP


def _scalar(name: str, value: Any) -> str:
    if isinstance(value, dict | list):
        raise ValueError(f"{name}: a variable is one value, not a {type(value).__name__}")  # noqa: TRY004 - pydantic wants ValueError
    return str(value)
