"""``CatalogStore``: the merged catalogs, opened for reading. Nothing here imports pandas by itself."""

from __future__ import annotations

import sqlite3
import weakref
from typing import TYPE_CHECKING, Any, Final, Self

from arb.catalog.damage import DAMAGE, damage_told
from arb.catalog.market import Group
from arb.catalog.schema import (
    AMOUNTS,
    CODED,
    DETAILS,
    SCHEMA,
    ProviderRow,
    connect,
    is_current,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    import pandas as pd

    from arb.catalog.listing import OfferQuery
    from arb.types import Offer

__all__ = ["CatalogStore", "open_catalog"]

_BATCH: Final = 500
"""Rows asked for in one statement; SQLite takes 999 parameters everywhere."""
_GROUP: Final = (
    "id, provider, owned, accelerator, accelerator_count, accelerator_gib, spot, rows, "
    "cheapest_usd_hour"
)


def open_catalog(path: Path, providers: Iterable[str] | None = None) -> CatalogStore:
    """Open the catalog file; one that is missing, damaged or of another format is empty.

    Args:
        path: The catalog file.
        providers: Show these alone, for instance those that are installed; None shows all.
    """
    database = _open(path)
    return CatalogStore(database or _empty(), path, providers)


class CatalogStore:
    """A ``Market`` over one catalog file. It keeps showing the file that was there when it opened.

    Use it in one thread at a time.

    Args:
        database: With the tables of ``SCHEMA``.
        path: The file, which is removed when it turns out to be damaged; None for none.
        providers: Show these alone; None shows all.
    """

    def __init__(
        self,
        database: sqlite3.Connection,
        path: Path | None,
        providers: Iterable[str] | None = None,
    ) -> None:
        self._database: Final = database
        weakref.finalize(self, database.close)
        self._path: Final = path
        self._shown: Final = None if providers is None else frozenset(providers)
        self._groups: tuple[Group, ...] | None = None
        self._firsts: dict[int, int] = {}
        self._providers: tuple[ProviderRow, ...] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file."""
        self._database.close()

    def providers(self) -> tuple[ProviderRow, ...]:
        """Return what is known of each provider, by name."""
        if self._providers is None:
            rows = self.rows_of("SELECT name, document FROM providers ORDER BY name")
            with damage_told(self._path):
                known = (ProviderRow.from_json(text) for name, text in rows if self.shows(name))
                self._providers = tuple(known)
        return self._providers

    def provider(self, name: str) -> ProviderRow | None:
        """Return what is known of one provider; None when it was never asked."""
        return next((row for row in self.providers() if row.name == name), None)

    def shows(self, provider: str) -> bool:
        """Say whether a provider's offers are shown."""
        return self._shown is None or provider in self._shown

    def hidden(self) -> tuple[str, ...]:
        """Return the providers that have rows here and are not shown."""
        rows = self.rows_of("SELECT name FROM providers ORDER BY name")
        return tuple(name for (name,) in rows if not self.shows(name))

    def groups(self) -> tuple[Group, ...]:
        """Return the summary, in the order of the rows."""
        if self._groups is None:
            rows = self.rows_of(f"SELECT {_GROUP}, first FROM groups ORDER BY id")
            shown = [row for row in rows if self.shows(row[1])]
            self._firsts = {row[0]: row[-1] for row in shown}
            self._groups = tuple(
                Group(number, provider, bool(owned), name, count, gib, bool(spot), size, cheapest)
                for number, provider, owned, name, count, gib, spot, size, cheapest, _ in shown
            )
        return self._groups

    def candidates(self, groups: Iterable[Group], *, whole: bool = False) -> pd.DataFrame:
        """Return the offers of some groups, as ``Market`` says."""
        from arb.catalog.candidates import read_candidates

        self.groups()
        spans = sorted((self._firsts[group.id], group) for group in groups)
        with damage_told(self._path):
            return read_candidates(self, spans, whole=whole)

    def frame_of(self, provider: str) -> pd.DataFrame:
        """Return a provider's offers in normal form, for writing them again."""
        from arb.catalog.candidates import read_frame

        return read_frame(self, provider)

    def offers(self, rows: Sequence[int]) -> list[Offer]:
        """Return whole offers in the order asked for.

        Raises:
            KeyError: There is no such row.
        """
        found: dict[int, Offer] = {}
        wanted = sorted({int(row) for row in rows})
        for begin in range(0, len(wanted), _BATCH):
            found.update(self._offers(wanted[begin : begin + _BATCH]))
        if missing := set(wanted) - found.keys():
            self._tell_missing(missing)
        return [found[int(row)] for row in rows]

    def _tell_missing(self, rows: set[int]) -> None:
        """Tell a row that the file should have and has not from one that it never had."""
        ((size,),) = self.rows_of("SELECT coalesce(max(first + rows), 0) FROM groups")
        with damage_told(self._path if min(rows) >= 0 and max(rows) < size else None):
            raise KeyError(min(rows))

    def listing(self, query: OfferQuery) -> list[Offer]:
        """Return offers for people to look at, sorted as the query says."""
        from arb.catalog.listing import rows_of_listing

        return self.offers(rows_of_listing(self, query))

    def last_filter(self, query: OfferQuery) -> str:
        """Return the filter that removed the last offer, as people write it; empty when some are left."""
        from arb.catalog.listing import emptying_filter

        return emptying_filter(self, query)

    def accelerators(self) -> dict[str, tuple[float, ...]]:
        """Return the accelerators that are sold and in which counts, both sorted."""
        counts: dict[str, set[float]] = {}
        for group in self.groups():
            if group.accelerator:
                counts.setdefault(group.accelerator, set()).add(group.accelerator_count)
        return {name: tuple(sorted(found)) for name, found in counts.items()}

    def place_of(self, region: str) -> tuple[float, float] | None:
        """Return latitude and longitude of a region, named without regard to case; None if unknown."""
        statement = (
            "SELECT o.latitude, o.longitude FROM words w JOIN offers o ON o.region = w.code "
            "WHERE w.kind = 'region' AND lower(w.text) = ? "
            "AND o.latitude IS NOT NULL AND o.longitude IS NOT NULL LIMIT 1"
        )
        found: list[tuple[float, float]] = self.rows_of(statement, (region.lower(),))
        return found[0] if found else None

    def words(self, kind: str) -> list[str]:
        """Return the texts of a coded column, by code."""
        rows = self.rows_of("SELECT text FROM words WHERE kind = ? ORDER BY code", (kind,))
        return [text for (text,) in rows]

    def rows_of(self, statement: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Run one statement and return all its rows.

        Raises:
            StateError: The file is damaged inside. It is removed, so that the next command makes it
                anew.
        """
        with damage_told(self._path):
            return self._database.execute(statement, values).fetchall()

    def _offers(self, rows: Sequence[int]) -> Iterator[tuple[int, Offer]]:
        from arb.types import Offer

        as_of = {p.name: p.as_of for p in self.providers()}
        sources = {p.name: p.source for p in self.providers()}
        marks = ", ".join("?" * len(rows))
        for values in self.rows_of(f"{_OFFER} WHERE o.row IN ({marks})", rows):
            row, *rest = values
            fields = dict(zip(_OFFER_FIELDS, rest, strict=True))
            provider = fields["provider"]
            for name in ("spot", "available", "user_data"):
                fields[name] = None if fields[name] is None else bool(fields[name])
            if fields["capacity"] is not None:
                fields["capacity"] = int(fields["capacity"])
            if fields["as_of"] is None:
                fields["as_of"] = as_of[provider]
            yield row, Offer(**fields, source=sources[provider])


_FROM_GROUP: Final = ("provider", "accelerator", "accelerator_count", "accelerator_gib", "spot")
_OFFER_FIELDS: Final = (*_FROM_GROUP, *CODED, *AMOUNTS, "offer_id", *DETAILS)
_DETAIL_DEFAULTS: Final = {"payload": "'{}'", "note": "''", "quota_family": "''"}
# CROSS JOIN keeps SQLite from walking over all words before it looks for the few offers.
_OFFER: Final = "SELECT o.row, {} FROM offers o CROSS JOIN groups g ON g.id = o.grp {} {}".format(
    ", ".join([
        *(f"g.{name}" for name in _FROM_GROUP),
        *(f"w_{name}.text" for name in CODED),
        *(f"o.{name}" for name in (*AMOUNTS, "offer_id")),
        *(f"coalesce(d.{name}, {_DETAIL_DEFAULTS.get(name, 'NULL')})" for name in DETAILS),
    ]),
    " ".join(
        f"CROSS JOIN words w_{name} ON w_{name}.kind = '{name}' AND w_{name}.code = o.{name}"
        for name in CODED
    ),
    "LEFT JOIN details d ON d.row = o.row",
)  # fmt: skip


def _open(path: Path) -> sqlite3.Connection | None:
    try:
        database = connect(path)
    except (sqlite3.Error, OSError):
        return None
    try:
        if is_current(database, path.stat().st_size):
            return database
    except (*DAMAGE, OSError):
        pass
    database.close()
    return None


def _empty() -> sqlite3.Connection:
    database = sqlite3.connect(":memory:", check_same_thread=False)
    database.executescript(SCHEMA)
    return database
