"""How values of a task file are read, written and described: one ``Form`` a kind of value.

A form is a parse function, its inverse and a JSON Schema. pydantic's own types would do for few of
them, as most keys have several forms, and these cost less to build.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, model_serializer, model_validator

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pydantic import (
        GetCoreSchemaHandler,
        GetJsonSchemaHandler,
        SerializationInfo,
        SerializerFunctionWrapHandler,
        ValidatorFunctionWrapHandler,
    )
    from pydantic.json_schema import JsonSchemaValue

__all__ = [
    "Flag",
    "Form",
    "Lenient",
    "Short",
    "Strict",
    "Text",
    "choice",
    "excluding",
    "kind",
    "needing_one",
]
__all__ += ["number", "read_map", "read_text", "whole"]


@dataclass(frozen=True, slots=True)
class Form:
    """Metadata for ``Annotated``.

    Attributes:
        parse: Value of the YAML, or of this form's own type -> value of the model. ``ValueError``
            says what is wrong.
        schema: JSON Schema of what ``parse`` takes.
        dump: Value of the model -> what a task file would hold.
    """

    parse: Callable[[Any], Any]
    schema: Mapping[str, Any]
    dump: Callable[[Any], Any] | None = None

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> Any:
        """Return the validator."""
        validator = {"type": "function-plain", "function": _plainly(self._parsed)}
        if self.dump is not None:
            validator["serialization"] = {"type": "function-plain", "function": self._dumped}
        return validator

    def __get_pydantic_json_schema__(
        self, schema: Any, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Return the description for editors."""
        return dict(self.schema)

    def _parsed(self, value: Any) -> Any:
        try:
            return self.parse(value)
        except OverflowError:
            raise ValueError("the number is too large") from None

    def _dumped(self, value: Any) -> Any:
        return None if value is None or self.dump is None else self.dump(value)


@dataclass(frozen=True, slots=True)
class Short:
    """Metadata for ``Annotated``: a map that has short forms as well.

    Attributes:
        model: The map.
        expand: Any value -> the map that it stands for, or a final value that is no map.
        schema: JSON Schemas of the short forms.
        dump: Value of the model -> what a task file would hold; None for the map as it is.
    """

    model: type[BaseModel]
    expand: Callable[[Any], Any]
    schema: tuple[Mapping[str, Any], ...]
    dump: Callable[[Any], Any] | None = None

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> Any:
        """Return the validator."""
        return {
            "type": "function-wrap",
            "function": _plainly(self._read),
            "schema": handler.generate_schema(self.model),
            "serialization": {
                "type": "function-plain",
                "function": self._dumped,
                "info_arg": True,
            },
        }

    def __get_pydantic_json_schema__(
        self, schema: Any, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Return the description for editors."""
        return {"anyOf": [*map(dict, self.schema), handler(schema)]}

    def _read(self, value: Any, handler: ValidatorFunctionWrapHandler) -> Any:
        expanded = self.expand(value)
        return handler(expanded) if isinstance(expanded, dict | self.model) else expanded

    def _dumped(self, value: Any, info: SerializationInfo) -> Any:
        if self.dump is not None:
            return self.dump(value)
        return value.model_dump(mode=info.mode) if isinstance(value, BaseModel) else value


def read_map(of: str) -> BeforeValidator:
    """Return what goes before a ``dict[str, ...]``: it takes a map and makes its keys texts."""

    def read(value: Any) -> Any:
        if not isinstance(value, dict):
            raise ValueError(f"expected a map of {of}, got {kind(value)}")
        return {str(key): item for key, item in value.items()}

    return BeforeValidator(read)


class Strict(BaseModel):
    """A mapping whose keys are all known. A dump holds what was given and nothing else."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, defer_build=True, arbitrary_types_allowed=True
    )

    @model_serializer(mode="wrap")
    def _given(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        values: dict[str, Any] = handler(self)
        return {key: value for key, value in values.items() if key in self.model_fields_set}


class Lenient(Strict):
    """A mapping in which a known key without a value is as if it were not there.

    But for ``must_be_filled_in``: there it is a template's blank, and what it stands for matters.
    """

    must_be_filled_in: ClassVar[frozenset[str]] = frozenset()

    @model_validator(mode="before")
    @classmethod
    def _without_blanks(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        optional = cls.model_fields.keys() - cls.must_be_filled_in
        return {key: v for key, v in value.items() if v is not None or key not in optional}


def excluding(*pairs: tuple[str, str]) -> dict[str, Any]:
    """Return the JSON Schema of a map in which pairs of keys do not stand together with values."""
    given = {"not": {"type": "null"}}
    return {
        "not": {
            "anyOf": [
                {"required": [*pair], "properties": dict.fromkeys(pair, given)} for pair in pairs
            ]
        }
    }


def needing_one(*keys: str) -> dict[str, Any]:
    """Return the JSON Schema of a map that has at least one of some keys."""
    return {"anyOf": [{"required": [key]} for key in keys]}


def kind(value: Any) -> str:
    """Name the kind of a YAML value, with an article."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "a boolean"
    if isinstance(value, int | float):
        return "a number"
    names = {"str": "a text", "dict": "a map", "list": "a list", "tuple": "a list"}
    return names.get(type(value).__name__, f"a {type(value).__name__}")


def _plainly(function: Callable[..., Any]) -> dict[str, Any]:
    """Return how pydantic's core is told of a function that asks for no context."""
    return {"type": "no-info", "function": function}


def read_text(value: Any) -> str:
    """Take a text.

    Raises:
        ValueError: It is none.
    """
    if isinstance(value, str):
        return value
    quote = "" if isinstance(value, dict | list | None) else ": quote it"
    raise ValueError(f"expected a text, got {kind(value)}{quote}")


def _flag(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    raise ValueError(f"expected true or false, got {kind(value)}")


def whole(lowest: int | None = None, highest: int | None = None) -> Form:
    """Return the form of a whole number within bounds."""

    def parse(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int):
            raise ValueError(f"expected a whole number, got {kind(value)}")
        _within(value, lowest, highest)
        return value

    return Form(parse, _bounded("integer", lowest, highest))


def number(lowest: float | None = None, *, above: float | None = None) -> Form:
    """Return the form of a number; ``lowest`` is allowed, ``above`` is not."""

    def parse(value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ValueError(f"expected a number, got {kind(value)}")
        if not math.isfinite(value):
            raise ValueError("expected a finite number")
        if above is not None and value <= above:
            raise ValueError(f"must be above {above:g}")
        _within(value, lowest, None)
        return value

    schema = _bounded("number", lowest, None)
    return Form(parse, schema if above is None else {**schema, "exclusiveMinimum": above})


def choice(*names: str) -> Form:
    """Return the form of one of some names, whatever their case; the value is spelled as here."""
    spelled = {name.lower(): name for name in names}

    def parse(value: Any) -> str:
        found = spelled.get(read_text(value).strip().lower())
        if found is None:
            from arb.errors import closest

            raise ValueError(closest(value, names, what="value"))
        return found

    any_case = {"type": "string", "pattern": _any_case(names)}
    return Form(parse, {"anyOf": [{"enum": list(names)}, any_case]})


def _within(value: float, lowest: float | None, highest: float | None) -> None:
    if lowest is not None and value < lowest:
        raise ValueError(f"must be at least {lowest:g}")
    if highest is not None and value > highest:
        raise ValueError(f"must be at most {highest:g}")


def _bounded(name: str, lowest: float | None, highest: float | None) -> dict[str, Any]:
    bounds = {"minimum": lowest, "maximum": highest}
    return {"type": name, **{key: bound for key, bound in bounds.items() if bound is not None}}


def _any_case(names: tuple[str, ...]) -> str:
    def letter(char: str) -> str:
        return f"[{char.upper()}{char.lower()}]" if char.isalpha() else char

    return f"^({'|'.join(''.join(map(letter, name)) for name in names)})$"


Text = Annotated[str, Form(read_text, {"type": "string"})]
Flag = Annotated[bool, Form(_flag, {"type": "boolean"})]
