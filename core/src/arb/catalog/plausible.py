"""Prices that contradict the provider's other rows: in cents, or for one accelerator of several.

A catalog that is wrong as a whole agrees with itself. What can be told is a row against its kin, and
here no true price may be refused: spot prices of one type differ fivefold between zones, may equal
on-demand and may be a twentieth of it; a large host with one accelerator may cost more than a small one
with four; hosts of a market place differ as they like. Each limit says why no true price crosses it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    import pandas as pd

    Array = np.ndarray[Any, Any]

__all__ = ["contradictions"]

_MOST_AN_ACCELERATOR: Final = 100.0
"""Dollars an hour. The dearest that was ever on a price list cost below 30, a cheap one in cents 300."""
_FAR_ON_DEMAND: Final = 20.0
"""On-demand prices of one type differ between regions by less than 3."""
_FAR_SPOT: Final = 60.0
"""Spot prices lie between a twentieth of on-demand and on-demand."""
_FAR_AN_ACCELERATOR: Final = 50.0
"""One T4 with 64 vCPUs costs 9 times one with 4; market places differ by less than 10."""
_SPOT_OVER_ON_DEMAND: Final = 3.0
"""Who pays more for a machine that may be taken away? Cents make of the usual discount 5 to 100."""
_PER_PIECE: Final = 1.5
"""Spot over on-demand, if the latter is for one of several accelerators."""
_ON_DEMAND_OVER_SPOT: Final = 80.0
"""On-demand in cents is 100 times or more the dearest spot price of its type."""
_SAME: Final = 0.005
"""Prices that are passed through are equal but for rounding."""

CENTS: Final = "the price is about 100 times that of its kin: is it in cents?"
LOW: Final = "the price is a small part of that of its kin"
SPOT_CENTS: Final = "the spot price is far above on-demand: is it in cents?"
DEMAND_CENTS: Final = "the on-demand price is far above spot: is it in cents?"
DEMAND_PIECE: Final = "the on-demand price is below spot: is it for one accelerator?"
DISAGREE: Final = "spot is far above on-demand: one is in cents or for one accelerator"
PIECE: Final = "several accelerators cost as much as one: is the price for one accelerator?"
TOO_DEAR: Final = f"an accelerator costs above {_MOST_AN_ACCELERATOR:g} $/h: is it in cents?"


def contradictions(frame: pd.DataFrame) -> Iterator[tuple[str, Array, Array]]:
    """Yield reason, bad rows and prices for what rows say of each other.

    Args:
        frame: Normal form; every row is sound by itself.
    """
    if not len(frame):
        return
    price = frame["price_usd_hour"].to_numpy()
    too_dear = _per_accelerator(frame) > _MOST_AN_ACCELERATOR
    yield TOO_DEAR, too_dear, price
    suspect = too_dear.copy()
    for reason, bad in (*_far_from_kin(frame, ~too_dear), *_spot_and_on_demand(frame, ~too_dear)):
        yield reason, bad, price
        suspect |= bad
    suspect[~suspect] = _priced_by_piece(frame[~suspect])
    yield PIECE, suspect, price


def _per_accelerator(frame: pd.DataFrame) -> Array:
    """Return what one accelerator costs; 0 where there is none or the share of one is sold."""
    import numpy as np

    count = frame["accelerator_count"].to_numpy()
    price: Array = frame["price_usd_hour"].to_numpy()
    return np.where(count > 0, price / np.maximum(count, 1), 0.0)


def _far_from_kin(frame: pd.DataFrame, trusted: Array) -> Iterator[tuple[str, Array]]:
    """Yield rows far from the median of their type, or on demand from that of their accelerator."""
    import numpy as np

    spot = frame["spot"].to_numpy(dtype=bool)
    price = frame["price_usd_hour"].to_numpy()
    far = np.where(spot, _FAR_SPOT, _FAR_ON_DEMAND)
    kin = _lower_median(
        _keys(frame, ["instance_type", "accelerator", "accelerator_count"], spot), price, trusted
    )
    yield CENTS, trusted & (price > far * kin)
    yield LOW, trusted & (price * far < kin)
    each = _per_accelerator(frame)
    counted = trusted & ~spot & (each > 0)
    kin = _lower_median(_keys(frame, ["accelerator", "accelerator_gib"], spot), each, counted)
    yield CENTS, counted & (each > _FAR_AN_ACCELERATOR * kin)
    yield LOW, counted & (each * _FAR_AN_ACCELERATOR < kin)


def _spot_and_on_demand(frame: pd.DataFrame, trusted: Array) -> Iterator[tuple[str, Array]]:
    """Yield rows whose type costs more as spot than on demand, or absurdly less."""
    import numpy as np

    spot = frame["spot"].to_numpy(dtype=bool)
    price = frame["price_usd_hour"].to_numpy()
    kin = _keys(frame, ["instance_type", "accelerator", "accelerator_count"])
    demand, cheapest, dearest = np.zeros((3, kin.max() + 1))
    np.maximum.at(demand, kin[trusted & ~spot], price[trusted & ~spot])
    np.maximum.at(dearest, kin[trusted & spot], price[trusted & spot])
    cheapest[:] = np.inf
    np.minimum.at(cheapest, kin[trusted & spot], price[trusted & spot])
    demand, cheapest, dearest = demand[kin], cheapest[kin], dearest[kin]
    both = trusted & (demand > 0) & (dearest > 0)
    pieces = np.maximum(frame["accelerator_count"].to_numpy(), 1)
    by_piece = both & (pieces > 1) & (cheapest > _PER_PIECE * demand) & (dearest <= pieces * demand)
    in_doubt = by_piece & (cheapest > _SPOT_OVER_ON_DEMAND * demand)
    yield DISAGREE, in_doubt
    yield DEMAND_PIECE, by_piece & ~in_doubt & ~spot
    yield SPOT_CENTS, both & ~by_piece & spot & (price > _SPOT_OVER_ON_DEMAND * demand)
    yield DEMAND_CENTS, both & ~spot & (price > _ON_DEMAND_OVER_SPOT * dearest)


def _priced_by_piece(frame: pd.DataFrame) -> Array:
    """Return rows of several accelerators that cost what one of their family does.

    The family is the instance type without its numbers, in one place and class. A coincidence is not
    systematic: most sizes of a family must show it, and most families of an accelerator.
    """
    import numpy as np

    if not len(frame):
        return np.zeros(0, dtype=bool)
    family = _families(frame)
    base, comparable = _comparable(frame, family)
    price = frame["price_usd_hour"].to_numpy()
    same = comparable & (np.abs(price - price[base]) <= _SAME * price[base])
    systematic = 2 * _counted(family, same) > _counted(family, comparable)
    one = np.zeros(len(frame), dtype=bool)  # each family has one vote
    one[np.unique(np.where(comparable, family, -1), return_index=True)[1]] = True
    one &= comparable
    kind = _keys(frame, ["accelerator"], frame["spot"].to_numpy(dtype=bool))
    bad: Array = same & systematic
    return bad & (2 * _counted(kind, one & systematic) > _counted(kind, one))


def _comparable(frame: pd.DataFrame, family: Array) -> tuple[Array, Array]:
    """Return for each row the smallest of its family, and whether it is that several times over.

    CPUs and memory must have grown with the accelerators. A family in which one size has two prices
    is that of a market place: its hosts cannot be compared.
    """
    import numpy as np

    count = frame["accelerator_count"].to_numpy()
    price = frame["price_usd_hour"].to_numpy()
    order = np.lexsort([price, count, family])
    first = order[np.r_[True, np.diff(family[order]) != 0]]
    base = first[np.searchsorted(family[first], family)]
    times = count / np.maximum(count[base], 1e-9)
    found = (count[base] > 0) & (times >= 2)  # noqa: PLR2004 - a piece and more
    for name in ("vcpus", "memory_gib"):
        size = frame[name].to_numpy()
        found &= size >= size[base] * times / 2
    beside = (np.diff(family[order]) == 0) & (np.diff(count[order]) == 0)
    differ = beside & (np.diff(price[order]) > _SAME * price[order[:-1]])
    return base, found & ~np.isin(family, family[order[1:][differ]])


def _counted(key: Array, rows: Array) -> Array:
    """Return for each row how many of some rows have its key."""
    import numpy as np

    found: Array = np.bincount(key[rows], minlength=int(key.max()) + 1)[key]
    return found


def _families(frame: pd.DataFrame) -> Array:
    import pandas as pd

    types = frame["instance_type"].cat.categories
    shapes, _ = pd.factorize(pd.Index([re.sub(r"\d+", "#", name) for name in types]))
    shape = shapes[frame["instance_type"].cat.codes.to_numpy()]
    columns = ["accelerator", "accelerator_gib", "interconnect", "region", "zone"]
    return _keys(frame, columns, frame["spot"].to_numpy(dtype=bool), shape)


def _keys(frame: pd.DataFrame, columns: list[str], *more: Array) -> Array:
    """Return one number a row, equal where all columns are."""
    import numpy as np
    import pandas as pd

    key = np.zeros(len(frame), dtype=np.int64)
    values = [frame[c].cat.codes if frame[c].dtype == "category" else frame[c] for c in columns]
    for column in (*(v.to_numpy() for v in values), *more):
        codes, known = pd.factorize(column)
        key, _ = pd.factorize(key * len(known) + codes)
    return key


def _lower_median(key: Array, values: Array, counted: Array) -> Array:
    """Return for each row the lower median over its key; NaN where nothing is counted.

    The lower one, as of two prices that differ by 100 the higher is in cents.
    """
    import numpy as np

    rows = np.flatnonzero(counted)
    order = rows[np.lexsort([values[rows], key[rows]])]
    sizes = np.bincount(key[rows], minlength=int(key.max()) + 1)
    starts = np.cumsum(sizes) - sizes
    medians = np.full(len(sizes), np.nan)
    some = sizes > 0
    medians[some] = values[order[starts[some] + (sizes[some] - 1) // 2]]
    found: Array = medians[key]
    return found
