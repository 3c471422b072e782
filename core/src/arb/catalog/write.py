"""Frames in normal form become the catalog file, which appears under its name when it is whole."""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from arb.catalog.schema import AMOUNTS, CODED, DETAILS, SCHEMA

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    import numpy as np
    import pandas as pd

    from arb.catalog.schema import ProviderRow

__all__ = ["fill", "remove_leftovers", "write_catalog", "write_providers"]

_CHUNK: Final = 20_000
"""Rows that are Python objects at a time: what a row costs as objects is many times its numbers."""
_KEY: Final = ("accelerator", "accelerator_count", "accelerator_gib", "spot", "provider")
"""What makes a group, and the order of groups."""
_INNER: Final = ("is_unavailable", "price_usd_hour", "region", "zone", "instance_type")
"""The order of offers in a group: the first is what a listing shows of it."""


def write_catalog(
    path: Path, providers: Iterable[ProviderRow], frames: Mapping[str, pd.DataFrame]
) -> None:
    """Write the whole catalog. Readers see the old file or the new one, never a part.

    Args:
        path: The catalog file; its folder exists.
        providers: What is known of each provider; ``rows`` is counted here.
        frames: Offers in normal form, by provider. A provider without a frame has no offers.

    Raises:
        OSError: The folder cannot be written.
    """
    with _replacing(path) as database:
        fill(database, providers, frames)


def write_providers(path: Path, providers: Iterable[ProviderRow]) -> None:
    """Write what is known of providers anew; their offers stay.

    Args:
        path: A catalog file of our format.
        providers: All of them, those of every offer among them.

    Raises:
        OSError: The file cannot be read or its folder not be written.
    """
    with _replacing(path, copy=True) as database:
        database.execute("BEGIN")
        database.execute("DELETE FROM providers")
        _write_providers(database, providers)
        database.execute("COMMIT")


def remove_leftovers(path: Path) -> None:
    """Remove what writers that were killed left. Only while nobody else can write."""
    for left in path.parent.glob(f".{path.name}-*"):
        left.unlink(missing_ok=True)


def fill(
    database: sqlite3.Connection,
    providers: Iterable[ProviderRow],
    frames: Mapping[str, pd.DataFrame],
) -> None:
    """Make the tables in an empty database and fill them; arguments as for ``write_catalog``."""
    database.executescript(SCHEMA)
    database.execute("BEGIN")
    known = [replace(p, rows=len(frames.get(p.name, ()))) for p in providers]
    _write_providers(database, known)
    _write_offers(database, frames, {provider.name for provider in known if provider.owned})
    database.execute("COMMIT")


@contextmanager
def _replacing(path: Path, *, copy: bool = False) -> Iterator[sqlite3.Connection]:
    """Yield a database, empty or a copy, that takes the file's place at the end."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    os.close(handle)
    made = Path(name)
    try:
        if copy:
            shutil.copyfile(path, made)
        with closing(sqlite3.connect(made, isolation_level=None)) as database:
            # No journal and no waiting for the disk: a crash leaves a file that nobody looks at.
            database.execute("PRAGMA journal_mode = OFF")
            database.execute("PRAGMA synchronous = OFF")
            yield database
        made.replace(path)
    except BaseException:
        with suppress(OSError):
            made.unlink()
        raise


def _write_providers(database: sqlite3.Connection, providers: Iterable[ProviderRow]) -> None:
    rows = [(provider.name, provider.to_json()) for provider in providers]
    database.executemany("INSERT INTO providers VALUES (?, ?)", rows)


def _write_offers(
    database: sqlite3.Connection, frames: Mapping[str, pd.DataFrame], owned: set[str]
) -> None:
    from arb.catalog.merge import merge

    merged = merge(frames)
    if not len(merged):
        return
    merged = _sorted(merged)
    starts = _group_starts(merged)
    _write_words(database, merged)
    _write_groups(database, merged, starts, owned)
    _write_rows(database, merged, starts)


def _sorted(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the rows by group, in a group cheapest first; ties end at ``offer_id``."""
    import numpy as np

    keys = [_sort_key(frame, name) for name in (*_KEY, *_INNER)]
    order = np.lexsort(keys[::-1])
    tied = _tied(keys, order)
    if tied.any():
        # Comparing a million texts takes longer than all of the rest: only ties need it.
        rank = np.zeros(len(frame), dtype=np.int64)
        ids = frame["offer_id"].to_numpy()[order[tied]]
        rank[order[tied]] = np.unique(ids.astype(str), return_inverse=True)[1]
        order = np.lexsort([rank, *keys[::-1]])
    return frame.take(order)


def _sort_key(frame: pd.DataFrame, name: str) -> np.ndarray[Any, Any]:
    if name == "is_unavailable":
        return frame["available"].eq(False).fillna(value=False).to_numpy(dtype=bool)
    column = frame[name]
    return column.cat.codes.to_numpy() if column.dtype == "category" else column.to_numpy()


def _tied(keys: list[np.ndarray[Any, Any]], order: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Say of each sorted row whether one beside it has the same keys."""
    import numpy as np

    same = np.ones(max(0, len(order) - 1), dtype=bool)
    for key in keys:
        values = key[order]
        same &= values[1:] == values[:-1]
    beside: np.ndarray[Any, Any] = np.concatenate([same, [False]])
    beside[1:] |= same
    return beside


def _group_starts(frame: pd.DataFrame) -> np.ndarray[Any, Any]:
    """Return the positions at which a group begins."""
    import numpy as np

    differs = np.zeros(len(frame), dtype=bool)
    differs[0] = True
    for name in _KEY:
        values = _sort_key(frame, name)
        differs[1:] |= values[1:] != values[:-1]
    return np.flatnonzero(differs)


def _write_words(database: sqlite3.Connection, frame: pd.DataFrame) -> None:
    for kind in CODED:
        rows = [(kind, code, text) for code, text in enumerate(frame[kind].cat.categories)]
        database.executemany("INSERT INTO words VALUES (?, ?, ?)", rows)


def _write_groups(
    database: sqlite3.Connection,
    frame: pd.DataFrame,
    starts: np.ndarray[Any, Any],
    owned: set[str],
) -> None:
    import numpy as np

    from arb.catalog.names import facts

    ends = np.append(starts[1:], len(frame))
    cheapest = np.minimum.reduceat(frame["price_usd_hour"].to_numpy(), starts).tolist()
    firsts = frame.iloc[starts]
    columns = [firsts[name].tolist() for name in _KEY]
    rows = []
    for index, (accelerator, count, gib, spot, provider) in enumerate(zip(*columns, strict=True)):
        known = facts(accelerator)
        rows.append((
            index, provider, provider in owned, accelerator, count, gib, spot,
            int(starts[index]), int(ends[index] - starts[index]), cheapest[index],
            known.bf16_tflops if known else 0.0,
        ))  # fmt: skip
    database.executemany(f"INSERT INTO groups VALUES ({_marks(11)})", rows)


def _write_rows(
    database: sqlite3.Connection, frame: pd.DataFrame, starts: np.ndarray[Any, Any]
) -> None:
    import numpy as np

    groups = np.repeat(np.arange(len(starts)), np.diff(np.append(starts, len(frame))))
    into_offers = f"INSERT INTO offers VALUES ({_marks(3 + len(CODED) + len(AMOUNTS))})"
    into_details = f"INSERT INTO details VALUES ({_marks(1 + len(DETAILS))})"
    for begin in range(0, len(frame), _CHUNK):
        chunk = frame.iloc[begin : begin + _CHUNK]
        numbers = range(begin, begin + len(chunk))
        coded = [chunk[name].cat.codes.tolist() for name in CODED]
        amounts = [_with_none(chunk[name]) for name in AMOUNTS]
        group = groups[begin : begin + len(chunk)].tolist()
        ids = chunk["offer_id"].tolist()
        database.executemany(into_offers, zip(numbers, group, *coded, *amounts, ids, strict=True))
        database.executemany(into_details, _details(numbers, chunk))


def _details(numbers: range, chunk: pd.DataFrame) -> Iterator[tuple[Any, ...]]:
    """Yield the details of rows that have any."""
    columns = [_with_none(chunk[name]) for name in DETAILS]
    for number, values in zip(numbers, zip(*columns, strict=True), strict=True):
        if values != ("{}", "", "", None, None):
            yield (number, *values)


def _with_none(column: pd.Series[Any]) -> list[Any]:
    """Return Python's own values, None where there is none."""
    values = column.tolist()
    if column.dtype == "category" or not column.hasnans:
        return values
    return [None if missing else v for v, missing in zip(values, column.isna(), strict=True)]


def _marks(count: int) -> str:
    return ", ".join("?" * count)
