"""What a shell completes: names of clusters, jobs, providers, accelerators and settings.

Completion makes nothing, neither a home nor a database, and says nothing: where a name cannot be
found out there is none.
"""

from __future__ import annotations

import os
import re
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Final

import typer  # noqa: TC002 - typer looks at the annotation to hand the context over

from arb.errors import ArbError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from arb.clusters.session import Session

__all__ = [
    "complete_accelerator",
    "complete_cluster",
    "complete_job",
    "complete_objective",
    "complete_provider",
    "complete_setting",
    "complete_sort",
]

_WORD: Final = re.compile(r"[\w.+-]+", re.ASCII)
_PATIENCE_S: Final = 2.0
"""Whoever pressed a key does not wait longer for a node to answer."""


def complete_cluster(incomplete: str) -> list[str]:
    """Return live cluster names."""
    from arb.clusters.session import Session
    from arb.state.clusters import list_clusters

    with suppress(ArbError), Session() as session:
        if _has_state(session):
            return _beginning((record.name for record in list_clusters(session.store)), incomplete)
    return []


def complete_job(ctx: typer.Context, incomplete: str) -> list[str]:
    """Return the numbers of the jobs of the cluster that stands before, the newest first."""
    found: list[str] = []
    cluster = ctx.params.get("cluster") or ""
    asking = threading.Thread(target=lambda: found.extend(_jobs_of(cluster)), daemon=True)
    asking.start()
    asking.join(_PATIENCE_S)
    return _beginning(list(found), incomplete)


def complete_provider(incomplete: str) -> list[str]:
    """Return the names of installed providers; none is loaded."""
    return _beginning(_providers(), incomplete)


def complete_accelerator(incomplete: str) -> list[str]:
    """Return names of accelerators: what is sold, as far as it was ever read."""
    from arb.catalog.names import known_names
    from arb.catalog.store import open_catalog
    from arb.home import Home

    with suppress(ArbError), open_catalog(Home.from_env(os.environ).catalog_db) as store:
        if sold := store.accelerators():
            return _beginning(sold, incomplete)
    return _beginning(known_names(), incomplete)


def complete_setting(incomplete: str) -> list[str]:
    """Return the names of settings; those of providers up to the provider."""
    from arb.config import KEYS

    names = [name for name in KEYS if name != "provider_options"]
    names += [f"provider_options.{provider}." for provider in _providers()]
    return _beginning(names, incomplete)


def complete_sort(incomplete: str) -> list[str]:
    """Return what ``arb gpus`` can be sorted by."""
    from arb.catalog.listing import Sort

    return _beginning(Sort, incomplete)


def complete_objective(incomplete: str) -> list[str]:
    """Return what the best offer may be."""
    from arb.optimizer.options import Objective

    return _beginning(Objective, incomplete)


def _beginning(names: Iterable[str], incomplete: str) -> list[str]:
    """Return names that begin so; what a shell would read as more than a word is none of them."""
    start = incomplete.casefold()
    return [
        str(name) for name in names if name.casefold().startswith(start) and _WORD.fullmatch(name)
    ]


def _has_state(session: Session) -> bool:
    return session.home.root.exists() or bool(session.env.get("ARB_DATABASE_URL"))


def _jobs_of(cluster: str) -> list[str]:
    from arb.clusters.execute import usable
    from arb.clusters.nodes import Nodes
    from arb.clusters.session import Session

    with suppress(ArbError), Session() as session:
        if _has_state(session):
            jobs = Nodes(session, usable(session, cluster)).head.agent().jobs()
            return [str(job.id) for job in reversed(jobs)]
    return []


def _providers() -> tuple[str, ...]:
    from arb.home import Home
    from arb.plugins.table import PluginTable

    if os.environ.get("ARB_NO_PLUGINS"):
        return ()
    return PluginTable.load(Home.from_env(os.environ).root / "cache").names("arb.providers")
