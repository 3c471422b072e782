"""One request, understood: service, action, region, key and parameters, as its signature says."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

if TYPE_CHECKING:
    from collections.abc import Mapping

    from clouds.http import Request

__all__ = ["AwsCall", "action_of", "names_in"]

_SCOPE = re.compile(r"Credential=([^/,\s]+)/\d{8}/([a-z0-9-]+)/([a-z0-9-]+)/aws4_request")
_S3_ACTIONS = {"HEAD": "HeadBucket", "GET": "ListObjectsV2", "PUT": "PutObject"}


@dataclass(frozen=True)
class AwsCall:
    """One call.

    Attributes:
        parameters: Of the query protocols, flat: ``Filter.1.Name``.
        body: Of the JSON protocols.
        account: Number of the account whose key signed it.
    """

    request: Request
    service: str
    region: str
    key: str
    action: str
    account: str = ""
    parameters: Mapping[str, str] = field(default_factory=dict)
    body: Any = None

    @classmethod
    def of(cls, request: Request) -> AwsCall | None:
        """Read a request; None for one that is not signed."""
        match = _SCOPE.search(request.headers.get("authorization", ""))
        if match is None:
            return None
        key, region, service = match.groups()
        form = dict(parse_qsl(request.body.decode(errors="replace"), keep_blank_values=True))
        is_json = "json" in request.headers.get("content-type", "")
        body = json.loads(request.body) if is_json and request.body else None
        action = action_of(request)
        parameters = {} if is_json or service == "s3" else form
        return cls(request, service, region, key, action, "", parameters, body)

    def get(self, name: str, default: str = "") -> str:
        """Return a parameter."""
        return self.parameters.get(name, default)

    def items(self, prefix: str) -> list[str]:
        """Return a list parameter: the values of ``PREFIX.1``, ``PREFIX.2`` and so on."""
        return [value for _, value in self._numbered(rf"{re.escape(prefix)}\.(\d+)")]

    @cached_property
    def filters(self) -> dict[str, list[str]]:
        """``Filters``, by name."""
        names = self._numbered(r"Filter\.(\d+)\.Name")
        return {name: self.items(f"Filter.{number}.Value") for number, name in names}

    def groups(self, prefix: str) -> list[dict[str, str]]:
        """Return a list of structures: ``PREFIX.1.Key`` as ``{"Key": ...}``."""
        found: dict[int, dict[str, str]] = {}
        for name, value in self.parameters.items():
            match = re.fullmatch(rf"{re.escape(prefix)}\.(\d+)\.(.+)", name)
            if match:
                found.setdefault(int(match[1]), {})[match[2]] = value
        return [found[number] for number in sorted(found)]

    def tags(self, kind: str) -> dict[str, str]:
        """Return what ``TagSpecifications`` say of a kind of resource."""
        for number, named in self._numbered(r"TagSpecification\.(\d+)\.ResourceType"):
            if named == kind:
                tags = self.groups(f"TagSpecification.{number}.Tag")
                return {tag["Key"]: tag.get("Value", "") for tag in tags}
        return {}

    def _numbered(self, pattern: str) -> list[tuple[int, str]]:
        found = []
        for name, value in self.parameters.items():
            if match := re.fullmatch(pattern, name):
                found.append((int(match[1]), value))
        return sorted(found)


def action_of(request: Request) -> str:
    """Return the name of what is asked, for faults and the log; paths for what is no API."""
    if target := request.headers.get("x-amz-target"):
        return target.rpartition(".")[2]
    if request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        return names_in(request.body).get("Action", "")
    if "/s3/" in request.headers.get("authorization", ""):
        return _S3_ACTIONS.get(request.method, request.method)
    return f"{request.method} {request.path}"


def names_in(body: bytes) -> dict[str, str]:
    """Return a form's values."""
    return dict(parse_qsl(body.decode(errors="replace"), keep_blank_values=True))
