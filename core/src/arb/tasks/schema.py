"""The JSON Schema of task files, for editors: generated from the models that read them."""

from __future__ import annotations

import inspect
import re
from typing import TYPE_CHECKING, Any, Final

from pydantic.json_schema import GenerateJsonSchema

from arb.tasks.forms import Lenient
from arb.tasks.groups import GroupHeader
from arb.tasks.internal import IGNORED
from arb.tasks.model import Task

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic import BaseModel

__all__ = ["meanings", "task_schema"]

_WITH_INTERNAL_KEYS: Final = frozenset({"Choice", "Resources", "Storage", "Task"})
_DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"


def task_schema() -> dict[str, Any]:
    """Return the schema of one document of a task file."""
    schema = Task.model_json_schema(schema_generator=_Generator)
    header = GroupHeader.model_json_schema(schema_generator=_Generator)["properties"]
    header["execution"] = {"enum": ["serial", "parallel"], **header["execution"]}
    header["execution"].pop("anyOf")
    # An editor sees each document by itself, and the first of several may be a header.
    schema["properties"] = {**header, **schema["properties"], **dict.fromkeys(IGNORED, True)}
    return {"$schema": _DIALECT, **schema, "title": "arb task file"}


def meanings(model: type[BaseModel]) -> dict[str, str]:
    """Return what the docstrings of a model and its bases say of each key."""
    found: dict[str, str] = {}
    for base in reversed(model.__mro__):
        text = inspect.cleandoc(base.__dict__.get("__doc__") or "")
        if "Attributes:" in text:
            found.update(_attributes(text.partition("Attributes:")[2]))
    return found


def _attributes(text: str) -> Iterator[tuple[str, str]]:
    """Go over ``name: text`` items whose continuations are indented further."""
    for item in re.split(r"\n {4}(?=\w)", text):
        name, colon, told = " ".join(item.split()).partition(": ")
        if colon:
            yield name, told


class _Generator(GenerateJsonSchema):
    """Adds what hovers show, and that keys may be left empty where the loader allows it."""

    def model_schema(self, schema: Any) -> dict[str, Any]:
        """Return the schema of one model."""
        model = schema["cls"]
        found = super().model_schema(schema)
        if model.__name__ in _WITH_INTERNAL_KEYS:
            found["patternProperties"] = {"^_": True}
        found["description"] = (
            inspect.cleandoc(model.__doc__ or "").partition("\n")[0].replace("``", "`")
        )
        told = meanings(model)
        for name, described in found.get("properties", {}).items():
            described.pop("title", None)
            blank = issubclass(model, Lenient) and name not in model.must_be_filled_in
            found["properties"][name] = _described(described, told.get(name, ""), blank=blank)
        return found


def _described(schema: dict[str, Any], told: str, *, blank: bool) -> dict[str, Any]:
    schema.pop("default", None)
    if blank:
        schema = {"anyOf": [*schema.get("anyOf", [schema]), {"type": "null"}]}
    return {**schema, "description": told.replace("``", "`")} if told else schema
