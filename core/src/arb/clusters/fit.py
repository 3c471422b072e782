"""Decide whether a task may run on a cluster that is up: compare hardware and place."""

from __future__ import annotations

import fnmatch
from typing import TYPE_CHECKING, Final

from arb.catalog.names import canonical, facts, read_spelling
from arb.errors import UsageError
from arb.text import counted
from arb.types import Offer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from arb.state.clusters import ClusterRecord
    from arb.tasks import Task
    from arb.tasks.alternatives import Alternative

__all__ = ["check_fits"]

_NEAR: Final = 0.92
"""A driver reports some percent less memory than the data sheet."""
_ROUNDING: Final = 1e-6


def check_fits(task: Task, record: ClusterRecord) -> None:
    """Refuse a task that asks for more than a cluster has, or for something else.

    One alternative of the task that fits is enough. Fewer nodes and fewer accelerators of the same
    kind fit. Prices, spot and sizes of the machine are not looked at: they are paid for already.

    Raises:
        UsageError: It does not fit; the summary names what differs.
    """
    if task.num_nodes > record.num_nodes:
        summary = (
            f"cluster {record.name} has {counted(record.num_nodes, 'node')}, not {task.num_nodes}"
        )
        hint = "use another cluster name, or end this one first: arb down " + record.name
        raise UsageError(summary, code="cluster-too-small", hint=hint)
    if not record.provider:
        return
    offer = Offer.from_json(record.offer_json)
    differing = [list(_differences(each, offer)) for each in task.resources.alternatives()]
    nearest = min(differing, key=len)
    if nearest:
        summary = f"cluster {record.name} {', and '.join(nearest)}"
        raise UsageError(summary, code="cluster-elsewhere", hint="use another cluster name")


def _differences(wanted: Alternative, offer: Offer) -> Iterator[str]:
    """Yield what a cluster is and the task does not ask for, as ``is at x, the task asks for y``."""
    if wanted.provider and wanted.provider != offer.provider:
        yield f"is at {offer.provider}, the task asks for {wanted.provider}"
        return  # places and types are the provider's own
    for kind in ("region", "zone"):
        pattern = getattr(wanted, kind)
        if pattern and not fnmatch.fnmatchcase(getattr(offer, kind).lower(), pattern.lower()):
            yield f"is in {kind} {getattr(offer, kind) or '(none)'}, the task asks for {pattern}"
    kind = wanted.instance_type
    if kind and kind.lower() != offer.instance_type.lower():
        yield f"has instances of type {offer.instance_type}, the task asks for {kind}"
    yield from _accelerator_differences(wanted, offer)


def _accelerator_differences(wanted: Alternative, offer: Offer) -> Iterator[str]:
    if wanted.count is None:
        return
    spelled = read_spelling(wanted.accelerator)
    least = wanted.count.value * spelled.times
    has_name = not wanted.accelerator or _name(offer).lower() == spelled.name.lower()
    gib = wanted.accelerator_gib
    has_memory = gib is None or offer.accelerator_gib >= gib.value * _NEAR
    maker = wanted.accelerator_maker
    has_maker = not maker or _maker(offer).casefold() == maker.casefold()
    if not (has_name and has_maker and has_memory and offer.accelerator_count >= least - _ROUNDING):
        has = f"{offer.accelerator}:{offer.accelerator_count:g}" if offer.accelerator else "none"
        memory = f"{gib.value:g}GB{'+' if gib.at_least else ''}" if gib else "any"
        shown = wanted.accelerator or (f"{maker}:{memory}" if maker else memory)
        yield f"has accelerators {has}, the task asks for {shown}:{wanted.count}"


def _maker(offer: Offer) -> str:
    known = facts(_name(offer))
    return known.maker if known else ""


def _name(offer: Offer) -> str:
    return canonical(offer.accelerator, offer.accelerator_gib)
