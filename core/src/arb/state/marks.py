"""How far something has come: a number by name, beside the data that it counts."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from arb.state.store import Backend, Reader, Transaction

__all__ = ["BORN", "STATE_LOST", "get_mark", "note_birth", "set_mark"]

BORN: Final = "born"
"""When this state was made, seconds since the epoch: older machines of its owner may be unknown here."""
STATE_LOST: Final = "state-lost"
"""1 when the state before this one was lost, and its machines have not been looked for everywhere."""


def get_mark(reader: Reader, name: str) -> int:
    """Return a mark, 0 before it was set."""
    rows = reader.read("SELECT value FROM meta WHERE name = ?", (f"mark/{name}",))
    return int(rows[0]["value"]) if rows else 0


def set_mark(tx: Transaction, name: str, value: int) -> None:
    """Move a mark."""
    tx.execute(_SET, (f"mark/{name}", str(value), str(value)))


def note_birth(backend: Backend, now: float, *, was_lost: bool) -> None:
    """Note when a new state was made, and whether the one before it was lost.

    Called in the transaction that makes it: who dies right after that has noted it.
    """
    marks = {BORN: math.ceil(now), **({STATE_LOST: 1} if was_lost else {})}
    for name, value in marks.items():
        backend.run(_SET, (f"mark/{name}", str(value), str(value)))


_SET: Final = (
    "INSERT INTO meta (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = ?"
)
