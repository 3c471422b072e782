"""Which rows of a provider's catalog can be believed. Bad ones are refused with a reason."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from arb.catalog.columns import LATEST
from arb.catalog.normal import missing_columns, normal_form, unknown_columns
from arb.catalog.plausible import contradictions
from arb.errors import PluginError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import numpy as np
    import pandas as pd

    Mask = np.ndarray[Any, np.dtype[np.bool_]]

__all__ = ["Fault", "Validated", "validate"]

_AMOUNTS: Final = (
    "vcpus",
    "memory_gib",
    "accelerator_count",
    "accelerator_gib",
    "disk_gib",
    "minimum_s",
)
_MOST: Final[Mapping[str, float]] = {
    "vcpus": 1e6,
    "accelerator_count": 1e6,
    "disk_gib": 1e9,
    "minimum_s": 10 * 366 * 86400,
}
"""Beyond all that is sold, and so far below infinity that sums and products do not reach it."""
_MOST_USD_HOUR: Final = 1e6
_LEAST_SHARE: Final = 0.001
"""Of one accelerator."""
_MOST_MEMORY_GIB: Final = 100_000
"""Three times the largest machine there is: more is MiB."""


@dataclass(frozen=True, slots=True)
class Fault:
    """Rows that were refused for one reason.

    Attributes:
        reason: What is wrong, as people read it.
        offer_ids: Of which rows.
        example: The first one's ``offer_id`` and value.
    """

    reason: str
    offer_ids: tuple[str, ...]
    example: str

    @property
    def count(self) -> int:
        """How many rows."""
        return len(self.offer_ids)

    def __str__(self) -> str:
        """Return one line: ``3 offers: the price is negative (first: small-1, -0.2)``."""
        offers = "1 offer" if self.count == 1 else f"{self.count} offers"
        return f"{offers}: {self.reason} (first: {self.example})"


@dataclass(frozen=True, slots=True)
class Validated:
    """A provider's catalog after the check.

    Attributes:
        frame: Good rows in normal form.
        faults: Why the others were refused, in the order of the checks.
        notes: What was changed without refusing a row: one line each.
    """

    frame: pd.DataFrame
    faults: tuple[Fault, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def refused(self) -> int:
        """How many rows were refused."""
        return sum(fault.count for fault in self.faults)


def validate(frame: pd.DataFrame, *, owned: bool = False, minimum_s: float = 0) -> Validated:
    """Check a frame of ``arb_catalog``.

    Args:
        frame: As the hook returned it.
        owned: Whether price 0 is allowed, and prices need not agree.
        minimum_s: The provider's billing floor, for offers that name none.

    Raises:
        PluginError: A required column is missing; the summary does not name the plugin.
    """
    if missing := missing_columns(frame):
        columns = "columns" if len(missing) > 1 else "column"
        raise PluginError(f"no {columns} {', '.join(missing)}", code="catalog-columns")
    notes = unknown_columns(frame)
    normal = normal_form(frame, minimum_s=minimum_s)
    notes += [*_forget_bad_places(normal), *_forget_bad_dates(normal)]
    faults, good = _judged(normal, _row_faults(normal, owned=owned))
    more: list[Fault] = []
    if not owned:  # one's own machines cost what their owner says
        more, good = _judged(good, contradictions(good))
    good["spot"] = good["spot"].astype(bool)
    return Validated(good, (*faults, *more), tuple(notes))


def _judged(
    frame: pd.DataFrame, checks: Iterator[tuple[str, Mask, Any]]
) -> tuple[list[Fault], pd.DataFrame]:
    """Return the faults and the rows without any; a row counts under its first fault."""
    import numpy as np

    good = np.ones(len(frame), dtype=bool)
    faults = []
    for reason, is_bad, shown in checks:
        hit = np.flatnonzero(is_bad & good)
        if len(hit):
            example = _example(frame, int(hit[0]), shown)
            ids = tuple(frame["offer_id"].to_numpy()[hit])
            faults.append(Fault(reason, ids, example))
            good[hit] = False
    return faults, frame if good.all() else frame[good].reset_index(drop=True)


def _example(frame: pd.DataFrame, row: int, shown: Any) -> str:
    name = str(frame["offer_id"].iloc[row]) or "an offer without an id"
    value = shown[row] if shown is not None else None
    if value is None:
        return name
    return f"{name}, {value:g}" if isinstance(value, float) else f"{name}, {value}"


def _row_faults(frame: pd.DataFrame, *, owned: bool) -> Iterator[tuple[str, Mask, Any]]:
    """Yield reason, bad rows, and the value to show, for what a row tells alone."""
    import numpy as np

    yield "the offer has no id", _is_empty(frame, "offer_id"), None
    yield "the offer has no instance_type", _is_empty(frame, "instance_type"), None
    yield "the offer has no region", _is_empty(frame, "region"), None
    yield "spot is neither true nor false", frame["spot"].isna().to_numpy(), None
    price = frame["price_usd_hour"].to_numpy()
    yield "the price is not a number", ~np.isfinite(price), price
    yield "the price is negative", price < 0, price
    yield "the price is too large", price > _MOST_USD_HOUR, price
    if not owned:
        yield "the price is 0", price == 0, None
    for name in _AMOUNTS:
        values = frame[name].to_numpy()
        yield f"{name} is not a number", ~np.isfinite(values), values
        yield f"{name} is negative", values < 0, values
        yield f"{name} is too large", values > _MOST.get(name, np.inf), values
    capacity = frame["capacity"].fillna(0).to_numpy(dtype=np.float64)
    yield "capacity is negative", capacity < 0, capacity
    yield from _accelerator_faults(frame)
    memory = frame["memory_gib"].to_numpy()
    yield "memory_gib is too large: is it MiB?", memory > _MOST_MEMORY_GIB, memory
    twice = frame.assign(spot=frame["spot"].astype(object)).duplicated(["offer_id", "spot"])
    yield "the same offer_id stands twice", twice.to_numpy(), None


def _accelerator_faults(frame: pd.DataFrame) -> Iterator[tuple[str, Mask, Any]]:
    from arb.catalog.names import facts

    has_name = ~_is_empty(frame, "accelerator")
    has_count = frame["accelerator_count"].to_numpy() > 0
    names = frame["accelerator"].astype(object).to_numpy()
    yield "there is an accelerator and no accelerator_count", has_name & ~has_count, names
    counts = frame["accelerator_count"].to_numpy()
    yield "there is an accelerator_count and no accelerator", has_count & ~has_name, counts
    is_speck = has_count & (counts < _LEAST_SHARE)
    yield "accelerator_count is too small", is_speck, counts
    most = {name: 100 * known.memory_gib if (known := facts(name)) else _MOST_MEMORY_GIB
            for name in frame["accelerator"].cat.categories}  # fmt: skip
    gib = frame["accelerator_gib"].to_numpy()
    limit = frame["accelerator"].map(most).to_numpy(dtype=float)
    yield "accelerator_gib is too large: is it MiB?", gib > limit, gib


def _is_empty(frame: pd.DataFrame, column: str) -> Mask:
    found: Mask = (frame[column] == "").to_numpy(dtype=bool)
    return found


def _forget_bad_places(frame: pd.DataFrame) -> list[str]:
    """Make coordinates that are not on this earth unknown: they spoil a distance, not an offer."""
    notes = []
    for name, most in (("latitude", 90), ("longitude", 180)):
        bad = frame[name].abs() > most
        if bad.any():
            notes.append(f"{name} beyond {most} degrees in {int(bad.sum())} rows is ignored")
            frame.loc[bad, name] = float("nan")
    return notes


def _forget_bad_dates(frame: pd.DataFrame) -> list[str]:
    """Make dates that no calendar has unknown: the catalog's own stands for them."""
    dates = frame["as_of"]
    bad = dates.notna() & ~dates.between(0, LATEST, inclusive="left")
    if not bad.any():
        return []
    frame.loc[bad, "as_of"] = float("nan")
    return [f"as_of is no date in {int(bad.sum())} rows: that of the catalog counts"]
