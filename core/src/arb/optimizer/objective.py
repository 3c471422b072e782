"""Scores: what each objective makes of a price. Lower is better, and all are proportional to it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from arb.catalog.names import facts
from arb.errors import UsageError
from arb.optimizer.options import Objective
from arb.optimizer.rejections import joined, offers_counted

if TYPE_CHECKING:
    import numpy as np

    from arb.optimizer.columns import Columns
    from arb.optimizer.options import RankOptions

    Array = np.ndarray[Any, Any]

__all__ = ["Scoring", "distance_km", "score"]

EARTH_KM: Final = 6371.0088
DOUBLING_KM: Final = 10_000
"""So far away an offer counts as if it cost twice as much."""
_NOWHERE: Final = 1000.0


@dataclass(frozen=True, slots=True)
class Scoring:
    """Columns beside the candidates.

    Attributes:
        billing: Effective price over price: above 1 where a billing minimum counts.
        factor: Score over price.
        comparable: False where the objective has no figure; those offers come last.
        notices: Which those are.
    """

    billing: Array
    factor: Array
    comparable: Array
    notices: tuple[str, ...] = ()


def score(columns: Columns, rows: Array, options: RankOptions) -> Scoring:
    """Return what the objective makes of some candidates.

    Args:
        columns: All candidates.
        rows: The row numbers that are wanted.
        options: The objective, and what it needs.

    Raises:
        UsageError: The objective is ``latency``, and no client region is given.
    """
    import numpy as np

    minimum_h = columns.numbers("minimum_s")[rows] / 3600
    billing = np.maximum(options.duration_h, minimum_h) / options.duration_h
    if options.objective is Objective.VALUE:
        return _value(columns, rows, billing)
    if options.objective is Objective.LATENCY:
        return _latency(columns, rows, billing, options)
    return Scoring(billing, billing, np.ones(len(rows), dtype=np.bool_))


def _value(columns: Columns, rows: Array, billing: Array) -> Scoring:
    """Divide by dense bf16 PFLOPS of the whole instance, from the accelerator table."""
    import numpy as np

    names, plugs = columns.texts("accelerator"), columns.texts("interconnect")
    table = np.array([[_tflops(name, plug) for plug in plugs] for name in names]).reshape(
        len(names), len(plugs)
    )
    accelerators = columns.codes("accelerator")[rows]
    each = table[accelerators, columns.codes("interconnect")[rows]]
    pflops = each * columns.numbers("accelerator_count")[rows] / 1000
    known = pflops > 0
    factor = np.where(known, billing / np.where(known, pflops, 1.0), billing)
    without = set(accelerators[~known].tolist())
    told = joined(sorted({names[code] or "CPUs alone" for code in without}))
    notices = (f"no dense bf16 figure is known of {told}: ranked last",) if without else ()
    return Scoring(billing, factor, known, notices)


def _tflops(name: str, interconnect: str) -> float:
    known = facts(name)
    return known.tflops(interconnect) if known else 0.0


def _latency(columns: Columns, rows: Array, billing: Array, options: RankOptions) -> Scoring:
    """Make an offer dearer the farther it is from the client regions on average."""
    import numpy as np

    if not options.near:
        hint = "say where from: --near LATITUDE,LONGITUDE"
        raise UsageError("the objective latency needs client regions", code="no-near", hint=hint)
    kilometres = _mean_km(columns, rows, options.near)
    known = ~np.isnan(kilometres)
    away = np.where(known, kilometres, 0.0) / DOUBLING_KM * options.near_weight
    count = int((~known).sum())
    told = f"the place of {offers_counted(count)} is not known: ranked last"
    return Scoring(billing, billing * (1 + away), known, (told,) if count else ())


def _mean_km(columns: Columns, rows: Array, near: tuple[tuple[float, float], ...]) -> Array:
    """Return the mean distance to the client regions in whole km; NaN where the place is not known."""
    import numpy as np

    degrees = np.stack([columns.numbers(name)[rows] for name in ("latitude", "longitude")], axis=1)
    degrees[np.isnan(degrees).any(axis=1)] = _NOWHERE  # no two NaN are alike
    places, which = np.unique(degrees, axis=0, return_inverse=True)
    means = [
        math.nan if latitude == _NOWHERE else round(_mean(latitude, longitude, near))
        for latitude, longitude in places.tolist()
    ]
    return np.array(means, dtype=np.float64)[which.reshape(-1)]


def _mean(latitude: float, longitude: float, near: tuple[tuple[float, float], ...]) -> float:
    return math.fsum(distance_km((latitude, longitude), client) for client in near) / len(near)


def distance_km(one: tuple[float, float], other: tuple[float, float]) -> float:
    """Return the great-circle distance between two places, each latitude and longitude in degrees."""
    (lat1, lon1), (lat2, lon2) = (tuple(map(math.radians, place)) for place in (one, other))
    across = math.sin((lat2 - lat1) / 2) ** 2
    along = math.cos(lat1) * math.cos(lat2) * math.sin((lon2 - lon1) / 2) ** 2
    return 2 * EARTH_KM * math.asin(math.sqrt(min(1.0, across + along)))
