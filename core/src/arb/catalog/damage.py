"""What is done about a catalog file that says what cannot be."""

from __future__ import annotations

import sqlite3
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from arb.errors import StateError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["DAMAGE", "damage_told"]

DAMAGE = (sqlite3.DatabaseError, UnicodeDecodeError, KeyError, TypeError, ValueError)
"""What reading a file raises whose tables cannot be read, or contradict each other."""


@contextmanager
def damage_told(path: Path | None) -> Iterator[None]:
    """Remove a file that turns out to be damaged, so that the next command makes it anew.

    Args:
        path: The file; None for a catalog that is none, in which nothing can be damaged.

    Raises:
        StateError: It is damaged.
    """
    try:
        yield
    except sqlite3.ProgrammingError:
        raise  # ours, not the file's
    except DAMAGE as error:
        if path is None:
            raise
        with suppress(OSError):
            path.unlink()
        summary = f"the price cache {path} was damaged ({error}) and is removed"
        hint = "run the command again: prices are read anew"
        raise StateError(summary, code="catalog-damaged", hint=hint) from error
