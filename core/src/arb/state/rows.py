"""Writing records into tables. Table and column names are ours, never a user's."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from arb.state.store import Transaction

__all__ = ["insert_row", "update_rows"]


def insert_row(tx: Transaction, table: str, values: Mapping[str, object]) -> None:
    """Insert one row.

    Raises:
        Conflict: A unique key is taken.
    """
    columns = ", ".join(values)
    marks = ", ".join("?" * len(values))
    sql = f"INSERT INTO {table} ({columns}) VALUES ({marks})"  # noqa: S608 - names are ours
    tx.execute(sql, [_plain(value) for value in values.values()])


def update_rows(
    tx: Transaction, table: str, key: Mapping[str, object], changes: Mapping[str, object]
) -> int:
    """Change columns of the rows with this key; return how many there were."""
    sets = ", ".join(f"{column} = ?" for column in changes)
    where = " AND ".join(f"{column} = ?" for column in key)
    sql = f"UPDATE {table} SET {sets} WHERE {where}"  # noqa: S608 - names are ours
    return tx.execute(sql, [_plain(value) for value in (*changes.values(), *key.values())])


def _plain(value: object) -> object:
    """Return what both databases store alike: no booleans, no enumeration members."""
    if isinstance(value, Enum):
        return value.value
    return int(value) if isinstance(value, bool) else value
