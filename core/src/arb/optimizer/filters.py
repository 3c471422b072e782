"""The second step: filters over candidate rows, vectorised."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from arb.optimizer.rejections import joined
from arb.tasks.amounts import Amount

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import numpy as np

    from arb.optimizer.columns import Columns
    from arb.optimizer.options import RankOptions
    from arb.tasks.alternatives import Alternative

    Array = np.ndarray[Any, Any]

__all__ = ["PLAIN_FABRICS", "RowFilter", "row_filters"]

PLAIN_FABRICS = frozenset({"", "ethernet"})
"""What ``network_tier: best`` does not take."""
_GB_A_GIB = 1.073741824
_NEAR_DISK = 0.02
"""Disks of one size are sold in sizes that differ by so much."""
_ROUNDING = 1e-9
_TOLERANCE = 1e-6


@dataclass(frozen=True, slots=True)
class RowFilter:
    """One filter.

    Attributes:
        reason: The filter as the task writes it.
        passes: Says of each candidate whether it passes.
        hint: What to say when none of these row numbers passes.
    """

    reason: str
    passes: Callable[[Columns], Array]
    hint: Callable[[Columns, Array], str]


def row_filters(alternative: Alternative, options: RankOptions) -> Iterator[RowFilter]:
    """Yield the filters of an alternative, in the order in which they are applied and told."""
    for name in ("region", "zone", "instance_type"):
        if wanted := getattr(alternative, name):
            yield _text_filter(name, wanted)
    yield from _size_filters(alternative)
    if arch := alternative.arch.casefold():
        yield RowFilter(
            f"arch {arch}",
            lambda c: c.admitted("arch", lambda text: text.casefold() == arch),
            lambda c, rows: f"sold with {joined(_texts(c, rows, 'arch'))}",
        )
    yield from _equipment_filters(alternative)
    yield from _buying_filters(alternative, options)


def _text_filter(column: str, wanted: str) -> RowFilter:
    """Return a filter on a name; in places ``*`` stands for any text."""
    parts = wanted.casefold().split("*") if column != "instance_type" else [wanted.casefold()]
    pattern = re.compile(".*".join(map(re.escape, parts)), re.DOTALL)

    def hint(columns: Columns, rows: Array) -> str:
        known = _texts(columns, rows, column)
        if not known:
            return f"nothing here has a {column}"
        return f"there is only {known[0]}" if len(known) == 1 else _nearest(wanted, known)

    return RowFilter(
        f"{column} {wanted}",
        lambda c: c.admitted(column, lambda text: bool(pattern.fullmatch(text.casefold()))),
        hint,
    )


def _nearest(wanted: str, known: list[str]) -> str:
    """Say which name was meant, or which there are."""
    folded = {name.casefold(): name for name in known}
    near = difflib.get_close_matches(wanted.casefold(), folded, n=1, cutoff=0.7)
    return f"did you mean {folded[near[0]]}?" if near else f"there are {joined(known)}"


def _size_filters(alternative: Alternative) -> Iterator[RowFilter]:
    for name, column, unit in (("cpus", "vcpus", "vCPUs"), ("memory", "memory_gib", "GiB")):
        amount = getattr(alternative, name)
        if amount is not None:
            yield _amount_filter(f"{name} {amount}", column, amount, unit)
    ratio = alternative.memory_per_cpu
    if ratio is not None:
        yield RowFilter(
            f"memory {ratio:g}x",
            lambda c: _has_ratio(c.numbers("memory_gib"), c.numbers("vcpus"), ratio),
            _ratio_hint,
        )


def _amount_filter(reason: str, column: str, amount: Amount, unit: str) -> RowFilter:
    def hint(columns: Columns, rows: Array) -> str:
        sizes = sorted({float(size) for size in columns.numbers(column)[rows]})
        if not sizes[-1]:
            return f"nothing is known of their {unit}"
        if amount.at_least:
            return f"the most is {sizes[-1]:g} {unit}"
        near = sorted(sorted(sizes, key=lambda size: abs(size - amount.value))[:2])
        told = joined([f"{size:g}" for size in near])
        return f"the nearest are {told} {unit}: write {amount.value:g}+ to allow more"

    return RowFilter(reason, lambda c: _admitted(c.numbers(column), amount), hint)


def _equipment_filters(alternative: Alternative) -> Iterator[RowFilter]:
    if alternative.network_tier == "best":
        yield RowFilter(
            "network_tier best",
            lambda c: c.admitted("fabric", lambda text: text.casefold() not in PLAIN_FABRICS),
            lambda *_: "none is known to have more than plain ethernet",
        )
    if disk := alternative.local_disk:
        size = Amount.parse(disk.rpartition(":")[2])
        yield RowFilter(
            f"local_disk {disk}",
            lambda c: _has_disk(c.numbers("disk_gib") * _GB_A_GIB, size),
            lambda c, rows: (
                f"the largest is {c.numbers('disk_gib')[rows].max() * _GB_A_GIB:,.0f} GB"
            ),
        )


def _buying_filters(alternative: Alternative, options: RankOptions) -> Iterator[RowFilter]:
    limit = alternative.max_price_usd_hour
    if limit is not None:
        yield RowFilter(
            f"max_hourly_cost {limit:g}",
            lambda c: c.numbers("price_usd_hour") <= limit + _ROUNDING,
            lambda c, rows: (
                f"the cheapest costs ${c.numbers('price_usd_hour')[rows].min():,.2f} an hour"
            ),
        )
    yield RowFilter(
        "availability",
        lambda c: ~(c.numbers("available") == 0),
        lambda *_: "all of it is sold out now: try again later, or allow other places",
    )
    nodes = options.num_nodes
    if nodes > 1:
        yield RowFilter(
            f"num_nodes {nodes}",
            lambda c: ~(c.numbers("capacity") < nodes),
            lambda c, rows: f"at most {c.numbers('capacity')[rows].max():g} can be had at once",
        )


def _admitted(sizes: Array, amount: Amount) -> Array:
    """Do what ``Amount.admits`` does, for a whole column."""
    import numpy as np

    if amount.at_least:
        return sizes >= amount.value - _TOLERANCE
    near = np.maximum(1e-9 * np.maximum(np.abs(sizes), amount.value), _TOLERANCE)
    return np.abs(sizes - amount.value) <= near


def _has_disk(sizes_gb: Array, wanted: Amount) -> Array:
    """Compare sizes alone: which kind of disk it is, catalogs do not tell."""
    if wanted.at_least:
        return sizes_gb >= wanted.value * (1 - _NEAR_DISK)
    return abs(sizes_gb - wanted.value) <= wanted.value * _NEAR_DISK


def _has_ratio(sizes_gib: Array, vcpus: Array, ratio: float) -> Array:
    """Compare GiB a vCPU; where the vCPUs are not known (0) nothing is."""
    return (vcpus > 0) & (sizes_gib >= ratio * vcpus - _ROUNDING)


def _ratio_hint(columns: Columns, rows: Array) -> str:
    pairs = zip(columns.numbers("memory_gib")[rows], columns.numbers("vcpus")[rows], strict=True)
    best = max((float(gib / vcpus) for gib, vcpus in pairs if vcpus), default=0.0)
    return f"the most is {best:.3g} GiB a vCPU" if best else "nothing is known of their GiB a vCPU"


def _texts(columns: Columns, rows: Array, name: str) -> list[str]:
    """Return the different texts of some rows, sorted, without the empty one."""
    codes = set(columns.codes(name)[rows].tolist())
    return sorted({columns.texts(name)[code] for code in codes} - {""})
