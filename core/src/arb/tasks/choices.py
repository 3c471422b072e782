"""From ``resources`` with its choices to alternatives without any."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

from arb.tasks.alternatives import Alternative, SpotUse
from arb.tasks.amounts import Memory

if TYPE_CHECKING:
    from collections.abc import Iterator

    from arb.tasks.accelerators import Accelerator
    from arb.tasks.resources import Keys, Resources

__all__ = ["expand", "gpus_on"]

_Rank = tuple[int, int]
_COMPARED = tuple(f.name for f in fields(Alternative) if f.name not in {"preference", "path"})
_SPOT = {True: SpotUse.ALWAYS, False: SpotUse.NEVER, "prefer": SpotUse.PREFER}


def expand(resources: Resources) -> tuple[Alternative, ...]:
    """Return every alternative, preferred ones first; what stands twice is kept once.

    Preference numbers are dense. ``ordered`` decides first, then a list of accelerators.
    """
    ranked = sorted(_ranked(resources), key=lambda pair: pair[0])
    numbers = {rank: number for number, rank in enumerate(dict.fromkeys(r for r, _ in ranked))}
    found: dict[Any, Alternative] = {}
    for rank, alternative in ranked:
        numbered = replace(alternative, preference=numbers[rank])
        found.setdefault(_identity(numbered), numbered)
    return tuple(found.values())


def gpus_on(resources: Resources, accelerator: str, count: float) -> float:
    """Return how many accelerators a job of these resources takes on one node.

    Args:
        resources: Of the job.
        accelerator: What the node has.
        count: How many of it.
    """
    every = expand(resources)
    if not count and any(each.count is None for each in every):
        return 0  # bought for an alternative that wants none
    wanted = [each for each in every if each.count is not None]
    same = [each for each in wanted if each.accelerator.casefold() == accelerator.casefold()]
    for each in (*same, *wanted):
        if each.count is not None and each.count.admits(count):
            return count
    return next((each.count.value for each in (*same, *wanted) if each.count is not None), 0)


def _ranked(resources: Resources) -> Iterator[tuple[_Rank, Alternative]]:
    for first, (keys, path) in enumerate(_entries(resources)):
        wanted = keys.accelerators
        for second, accelerator in enumerate(wanted.choices if wanted else (None,)):
            rank = (
                first if resources.ordered else 0,
                second if wanted and wanted.ordered else 0,
            )
            yield rank, _alternative(keys, accelerator, path)


def _entries(resources: Resources) -> Iterator[tuple[Keys, tuple[str | int, ...]]]:
    """Go over the entries, each with the keys that it inherits."""
    kind = "ordered" if resources.ordered else "any_of"
    entries = resources.ordered or resources.any_of
    if not entries:
        yield resources, ("resources",)
    for index, entry in enumerate(entries):
        own = entry.given()
        if "labels" in own:
            own["labels"] = {**resources.labels, **entry.labels}
        yield resources.model_copy(update=own), ("resources", kind, index)


def _alternative(
    keys: Keys, accelerator: Accelerator | None, path: tuple[str | int, ...]
) -> Alternative:
    place, memory = keys.place, keys.memory
    ratio = memory.value if isinstance(memory, Memory) and memory.per_cpu else None
    return Alternative(
        provider=place.provider,
        region=place.region,
        zone=place.zone,
        instance_type=keys.instance_type,
        accelerator=accelerator.name if accelerator else "",
        count=accelerator.amount if accelerator else None,
        accelerator_gib=accelerator.memory if accelerator else None,
        accelerator_maker=accelerator.maker if accelerator else "",
        cpus=keys.cpus,
        memory=None if ratio is not None else memory,
        memory_per_cpu=ratio,
        spot=_SPOT[keys.use_spot],
        max_price_usd_hour=keys.max_hourly_cost,
        network_tier=keys.network_tier,
        local_disk=keys.local_disk,
        disk_gib=keys.disk_size,
        disk_tier=keys.disk_tier,
        images=dict(keys.image_id.by_region) if keys.image_id else {},
        labels=dict(keys.labels),
        ports=keys.ports,
        path=path,
    )


def _identity(alternative: Alternative) -> Any:
    """Return what makes two alternatives the same, wherever they stand and whatever they rank."""
    return tuple(
        frozenset(value.items()) if isinstance(value, dict) else value
        for value in (getattr(alternative, name) for name in _COMPARED)
    )
