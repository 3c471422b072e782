"""The order of a ranking: one stable sort over numbers, texts only where everything else ties."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

    from arb.optimizer.columns import Columns

    Array = np.ndarray[Any, Any]

__all__ = ["best_first"]

_NAMES: Final = ("provider", "region", "zone", "instance_type")


def best_first(
    columns: Columns, rows: Array, preference: Array, comparable: Array, scores: Array
) -> Array:
    """Return positions in ``rows`` in the order of ``Standing.key``.

    Args:
        columns: All candidates.
        rows: Those to sort.
        preference: Of each of ``rows``.
        comparable: Of each of ``rows``.
        scores: Of each of ``rows``.
    """
    import numpy as np

    keys = [preference, ~comparable, scores, _tie_breaker(columns, rows)]
    order = np.lexsort(keys[::-1])
    tied = _tied_runs([key[order] for key in keys])
    if len(tied):
        ids = columns.offer_ids[rows]
        for first, last in tied:
            order[first:last] = sorted(order[first:last].tolist(), key=ids.__getitem__)
    return order


def _tie_breaker(columns: Columns, rows: Array) -> Array:
    """Return one number a row for spot and the names: on-demand first, then by name."""
    import numpy as np

    number = columns.spot[rows].astype(np.int64)
    for name in _NAMES:
        ranks = columns.ranks(name)[rows]
        number = number * (len(columns.texts(name)) or 1) + ranks
        if len(columns.texts(name)) > 1:
            number = _squeezed(number)
    return number


def _squeezed(number: Array) -> Array:
    """Return the same order in small numbers, where they grow too large to be multiplied."""
    import numpy as np

    if number.max(initial=0) < 1 << 40:
        return number
    return np.unique(number, return_inverse=True)[1].reshape(-1)


def _tied_runs(keys: Sequence[Array]) -> list[tuple[int, int]]:
    """Return begin and end of the runs of sorted rows that no key tells apart."""
    import numpy as np

    size = len(keys[0])
    same = np.ones(max(0, size - 1), dtype=np.bool_)
    for key in keys:
        same &= key[1:] == key[:-1]
    edges = np.diff(np.concatenate([[False], same, [False]]).astype(np.int8))
    begins, ends = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)
    return list(zip(begins.tolist(), (ends + 1).tolist(), strict=True))
