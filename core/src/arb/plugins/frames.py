"""Columns of the frames that hooks exchange, and the kind of value in each.

Only kinds are checked here: text, numbers, booleans. Whether the rows make sense is for the
catalog. A column of a kin type (text for a category, int64 for float32) is the right kind.
"""

from __future__ import annotations

import math
import sys
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "CATALOG_COLUMNS",
    "OPTIONAL_COLUMNS",
    "PRICE_COLUMNS",
    "WrongResult",
    "check_adjusted",
    "check_frame",
]

CATALOG_COLUMNS: Final = {
    "offer_id": "text",
    "region": "text",
    "zone": "text",
    "instance_type": "text",
    "accelerator": "text",
    "accelerator_count": "number",
    "accelerator_gib": "number",
    "vcpus": "number",
    "memory_gib": "number",
    "spot": "boolean",
    "price_usd_hour": "number",
}
"""Required columns of ``arb_catalog``."""
OPTIONAL_COLUMNS: Final = {
    "arch": "text",
    "interconnect": "text",
    "fabric": "text",
    "quota_family": "text",
    "disk_gib": "number",
    "minimum_s": "number",
    "available": "boolean",
    "capacity": "number",
    "user_data": "boolean",
    "latitude": "number",
    "longitude": "number",
    "note": "text",
    "payload": "text",
    "as_of": "number",
}
"""Columns that ``arb_catalog`` may have besides."""
PRICE_COLUMNS: Final = {
    "offer_id": "text",
    "spot": "boolean",
    "price_usd_hour": "number",
    "available": "boolean",
}
"""Required columns of ``arb_query_prices``."""


class WrongResult(Exception):
    """A hook returned what its specification does not allow. The text goes after its name."""


def check_frame(
    frame: object, columns: Mapping[str, str], optional: Mapping[str, str] | None = None
) -> None:
    """Check the class of a frame and the kinds of its columns.

    Args:
        frame: What a hook returned.
        columns: Kinds of the columns that must be there.
        optional: Kinds of those that may be.

    Raises:
        WrongResult: Something is wrong; the text names the column.
    """
    pandas = sys.modules.get("pandas")  # a frame cannot exist before pandas was imported
    if pandas is None or not isinstance(frame, pandas.DataFrame):
        raise WrongResult(f"returned a {type(frame).__name__}, not a pandas DataFrame")
    if not frame.columns.is_unique:
        raise WrongResult("returned a frame with a column twice")
    for name in columns:
        if name not in frame.columns:
            raise WrongResult(f"returned a frame without the column {name}")
    for name, kind in {**columns, **(optional or {})}.items():
        if len(frame) and name in frame.columns and _kind(frame[name]) not in {kind, "empty"}:
            text = f"returned the column {name} as {frame[name].dtype}, not {kind}"
            raise WrongResult(text)


def _kind(column: Any) -> str:
    """Return ``text``, ``number``, ``boolean``, ``empty`` or another word for a column's values."""
    from pandas.api import types

    if isinstance(column.dtype, types.CategoricalDtype):
        kind = _kind(column.cat.categories.to_series())
        return kind if kind in {"text", "empty"} else f"category of {kind}"
    if types.is_bool_dtype(column.dtype):
        return "boolean"
    if types.is_numeric_dtype(column.dtype) and not types.is_complex_dtype(column.dtype):
        return "number"
    return {"string": "text"}.get(inferred := types.infer_dtype(column, skipna=True), inferred)


def check_adjusted(before: Any, after: object) -> None:
    """Check that a frame of candidates is a subset of another one with the same columns.

    Raises:
        WrongResult: It is not, or a price cannot be ranked.
    """
    pandas = sys.modules["pandas"]
    if not isinstance(after, pandas.DataFrame):
        raise WrongResult(f"returned a {type(after).__name__}, not a pandas DataFrame")
    if list(after.columns) != list(before.columns):
        raise WrongResult("returned a frame with other columns")
    if not (after.index.is_unique and after.index.isin(before.index).all()):
        raise WrongResult("returned rows that are not among the candidates")
    kept = before.loc[after.index]
    for name in ("provider", "offer_id", "spot"):
        if name in kept.columns and not (kept[name].astype(str) == after[name].astype(str)).all():
            raise WrongResult(f"changed the column {name}")
    if "price_usd_hour" in after.columns:
        check_frame(after[["price_usd_hour"]], {"price_usd_hour": "number"})
        if not after["price_usd_hour"].between(0, math.inf, inclusive="left").all():
            raise WrongResult("returned a price that is negative, missing or infinite")
