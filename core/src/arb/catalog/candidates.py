"""Rows of some groups as a frame: numbers stay numbers, repeated texts stay codes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from arb.catalog.schema import AMOUNTS, CODED, DETAILS

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    import pandas as pd

    from arb.catalog.market import Group
    from arb.catalog.store import CatalogStore

__all__ = ["read_candidates", "read_frame"]

_COLUMNS: Final = ("row", *CODED, *AMOUNTS, "offer_id")
_SELECT: Final = f"SELECT {', '.join(_COLUMNS)} FROM offers WHERE row BETWEEN ? AND ? ORDER BY row"
_DETAILS: Final = (
    f"SELECT row, {', '.join(DETAILS)} FROM details WHERE row BETWEEN ? AND ? ORDER BY row"
)
_TEXTS_OF_GROUPS: Final = ("provider", "accelerator")
_NUMBERS_OF_GROUPS: Final = ("accelerator_count", "accelerator_gib")


def read_candidates(
    store: CatalogStore, spans: Sequence[tuple[int, Group]], *, whole: bool
) -> pd.DataFrame:
    """Return the rows of some groups.

    Args:
        store: Where to read.
        spans: First row and group, in the order of the rows.
        whole: With the columns that few need, too.
    """
    import numpy as np
    import pandas as pd

    ranges = _joined(spans)
    rows = [row for bounds in ranges for row in store.rows_of(_SELECT, bounds)]
    values = _by_column(_COLUMNS, rows)
    del rows  # a million tuples
    sizes = np.array([group.rows for _, group in spans], dtype=np.int64)
    columns: dict[str, Any] = {
        "row": np.array(values["row"], dtype=np.int64),
        "group": np.repeat(np.array([g.id for _, g in spans], dtype=np.int64), sizes),
        **_of_groups([group for _, group in spans], sizes),
        "spot": np.repeat(np.array([g.spot for _, g in spans], dtype=bool), sizes),
    }
    for name in CODED:
        codes = np.array(values.pop(name), dtype=np.int32)
        columns[name] = _category(codes, store.words(name))
    for name in AMOUNTS:
        columns[name] = _amounts(name, values.pop(name))
    columns["offer_id"] = pd.Series(values.pop("offer_id"), dtype=object)
    if whole:
        columns |= _details(store, ranges, columns)
    return pd.DataFrame(columns)


def read_frame(store: CatalogStore, provider: str) -> pd.DataFrame:
    """Return a provider's offers in normal form, as they were written."""
    from arb.catalog.columns import normal_dtypes

    groups = [group for group in store.groups() if group.provider == provider]
    frame = store.candidates(groups, whole=True)
    known = store.provider(provider)
    of_all = known.as_of if known else 0.0
    frame["as_of"] = frame["as_of"].where(frame["as_of"] != of_all)
    return frame[list(normal_dtypes())]


def _joined(spans: Sequence[tuple[int, Group]]) -> list[tuple[int, int]]:
    """Return first and last rows of what is to be read, neighbours together."""
    ranges: list[tuple[int, int]] = []
    for first, group in spans:
        last = first + group.rows - 1
        if ranges and ranges[-1][1] == first - 1:
            ranges[-1] = (ranges[-1][0], last)
        else:
            ranges.append((first, last))
    return ranges


def _by_column(names: Sequence[str], rows: list[tuple[Any, ...]]) -> dict[str, Sequence[Any]]:
    if not rows:
        return dict.fromkeys(names, ())
    return dict(zip(names, zip(*rows, strict=True), strict=True))


def _of_groups(groups: Sequence[Group], sizes: np.ndarray[Any, Any]) -> dict[str, Any]:
    """Return the columns that all rows of a group share."""
    import numpy as np

    columns: dict[str, Any] = {}
    for name in _TEXTS_OF_GROUPS:
        texts = [getattr(group, name) for group in groups]
        known = sorted(set(texts))
        code = {text: index for index, text in enumerate(known)}
        codes = np.array([code[text] for text in texts], dtype=np.int32)
        columns[name] = _category(np.repeat(codes, sizes), known)
    for name in _NUMBERS_OF_GROUPS:
        numbers = np.array([getattr(group, name) for group in groups], dtype=np.float64)
        columns[name] = np.repeat(numbers, sizes)
    return columns


def _category(codes: np.ndarray[Any, Any], texts: Sequence[str]) -> pd.Categorical[Any]:
    import numpy as np
    import pandas as pd

    known: pd.Index[Any] = pd.Index(np.array(texts, dtype=object), dtype=object)
    return pd.Categorical.from_codes(codes, categories=known)


def _amounts(name: str, values: Sequence[Any]) -> Any:
    import numpy as np
    import pandas as pd

    numbers = np.array(values, dtype=np.float64)  # None becomes NaN
    if name == "available":
        return _flags(numbers)
    if name == "capacity":
        missing = np.isnan(numbers)
        return pd.arrays.IntegerArray(np.where(missing, 1, numbers).astype(np.int64), missing)
    return numbers


def _flags(numbers: np.ndarray[Any, Any]) -> pd.arrays.BooleanArray:
    import numpy as np
    import pandas as pd

    return pd.arrays.BooleanArray(numbers == 1, np.isnan(numbers))


def _details(
    store: CatalogStore, ranges: Sequence[tuple[int, int]], columns: dict[str, Any]
) -> dict[str, Any]:
    """Return what few rows have, with defaults for the others."""
    import numpy as np
    import pandas as pd

    rows = [row for bounds in ranges for row in store.rows_of(_DETAILS, bounds)]
    found = _by_column(("row", *DETAILS), rows)
    at = np.searchsorted(columns["row"], np.array(found["row"], dtype=np.int64))
    size = len(columns["row"])

    def spread(name: str, default: object, dtype: Any) -> Any:
        values = np.full(size, default, dtype=dtype)
        values[at] = np.array(found[name], dtype=dtype)
        return values

    known = {row.name: row for row in store.providers()}
    told = [known[name] for name in columns["provider"].categories]
    codes = columns["provider"].codes
    sources = np.array([row.source for row in told], dtype=object)[codes]
    dates = np.array([row.as_of for row in told], dtype=np.float64)[codes]
    as_of = spread("as_of", np.nan, np.float64)
    return {
        "payload": pd.Series(spread("payload", "{}", object), dtype=object),
        "note": pd.Categorical(spread("note", "", object)),
        "quota_family": pd.Categorical(spread("quota_family", "", object)),
        "user_data": _flags(spread("user_data", np.nan, np.float64)),
        "as_of": np.where(np.isnan(as_of), dates, as_of),
        "source": pd.Categorical(sources),
    }
