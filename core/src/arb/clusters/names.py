"""Cluster names: which are allowed, what a glob matches, and which is the closest match."""

from __future__ import annotations

import fnmatch
import re
import secrets
from typing import TYPE_CHECKING

from arb.errors import UsageError, closest
from arb.state.clusters import get_cluster, list_clusters

if TYPE_CHECKING:
    from collections.abc import Sequence

    from arb.state.clusters import ClusterRecord
    from arb.state.store import Store

__all__ = ["check_name", "find", "matching", "new_name"]

_FORM = re.compile(r"[a-zA-Z]([a-zA-Z0-9._-]{0,60}[a-zA-Z0-9])?")


def check_name(name: str) -> str:
    """Return the name, which is also a host name for ``ssh NAME``.

    Raises:
        UsageError: It does not start with a letter, or holds other than ``[a-zA-Z0-9._-]``.
    """
    if not _FORM.fullmatch(name):
        hint = "a letter, then up to 61 letters, digits, '.', '_' or '-'"
        raise UsageError(f"{name!r} is not a cluster name", code="cluster-name", hint=hint)
    return name


def new_name(task_name: str) -> str:
    """Return a name for a cluster that the user did not name."""
    stem = task_name if _FORM.fullmatch(task_name) else "arb"
    return f"{stem[:50]}-{secrets.token_hex(2)}"


def find(store: Store, name: str) -> ClusterRecord:
    """Return the live cluster of this name.

    Raises:
        UsageError: There is none: it is gone, or the summary has the closest name.
    """
    record = get_cluster(store, name)
    if record is not None:
        return record
    if list_clusters(store, include_gone=True, name=name):
        hint = f"what became of it: arb why {name}"
        raise UsageError(f"cluster {name} is gone", code="unknown-cluster", hint=hint)
    known = [live.name for live in list_clusters(store)]
    raise UsageError(closest(name, known, what="cluster"), code="unknown-cluster")


def matching(store: Store, patterns: Sequence[str], *, everything: bool) -> list[ClusterRecord]:
    """Return live clusters by name or glob, each once.

    Raises:
        UsageError: A name that is no glob and no cluster. A glob may match nothing.
    """
    live = list_clusters(store)
    if everything:
        return live
    chosen = {}
    for pattern in patterns:
        if not re.search(r"[*?\[]", pattern):
            chosen[pattern] = find(store, pattern)
        for record in live:
            if fnmatch.fnmatchcase(record.name, pattern):
                chosen[record.name] = record
    return list(chosen.values())
