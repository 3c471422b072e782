"""What ``arb gpus`` shows, in plain SQL over the groups and, where a filter needs it, their rows.

A group's cheapest offer is its first row, so that the plain listing reads one row a group, however
many offers there are.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from arb.catalog.market import Group
    from arb.catalog.store import CatalogStore
    from arb.tasks.amounts import Amount

__all__ = [
    "OfferQuery",
    "Shown",
    "Sort",
    "Spread",
    "emptying_filter",
    "has_memory",
    "rows_of_listing",
    "shown_of_groups",
]

_TOLERANCE: Final = 1e-6


class Spread(StrEnum):
    """How many offers of a group are shown."""

    GROUP = "group"
    """The cheapest of each provider, accelerator, count, memory and capacity class."""
    REGION = "region"
    """The cheapest of each of these in every region."""
    OFFER = "offer"
    """Every offer."""


class Sort(StrEnum):
    """The order of a listing. Ties go by price, then by name."""

    PRICE = "price"
    ACCELERATOR_PRICE = "gpu-price"
    """By the price of one accelerator."""
    VALUE = "value"
    """By dollars per dense bf16 PFLOP-hour; what has none comes last."""
    MEMORY = "memory"
    """By the memory of all accelerators together, most first."""
    NAME = "name"
    """By accelerator and count."""
    PROVIDER = "provider"


@dataclass(frozen=True, slots=True)
class OfferQuery:
    """Filters, order and extent of a listing. Empty fields and None do not restrict.

    Attributes:
        accelerator: Canonical name.
        accelerator_gib: Memory of one accelerator, as it is reported or as it is sold.
        maker: Who makes the accelerator, compared without case.
        count: How many accelerators.
        provider: Provider id.
        region: The provider's spelling, compared without case; ``*`` matches any text.
        zone: As ``region``.
        spot: Only spot, or only on-demand.
        max_price_usd_hour: For the whole instance.
        owned: The user's own machines too. They are always shown of a ``provider`` that is named.
        spread: See ``Spread``.
        sort: See ``Sort``.
        limit: At most so many; 0 is all.
    """

    accelerator: str = ""
    accelerator_gib: Amount | None = None
    maker: str = ""
    count: Amount | None = None
    provider: str = ""
    region: str = ""
    zone: str = ""
    spot: bool | None = None
    max_price_usd_hour: float | None = None
    owned: bool = False
    spread: Spread = Spread.GROUP
    sort: Sort = Sort.PRICE
    limit: int = 0


@dataclass(frozen=True, slots=True)
class _Clause:
    """One filter: how people write it, its condition, and the values of that."""

    told: str
    sql: str
    values: tuple[Any, ...] = ()


class Shown(NamedTuple):
    """What a summary shows of a group: its first offer. ``as_of`` is seconds since the epoch."""

    usd_hour: float
    as_of: float


def shown_of_groups(store: CatalogStore) -> list[tuple[Group, Shown]]:
    """Return every group with what its first offer costs, and since when: one row a group is read."""
    of_providers = {row.name: row.as_of for row in store.providers()}
    firsts = {number: (price, as_of) for number, price, as_of in store.rows_of(_FIRST_PRICES)}
    found = []
    for group in store.groups():
        price, as_of = firsts[group.id]
        known = of_providers[group.provider] if as_of is None else as_of
        found.append((group, Shown(price, known)))
    return found


def rows_of_listing(store: CatalogStore, query: OfferQuery) -> list[int]:
    """Return the numbers of the offers to show, in order."""
    groups, rows = _group_clauses(store, query), _row_clauses(store, query)
    is_summary = query.spread is Spread.GROUP and not rows
    statement = _FIRST_ROWS if is_summary else _STATEMENTS[query.spread]
    sql = f"{_GROUPS}{statement} ORDER BY {_ORDERS[query.sort]}, {_TIES} LIMIT ?"
    sql = sql.format(groups=_all_of(groups), rows=_all_of(rows))
    found = store.rows_of(sql, (*_values(groups, rows), query.limit or -1))
    return [row for (row,) in found]


def emptying_filter(store: CatalogStore, query: OfferQuery) -> str:
    """Return the filter that removed the last offer; empty when some are left."""
    groups, rows = _group_clauses(store, query), _row_clauses(store, query)
    passed: tuple[list[_Clause], list[_Clause]] = ([], [])
    for kind, clauses in enumerate((groups, rows)):
        for clause in clauses:
            passed[kind].append(clause)
            if not _count(store, *passed):
                return clause.told
    return ""


def _count(store: CatalogStore, groups: Sequence[_Clause], rows: Sequence[_Clause]) -> int:
    counted = f"(SELECT count(*) FROM offers o WHERE {_OF_GROUP} AND {_all_of(rows)})"
    sql = f"{_GROUPS}SELECT sum({counted if rows else 'g.rows'}) FROM g"
    found = store.rows_of(sql.format(groups=_all_of(groups)), _values(groups, rows))
    return int(found[0][0] or 0)


def _group_clauses(store: CatalogStore, query: OfferQuery) -> list[_Clause]:
    """Return the filters that groups decide, in the order in which they are told."""
    hidden = store.hidden()
    clauses = [_Clause("installed providers", f"g.provider NOT IN ({_marks(hidden)})", (*hidden,))]
    if query.provider:
        clauses.append(_Clause(f"provider {query.provider}", "g.provider = ?", (query.provider,)))
    elif not query.owned:
        clauses.append(_Clause("machines that are not your own", "NOT g.owned"))
    clauses.append(_Clause("any accelerator", "g.accelerator != ''"))
    if query.accelerator:
        told = f"accelerator {query.accelerator}"
        clauses.append(_Clause(told, "g.accelerator = ?", (query.accelerator,)))
    clauses.extend(_fact_clauses(store, query))
    if query.count is not None:
        clauses.append(_count_clause(query.count))
    if query.spot is not None:
        told = "spot" if query.spot else "on-demand"
        clauses.append(_Clause(told, "g.spot = ?", (query.spot,)))
    if query.max_price_usd_hour is not None:
        # Spares the rows of groups that are too expensive; the rows say it again.
        told = _max_price(query.max_price_usd_hour)
        clauses.append(_Clause(told, "g.cheapest_usd_hour <= ?", (query.max_price_usd_hour,)))
    return clauses


def _fact_clauses(store: CatalogStore, query: OfferQuery) -> Iterator[_Clause]:
    """Yield the filters on what is known of accelerators beside their rows."""
    wanted, maker = query.accelerator_gib, query.maker.casefold()
    if wanted is not None:
        told = f"memory {wanted} GiB"
        yield _numbered(told, [g for g in store.groups() if has_memory(g, wanted)])
    if maker:
        known = {name for name in store.accelerators() if _maker(name).casefold() == maker}
        told = f"maker {query.maker}"
        yield _numbered(told, [g for g in store.groups() if g.accelerator in known])


def has_memory(group: Group, wanted: Amount) -> bool:
    """Say whether a group's accelerators have this much memory each.

    A driver reports some percent less than the data sheet, so either figure will do.
    """
    from arb.catalog.names import facts

    if not group.accelerator:
        return False
    known = facts(group.accelerator)
    as_sold = known.nearest_gib(group.accelerator_gib) if known else 0.0
    return wanted.admits(group.accelerator_gib) or wanted.admits(as_sold)


def _maker(accelerator: str) -> str:
    from arb.catalog.names import facts

    known = facts(accelerator)
    return known.maker if known else ""


def _numbered(told: str, groups: Sequence[Group]) -> _Clause:
    return _Clause(told, f"g.id IN ({', '.join(str(group.id) for group in groups)})")


def _count_clause(count: Amount) -> _Clause:
    least, most = count.value - _TOLERANCE, count.value + _TOLERANCE
    told = f"count {count}"
    if count.at_least:
        return _Clause(told, "g.accelerator_count >= ?", (least,))
    return _Clause(told, "g.accelerator_count BETWEEN ? AND ?", (least, most))


def _row_clauses(store: CatalogStore, query: OfferQuery) -> list[_Clause]:
    """Return the filters that need a look at every row."""
    clauses = []
    for kind in ("region", "zone"):
        if pattern := getattr(query, kind):
            codes = ", ".join(map(str, _codes(store, kind, pattern)))
            clauses.append(_Clause(f"{kind} {pattern}", f"o.{kind} IN ({codes})"))
    if query.max_price_usd_hour is not None:
        told = _max_price(query.max_price_usd_hour)
        clauses.append(_Clause(told, "o.price_usd_hour <= ?", (query.max_price_usd_hour,)))
    return clauses


def _values(groups: Sequence[_Clause], rows: Sequence[_Clause]) -> list[Any]:
    return [value for clause in (*groups, *rows) for value in clause.values]


def _max_price(usd: float) -> str:
    return f"price up to {usd:g} $/h"


def _codes(store: CatalogStore, kind: str, pattern: str) -> Iterator[int]:
    """Yield the places that match a pattern in which nothing but ``*`` is special."""
    wanted = re.compile(".*".join(map(re.escape, pattern.casefold().split("*"))), re.DOTALL)
    for code, text in enumerate(store.words(kind)):
        if wanted.fullmatch(text.casefold()):
            yield code


def _all_of(clauses: Sequence[_Clause]) -> str:
    return " AND ".join(clause.sql for clause in clauses) or "1"


def _marks(values: Sequence[Any]) -> str:
    return ", ".join("?" * len(values))


_GROUPS: Final = "WITH g AS (SELECT * FROM groups g WHERE {groups}) "
_OF_GROUP: Final = "o.row BETWEEN g.first AND g.first + g.rows - 1"
_FIRST_ROWS: Final = "SELECT o.row FROM g CROSS JOIN offers o ON o.row = g.first"
_FIRST_PRICES: Final = (
    "SELECT g.id, o.price_usd_hour, d.as_of FROM groups g CROSS JOIN offers o ON o.row = g.first "
    "LEFT JOIN details d ON d.row = o.row"
)
_STATEMENTS: Final = {
    Spread.GROUP: (
        "SELECT o.row FROM g CROSS JOIN offers o ON o.row = "
        f"(SELECT o.row FROM offers o WHERE {_OF_GROUP} AND {{rows}} ORDER BY o.row LIMIT 1)"
    ),
    Spread.REGION: (
        f"SELECT o.row FROM (SELECT min(o.row) AS row FROM g CROSS JOIN offers o ON {_OF_GROUP} "
        "WHERE {rows} GROUP BY g.id, o.region) f "
        "CROSS JOIN offers o ON o.row = f.row CROSS JOIN groups g ON g.id = o.grp"
    ),
    Spread.OFFER: f"SELECT o.row FROM g CROSS JOIN offers o ON {_OF_GROUP} WHERE {{rows}}",
}
_ORDERS: Final = {
    Sort.PRICE: "o.price_usd_hour",
    Sort.ACCELERATOR_PRICE: "o.price_usd_hour / max(g.accelerator_count, 1e-9)",
    Sort.VALUE: (
        "g.tflops * g.accelerator_count <= 0, "
        "o.price_usd_hour / (g.tflops * max(g.accelerator_count, 1e-9))"
    ),
    Sort.MEMORY: "-g.accelerator_gib * g.accelerator_count",
    Sort.NAME: "g.accelerator, g.accelerator_count, g.accelerator_gib",
    Sort.PROVIDER: "g.provider, g.accelerator, g.accelerator_count",
}
_TIES: Final = (
    "o.price_usd_hour, g.spot, g.provider, g.accelerator, g.accelerator_count, "
    "o.region, o.zone, o.instance_type, o.row"
)
