"""Google's own description of its APIs: which calls there are, what they take and what they answer.

The documents come with google-api-python-client. Google's schema dialect is an old one: ``$ref`` is a
bare name, int64 is a string with a format, and nothing is said to be required.
"""

from __future__ import annotations

import functools
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Api", "Method", "load"]

_NUMBER_TEXTS = {"int64", "uint64"}
_PLACEHOLDER = re.compile(r"\{\+?(\w+)\}")


@dataclass(frozen=True)
class Method:
    """One call.

    Attributes:
        id: For instance ``compute.instances.insert``.
        http: ``GET``, ``POST``, ...
        path: Pattern of the whole path, with a group for each part that varies.
        parameters: Of query and path, with what is known of them.
        takes: Name of the schema of the body; empty for none.
        gives: The same for the answer.
    """

    id: str
    http: str
    path: re.Pattern[str]
    parameters: Mapping[str, Mapping[str, Any]]
    takes: str
    gives: str


class Api:
    """One API."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self.name = f"{document['name']}.googleapis.com"
        self._everywhere = document.get("parameters") or {}
        self._schemas = {n: _converted(s) for n, s in document["schemas"].items()}
        self.methods = tuple(self._methods(document, document.get("servicePath") or ""))

    def match(self, http: str, path: str) -> tuple[Method, dict[str, str]] | None:
        """Return the call that a request is, with the varying parts of its path."""
        for method in self.methods:
            found = method.path.fullmatch(path.lstrip("/")) if method.http == http else None
            if found:
                return method, found.groupdict()
        return None

    def fault_of_request(
        self, method: Method, parts: Mapping[str, str], query: Mapping[str, str], body: Any
    ) -> str:
        """Return what is wrong with a request by its description; empty for nothing."""
        known = {**self._everywhere, **method.parameters}
        for name, value in query.items():
            if known.get(name, {}).get("location") != "query":
                return f'Invalid JSON payload received. Unknown name "{name}": Cannot bind query parameter.'
            if fault := _fault_of_value(name, value, known[name]):
                return fault
        for name, value in parts.items():
            if fault := _fault_of_value(name, value, method.parameters.get(name, {})):
                return fault
        if body is not None and not method.takes:
            return "Invalid JSON payload received: this call takes none."
        return self.fault_of_value(method.takes, body) if body is not None else ""

    def fault_of_value(self, schema: str, value: Any) -> str:
        """Return the first place where a value is not what its schema says; empty for none."""
        if not schema:
            return "" if value in (None, {}) else "an answer is not described"
        return self._fault_of_text(schema, json.dumps(value))

    @functools.lru_cache(maxsize=4096)  # noqa: B019 - an Api lives as long as the process
    def _fault_of_text(self, schema: str, text: str) -> str:
        """Check a value once: price lists and the like are the same every time, and large."""
        error = next(self._validator(schema).iter_errors(json.loads(text)), None)
        return "" if error is None else f"Invalid value at '{_place(error)}': {error.message[:300]}"

    @functools.cache  # noqa: B019 - as above
    def _validator(self, schema: str) -> Any:
        from jsonschema import Draft202012Validator

        return Draft202012Validator({"$ref": f"#/$defs/{schema}", "$defs": self._schemas})

    def _methods(self, node: Mapping[str, Any], prefix: str) -> list[Method]:
        found = []
        for said in (node.get("methods") or {}).values():
            path = said.get("flatPath") or said["path"]
            found.append(
                Method(
                    said["id"],
                    said["httpMethod"],
                    _pattern(prefix + path),
                    said.get("parameters") or {},
                    (said.get("request") or {}).get("$ref", ""),
                    (said.get("response") or {}).get("$ref", ""),
                )
            )
        for child in (node.get("resources") or {}).values():
            found += self._methods(child, prefix)
        return found


@functools.cache
def load(name: str) -> Api:
    """Return an API by the name of its document, for instance ``compute.v1``."""
    import googleapiclient

    folder = Path(googleapiclient.__file__).parent / "discovery_cache" / "documents"
    return Api(json.loads((folder / f"{name}.json").read_text(encoding="utf-8")))


def _pattern(path: str) -> re.Pattern[str]:
    parts, last = [], 0
    for hole in _PLACEHOLDER.finditer(path):
        parts.append(re.escape(path[last : hole.start()]))
        parts.append(f"(?P<{hole[1]}>[^/]+?)")
        last = hole.end()
    return re.compile("".join((*parts, re.escape(path[last:]))))


def _fault_of_value(name: str, value: str, known: Mapping[str, Any]) -> str:
    wrong = f"Invalid value for field '{name}': '{value}'."
    pattern, kind = known.get("pattern"), known.get("type")
    if pattern and not re.fullmatch(pattern, value):
        return wrong
    if kind == "boolean" and value not in {"true", "false"}:
        return wrong
    if kind == "integer" and not re.fullmatch(r"-?[0-9]+", value):
        return wrong
    if "maximum" in known and int(value) > int(known["maximum"]):
        return wrong
    return wrong if "enum" in known and value not in known["enum"] else ""


def _converted(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return a schema of the 2020-12 dialect."""
    if "$ref" in schema:
        return {"$ref": f"#/$defs/{schema['$ref']}"}
    kind = schema.get("type")
    out: dict[str, Any] = {} if kind in {None, "any"} else {"type": kind}
    if "enum" in schema:
        out["enum"] = schema["enum"]
    if "pattern" in schema:
        out["pattern"] = f"^(?:{schema['pattern']})$"
    if schema.get("format") in _NUMBER_TEXTS and kind == "string":
        out["pattern"] = "^-?[0-9]+$"
    if "items" in schema:
        out["items"] = _converted(schema["items"])
    if "properties" in schema:
        out["properties"] = {k: _converted(v) for k, v in schema["properties"].items()}
        out["additionalProperties"] = False
    if "additionalProperties" in schema:
        out["additionalProperties"] = _converted(schema["additionalProperties"])
    return out


def _place(error: Any) -> str:
    return ".".join(str(part) for part in error.absolute_path)
