"""The vendor's own description of the API, where it can be found.

It is not ours to pass on, so it is not in this repository: ``ARB_LAMBDA_OPENAPI`` names the file, or it is
beside the repository. Where it is missing the simulated Lambda's own checks stand alone.
"""

from __future__ import annotations

import functools
import json
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from clouds.http import Answer, Request

__all__ = ["Description", "described", "find_file"]

VARIABLE = "ARB_LAMBDA_OPENAPI"
_BESIDE = Path(__file__).parents[4] / "shared" / "apis" / "lambda-openapi.json"
_UNDESCRIBED = {429}
_SERVER_ERROR = 500
_HOLE = re.compile(r"\\\{\w+\\\}")


def find_file() -> Path | None:
    """Return where the description is; None when it is not here."""
    named = os.environ.get(VARIABLE)
    path = Path(named) if named else _BESIDE
    return path if path.is_file() else None


@functools.cache
def described() -> Description | None:
    """Return the description, read once; None where it is missing."""
    path = find_file()
    return Description(json.loads(path.read_text(encoding="utf-8"))) if path else None


class Description:
    """What requests and answers may look like."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._schemas = document["components"]["schemas"]
        paths = sorted(document["paths"].items(), key=lambda pair: pair[0].count("{"))
        self._paths = [
            (re.compile(_HOLE.sub("[^/]+", re.escape(path))), item) for path, item in paths
        ]

    def fault_of_request(self, request: Request) -> str:
        """Return what is wrong with a request; empty for nothing."""
        operation = self._operation(request)
        if operation is None:
            return f"there is no {request.method} {request.path}"
        known = {p["name"] for p in operation.get("parameters", ()) if p["in"] == "query"}
        if unknown := set(request.query) - known:
            return f"there is no parameter {min(unknown)}"
        schema = _content(operation.get("requestBody", {}))
        if schema is None:
            return "" if not request.body else "it takes no body"
        try:
            body = request.json()
        except ValueError:
            return "the body is no JSON"
        return self._fault(schema, body)

    def fault_of_answer(self, request: Request, answer: Answer) -> str:
        """Return what is wrong with an answer; 429 and server errors are not described."""
        operation = self._operation(request)
        undescribed = answer.status in _UNDESCRIBED or answer.status >= _SERVER_ERROR
        if operation is None or undescribed:
            return ""
        response = operation["responses"].get(str(answer.status))
        if response is None:
            return f"a status {answer.status} is not described"
        return self._fault(_content(response) or {}, answer.body)

    def _operation(self, request: Request) -> Mapping[str, Any] | None:
        method = request.method.lower()
        found = (item for path, item in self._paths if path.fullmatch(request.path))
        return next((item[method] for item in found if method in item), None)

    def _fault(self, schema: Mapping[str, Any], value: Any) -> str:
        validator = self._validator(json.dumps(schema, sort_keys=True))
        error = next(validator.iter_errors(value), None)
        if error is None:
            return ""
        place = "/".join(map(str, error.absolute_path))
        return f"{place or 'the body'}: {error.message[:300]}"

    @functools.cache  # noqa: B019 - a description lives as long as the process
    def _validator(self, schema: str) -> Any:
        from jsonschema import Draft202012Validator

        whole = {**json.loads(schema), "components": {"schemas": self._schemas}}
        return Draft202012Validator(whole)


def _content(part: Mapping[str, Any]) -> Mapping[str, Any] | None:
    content = part.get("content", {}).get("application/json")
    return content["schema"] if content else None
