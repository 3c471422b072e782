"""Requests of purchases as they are kept: complete but for what is secret."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from arb.types import NodeSetup, ProvisionRequest

__all__ = ["digest", "dump_request", "load_request"]


def dump_request(request: ProvisionRequest) -> str:
    """Return a request as JSON text without private host keys and contents of node files."""
    document = asdict(request)
    for setup in document["setups"]:
        if setup["host_key"]:
            setup["host_key"]["private"] = ""
        for file in setup["files"]:
            file["content"] = ""
    return json.dumps(document, sort_keys=True)


def load_request(text: str) -> ProvisionRequest:
    """Read what ``dump_request`` wrote: good for polling, never for buying again."""
    from arb.types import Offer, ProvisionRequest

    document = json.loads(text)
    document["offer"] = Offer(**document["offer"])
    document["setups"] = tuple(_setup(setup) for setup in document["setups"])
    document["ports"] = tuple(document["ports"])
    return ProvisionRequest(**document)


def digest(request: ProvisionRequest) -> str:
    """Return SHA-256 over the whole request, secrets included, in hex: equal means the same."""
    text = json.dumps(asdict(request), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _setup(document: dict[str, Any]) -> NodeSetup:
    from arb.types import HostKey, NodeFile, NodeSetup

    key = document["host_key"]
    document["host_key"] = HostKey(**key) if key else None
    document["files"] = tuple(NodeFile(**file) for file in document["files"])
    document["commands"] = tuple(document["commands"])
    return NodeSetup(**document)
