"""What command plugins may import: one surface, whose parts load when they are used.

A plugin of the group ``arb.commands`` is a Typer app that prints through ``render`` and works
through a ``Session``::

    from arb.api import Json, Session, render
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Final

from arb.errors import ArbError, NodeError, UsageError, closest

if TYPE_CHECKING:
    from arb.cli import render
    from arb.cli.options import Cluster, Json, Yes
    from arb.cli.progress import open_progress
    from arb.clusters.session import Session
    from arb.config import read_config
    from arb.home import Home

__all__ = [
    "ArbError",
    "Cluster",
    "Home",
    "Json",
    "NodeError",
    "Session",
    "UsageError",
    "Yes",
    "closest",
    "open_progress",
    "read_config",
    "render",
]

_HOMES: Final = {
    "Cluster": "arb.cli.options",
    "Home": "arb.home",
    "Json": "arb.cli.options",
    "Session": "arb.clusters.session",
    "Yes": "arb.cli.options",
    "open_progress": "arb.cli.progress",
    "read_config": "arb.config",
}


def __getattr__(name: str) -> object:
    """Import what stands behind a name when it is first asked for."""
    if name == "render":
        return importlib.import_module("arb.cli.render")
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)
