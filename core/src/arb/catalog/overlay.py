"""Prices of a file over those of the catalog: what a plan would cost if they held.

A provider that the file names sells what the file says and nothing else; the others are as they were.
It need not be installed.
"""

from __future__ import annotations

import datetime as dt
import re
import sqlite3
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Self

from arb.catalog.pricelist import read_price_list
from arb.catalog.schema import ProviderRow
from arb.catalog.store import CatalogStore
from arb.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    import pandas as pd

    from arb.catalog.market import Group
    from arb.types import Offer

__all__ = ["OverlayMarket", "read_overlay"]

_DAY: Final = re.compile(r"(?<!\d)(20\d\d)([-_.]?)(\d\d)\2(\d\d)(?!\d)")
"""A day in a file's name: 2026-05-16, 20260516."""
_OFFSET: Final = 1 << 40
"""Added to the overlay's numbers of rows and groups, to keep them apart from the catalog's."""


def read_overlay(path: Path, base: CatalogStore) -> OverlayMarket:
    """Lay the prices of a file over a catalog.

    A price is as old as its row's ``as_of``; without one as the date in the file's name; without that
    as the file, which its ``source`` then says.

    Args:
        path: As ``read_csv`` takes it, with a column ``provider`` filled in every row.
        base: What the file does not name.

    Raises:
        UsageError: The file is wrong, or one of its prices cannot be believed.
    """
    from arb.catalog.write import fill

    listed = read_price_list(path, defaults={})
    if not all(listed.providers):
        summary = f"{path}: not every row has a provider"
        raise UsageError(summary, code="csv-providers", hint="add a column provider")
    known = {row.name: row for row in base.providers()}
    frames, rows = {}, []
    dated = _Date.of(path)
    for name in sorted(set(listed.providers)):
        owned = name in known and known[name].owned
        frames[name] = _checked(path, name, listed.of(name), owned=owned)
        own = frames[name]["as_of"]
        source, as_of = dated if own.isna().any() else (path.name, float(own.min()))
        row = known.get(name, ProviderRow(name))
        rows.append(replace(row, source=source, as_of=as_of, refreshed_at=as_of, owned=owned))
    database = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
    fill(database, rows, frames)
    return OverlayMarket(base, CatalogStore(database, None))


class _Date(NamedTuple):
    """How old the prices of a file are that do not say so themselves, and how they are called."""

    source: str
    as_of: float

    @classmethod
    def of(cls, path: Path) -> Self:
        """Take the first date in the file's name, which is a day in UTC; else that of its last change."""
        for year, _, month, day in _DAY.findall(path.stem):
            with suppress(ValueError):  # 20261399 is no date
                date = dt.datetime(int(year), int(month), int(day), tzinfo=dt.UTC)
                return cls(path.name, date.timestamp())
        return cls(f"{path.name} (file date)", path.stat().st_mtime)


def _checked(path: Path, name: str, frame: pd.DataFrame, *, owned: bool) -> pd.DataFrame:
    from arb.catalog.validate import validate

    checked = validate(frame, owned=owned)
    if checked.faults:
        summary = f"{path}: prices of {name}: {checked.faults[0]}"
        raise UsageError(summary, code="csv-value")
    return checked.frame


class OverlayMarket:
    """A ``Market`` of two catalogs: the second replaces whole providers of the first.

    Args:
        base: The catalog as it is.
        over: What replaces its providers.
    """

    def __init__(self, base: CatalogStore, over: CatalogStore) -> None:
        self._base: Final = base
        self._over: Final = over
        self.replaced: Final = tuple(row.name for row in over.providers())
        """The providers whose prices are the file's."""

    def providers(self) -> tuple[ProviderRow, ...]:
        """Return what is known of each provider, by name."""
        kept = [row for row in self._base.providers() if row.name not in self.replaced]
        return tuple(sorted((*kept, *self._over.providers()), key=lambda row: row.name))

    def groups(self) -> tuple[Group, ...]:
        """Return the summary of both."""
        kept = [group for group in self._base.groups() if group.provider not in self.replaced]
        laid = [replace(group, id=group.id + _OFFSET) for group in self._over.groups()]
        return (*kept, *laid)

    def candidates(self, groups: Iterable[Group], *, whole: bool = False) -> pd.DataFrame:
        """Return the offers of some groups, as ``Market`` says."""
        chosen = list(groups)
        kept = [group for group in chosen if group.id < _OFFSET]
        laid = [replace(group, id=group.id - _OFFSET) for group in chosen if group.id >= _OFFSET]
        over = self._over.candidates(laid, whole=whole)
        over["row"] += _OFFSET
        over["group"] += _OFFSET
        return _joined(self._base.candidates(kept, whole=whole), over)

    def offers(self, rows: Sequence[int]) -> list[Offer]:
        """Return whole offers in the order asked for.

        Raises:
            KeyError: There is no such row.
        """
        kept = [row for row in rows if row < _OFFSET]
        laid = [row - _OFFSET for row in rows if row >= _OFFSET]
        of_base = iter(self._base.offers(kept))
        of_over = iter(self._over.offers(laid))
        return [next(of_base if row < _OFFSET else of_over) for row in rows]

    def close(self) -> None:
        """Let go of both."""
        self._base.close()
        self._over.close()


def _joined(first: pd.DataFrame, second: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of both; categories stay categories, sorted."""
    import pandas as pd

    if not len(first) or not len(second):
        return second if not len(first) else first
    for name in first.columns[first.dtypes == "category"]:
        texts: list[Any] = sorted({*first[name].cat.categories, *second[name].cat.categories})
        for frame in (first, second):
            frame[name] = frame[name].cat.set_categories(texts)
    return pd.concat([first, second], ignore_index=True)
