"""Requests of purchases as they are kept: complete but for what is secret."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, fields
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from arb.types import NodeSetup, ProvisionRequest

__all__ = ["digest", "dump_request", "load_request", "write_down"]

_T = TypeVar("_T")


def dump_request(request: ProvisionRequest) -> str:
    """Return a request as JSON text without private host keys and contents of node files."""
    return write_down(request)[0]


def write_down(request: ProvisionRequest) -> tuple[str, str]:
    """Return what ``dump_request`` and ``digest`` do, at the cost of one."""
    document = asdict(request)
    whole = _digest(document)
    for setup in document["setups"]:
        if setup["host_key"]:
            setup["host_key"]["private"] = ""
        for file in setup["files"]:
            file["content"] = ""
    return json.dumps(document, sort_keys=True), whole


def load_request(text: str) -> ProvisionRequest:
    """Read what this or another version's ``dump_request`` wrote.

    It is good for polling, never for buying again.
    """
    from arb.types import Offer, ProvisionRequest

    document = json.loads(text)
    document["offer"] = _build(Offer, document["offer"])
    document["setups"] = tuple(_setup(setup) for setup in document["setups"])
    document["ports"] = tuple(document["ports"])
    return _build(ProvisionRequest, document)


def digest(request: ProvisionRequest) -> str:
    """Return SHA-256 over the whole request, secrets included, in hex: equal means the same."""
    return _digest(asdict(request))


def _digest(document: dict[str, Any]) -> str:
    text = json.dumps(document, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _setup(document: dict[str, Any]) -> NodeSetup:
    from arb.types import HostKey, NodeFile, NodeSetup

    key = document["host_key"]
    document["host_key"] = _build(HostKey, key) if key else None
    document["files"] = tuple(_build(NodeFile, file) for file in document["files"])
    document["commands"] = tuple(document["commands"])
    return _build(NodeSetup, document)


def _build(kind: type[_T], document: dict[str, Any]) -> _T:
    """Make a value object of the keys that this version knows."""
    known = {each.name for each in fields(kind)}  # type: ignore[arg-type]  # all are dataclasses
    return kind(**{key: value for key, value in document.items() if key in known})
