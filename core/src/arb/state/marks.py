"""How far something has been read: a number by name, beside the data that it counts."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from arb.state.store import Reader, Transaction

__all__ = ["get_mark", "set_mark"]


def get_mark(reader: Reader, name: str) -> int:
    """Return a mark, 0 before it was set."""
    rows = reader.read("SELECT value FROM meta WHERE name = ?", (f"mark/{name}",))
    return int(rows[0]["value"]) if rows else 0


def set_mark(tx: Transaction, name: str, value: int) -> None:
    """Move a mark."""
    sql = "INSERT INTO meta (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = ?"
    tx.execute(sql, (f"mark/{name}", str(value), str(value)))
