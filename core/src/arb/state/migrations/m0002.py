"""Schema 2: a refusal counts for orders as large as the one refused, and only where it was made."""

from __future__ import annotations

from typing import Final

__all__ = ["STATEMENTS"]

STATEMENTS: Final = (
    # What is remembered lasts an hour at most: it is learned again.
    "DROP TABLE blocks",
    """CREATE TABLE blocks (
        provider TEXT NOT NULL,
        scope TEXT NOT NULL,
        place TEXT NOT NULL,
        basis TEXT NOT NULL,
        nodes INTEGER NOT NULL,
        accelerators DOUBLE PRECISION NOT NULL,
        vcpus DOUBLE PRECISION NOT NULL,
        until DOUBLE PRECISION NOT NULL,
        code TEXT NOT NULL,
        reason TEXT NOT NULL,
        made_at DOUBLE PRECISION NOT NULL,
        PRIMARY KEY (provider, scope, place, basis, nodes, accelerators, vcpus)
    )""",
)
