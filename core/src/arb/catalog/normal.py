"""A provider's frame in normal form: every column, every dtype, one name for an accelerator."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any

from arb.catalog.columns import DEFAULTS, NULLABLE, NUMBERS, REQUIRED, TEXTS
from arb.catalog.names import facts, read_spelling

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

__all__ = ["missing_columns", "normal_form", "unknown_columns"]

_DIGITS = 6
"""float32 holds 6 to 9 digits: what is beyond is noise."""
_MOST_WHOLE = 2.0**53
"""Larger numbers are no counts, and may be too large for an integer."""


def missing_columns(frame: pd.DataFrame) -> list[str]:
    """Return the required columns that a frame lacks."""
    return [name for name in REQUIRED if name not in frame.columns]


def unknown_columns(frame: pd.DataFrame) -> list[str]:
    """Return one line for each column that nobody reads."""
    known = {*REQUIRED, *DEFAULTS}
    lines = []
    for name in map(str, frame.columns):
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            meant = f": did you mean {near[0]!r}?" if near else ""
            lines.append(f"unknown column {name!r} is dropped{meant}")
    return lines


def normal_form(frame: pd.DataFrame, *, minimum_s: float = 0) -> pd.DataFrame:
    """Return the known columns with their documented dtypes, nothing judged yet.

    What cannot be read as a number is NaN, a text that is missing is empty, and ``spot`` is NA where
    it is neither true nor false: whoever judges rows finds them there.

    Args:
        frame: With the required columns; others may be missing.
        minimum_s: The provider's billing floor, for offers that name none.
    """
    import pandas as pd

    columns: dict[str, Any] = {"offer_id": _texts(frame["offer_id"], "")}
    defaults = {**DEFAULTS, "minimum_s": minimum_s}
    for name, missing in TEXTS.items():
        columns[name] = _category(frame.get(name), missing, len(frame))
    for name in NUMBERS:
        columns[name] = _numbers(frame.get(name), defaults.get(name), len(frame))
    for name, dtype in {**NULLABLE, "spot": "boolean"}.items():
        columns[name] = _nullable(frame.get(name), dtype, len(frame))
    payload = frame.get("payload")
    columns["payload"] = ["{}"] * len(frame) if payload is None else _texts(payload, "{}")
    for name in ("offer_id", "payload"):
        columns[name] = pd.Series(columns[name], dtype=object)
    made = pd.DataFrame(columns, index=pd.RangeIndex(len(frame)))
    return _with_canonical_names(made)


def _texts(column: pd.Series[Any], missing: str) -> np.ndarray[Any, Any]:
    """Return texts; the empty one for the default too, so that both mean the same."""
    import numpy as np

    values = column.astype(object).to_numpy(copy=True)
    values[column.isna().to_numpy()] = missing
    found: np.ndarray[Any, Any] = np.fromiter(
        (_text(value) or missing for value in values), dtype=object, count=len(values)
    )
    return found


def _text(value: object) -> str:
    """Return a text that a file can hold: half a surrogate pair is a question mark."""
    text = value if type(value) is str else str(value)
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")


def _category(column: pd.Series[Any] | None, missing: str, size: int) -> pd.Categorical[Any]:
    import numpy as np
    import pandas as pd

    if column is None:
        known = pd.Index(np.array([missing], dtype=object), dtype=object)
        return pd.Categorical.from_codes(np.zeros(size, dtype=np.int8), categories=known)
    codes, uniques = pd.factorize(column)
    texts = [missing if pd.isna(value) or value == "" else _text(value) for value in uniques]
    known = list(dict.fromkeys([*texts, missing]))
    place = {text: index for index, text in enumerate(known)}
    # factorize says -1 for what is missing, which picks the last: the default.
    table = np.array([*(place[text] for text in texts), place[missing]], dtype=np.int32)
    categories = pd.Index(np.array(known, dtype=object), dtype=object)
    return pd.Categorical.from_codes(table[codes], categories=categories)


def _numbers(column: pd.Series[Any] | None, missing: Any, size: int) -> np.ndarray[Any, Any]:
    import numpy as np
    import pandas as pd

    if column is None:
        return np.full(size, missing, dtype=np.float64)
    read = pd.to_numeric(
        column.astype(object) if column.dtype == "category" else column, errors="coerce"
    )
    numbers: np.ndarray[Any, Any] = read.to_numpy(dtype=np.float64, na_value=np.nan)
    if str(column.dtype).lower() in {"float32", "float16"}:
        numbers = np.round(numbers, _DIGITS)
    if missing is not None:
        numbers = np.where(np.isnan(numbers), missing, numbers)
    return numbers


def _nullable(column: pd.Series[Any] | None, dtype: str, size: int) -> Any:
    import numpy as np
    import pandas as pd

    if column is None:
        numbers = np.full(size, np.nan)
    elif dtype == "boolean" and str(column.dtype) not in {"bool", "boolean"}:
        flags = column.astype(object).map({True: 1.0, False: 0.0})
        numbers = flags.to_numpy(dtype=np.float64, na_value=np.nan)
    else:
        numbers = _numbers(column, None, size)
    unknown = ~np.isfinite(numbers)
    known = np.where(unknown, 0, numbers)
    if dtype == "boolean":
        return pd.arrays.BooleanArray(known != 0, unknown)
    whole = np.floor(np.clip(known, -_MOST_WHOLE, _MOST_WHOLE)).astype(np.int64)
    return pd.arrays.IntegerArray(whole, unknown)


def _with_canonical_names(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the frame with one name an accelerator, and what the name tells filled in."""
    import numpy as np
    import pandas as pd

    gib = frame["accelerator_gib"].to_numpy(copy=True)
    codes = frame["accelerator"].cat.codes.to_numpy()
    known = frame["accelerator"].cat.categories
    pairs, which = np.unique(np.stack([codes, gib]), axis=1, return_inverse=True)
    read = [_read(known[int(code)], size) for code, size in pairs.T.tolist()]
    which = which.reshape(-1)
    names = np.array([name for name, *_ in read], dtype=object)
    plugs = np.array([plug for _, plug, *_ in read], dtype=object)
    frame["accelerator"] = pd.Categorical(names[which] if read else [])
    frame["accelerator_gib"] = np.array([size for *_, size, _ in read], dtype=np.float64)[which]
    frame["accelerator_count"] *= np.array([times for *_, times in read], dtype=np.float64)[which]
    if read and any(plugs):
        given = frame["interconnect"].astype(object).to_numpy()
        frame["interconnect"] = pd.Categorical(np.where(given == "", plugs[which], given))
    return frame


def _read(text: str, gib: float) -> tuple[str, str, float, float]:
    """Return name, interconnect, memory and how many one of these stands for."""
    spelling = read_spelling(text, max(0, gib))
    known = facts(spelling.name)
    if known is None:
        return spelling.name, spelling.interconnect, gib, spelling.times
    sold = known.nearest_gib(gib) if gib == gib else 0  # noqa: PLR0124 - NaN is judged later
    size = known.memory_gib if gib == 0 else sold or gib
    return spelling.name, spelling.interconnect, size, spelling.times
