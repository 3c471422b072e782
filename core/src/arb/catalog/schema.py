"""The catalog file: one SQLite database that is written whole and read many times.

It is a cache. A file of another format is as good as none: it is written anew, never migrated.

Offers are sorted so that a group is one range of rows with its cheapest offer first. What all offers
of a group share (provider, accelerator, count, memory, spot) is in the group alone. Repeated texts are
numbers that sort as the texts do.
"""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

__all__ = [
    "AMOUNTS",
    "CODED",
    "DETAILS",
    "FORMAT",
    "SCHEMA",
    "ProviderRow",
    "connect",
    "is_current",
]

FORMAT: Final = 1
"""Raised with every change of the tables."""
_APPLICATION: Final = 0x61726263  # "arbc"

CODED: Final = ("region", "zone", "instance_type", "arch", "fabric", "interconnect")
"""Columns of ``offers`` that hold a number of ``words``."""
AMOUNTS: Final = (
    "vcpus",
    "memory_gib",
    "price_usd_hour",
    "disk_gib",
    "minimum_s",
    "available",
    "capacity",
    "latitude",
    "longitude",
)
"""Columns of ``offers`` that hold the number itself; the last four may be NULL."""
DETAILS: Final = ("payload", "note", "quota_family", "user_data", "as_of")
"""Columns of ``details``: what is needed of few offers. A row of defaults alone is left out."""

SCHEMA: Final = f"""
PRAGMA application_id = {_APPLICATION};
PRAGMA user_version = {FORMAT};
CREATE TABLE providers (name TEXT PRIMARY KEY, document TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE words (
    kind TEXT NOT NULL, code INTEGER NOT NULL, text TEXT NOT NULL, PRIMARY KEY (kind, code)
) WITHOUT ROWID;
CREATE TABLE groups (
    id INTEGER PRIMARY KEY,
    provider TEXT NOT NULL,
    owned INTEGER NOT NULL,
    accelerator TEXT NOT NULL,
    accelerator_count REAL NOT NULL,
    accelerator_gib REAL NOT NULL,
    spot INTEGER NOT NULL,
    first INTEGER NOT NULL,
    rows INTEGER NOT NULL,
    cheapest_usd_hour REAL NOT NULL,
    tflops REAL NOT NULL
);
CREATE TABLE offers (
    row INTEGER PRIMARY KEY,
    grp INTEGER NOT NULL,
    {", ".join(f"{name} INTEGER NOT NULL" for name in CODED)},
    {", ".join(f"{name} REAL" for name in AMOUNTS)},
    offer_id TEXT NOT NULL
);
CREATE TABLE details (
    row INTEGER PRIMARY KEY,
    payload TEXT NOT NULL, note TEXT NOT NULL, quota_family TEXT NOT NULL,
    user_data INTEGER, as_of REAL
);
"""


@dataclass(frozen=True, slots=True)
class ProviderRow:
    """What is known of one provider's catalog.

    Attributes:
        name: Provider id.
        distribution: Who was asked.
        version: Its version when the rows were read.
        source: ``live`` or ``bundled``.
        as_of: Date of the prices, seconds since the epoch.
        refreshed_at: When the rows were read; 0: never.
        tried_at: When the provider was asked last, with whatever result.
        ttl_s: Age at which prices are read again before buying.
        owned: The user's own machines.
        rows: How many offers there are.
        refused: How many rows were refused.
        refusals: The first refusal of each kind, as people read it.
        error: Why the last try failed; empty when it did not.
        error_code: The error's stable code.
        fingerprint: Of the settings that the last try was made with.
        files: Paths that the rows were read from, with their state then.
        took_s: How long the last try took.
    """

    name: str
    distribution: str = ""
    version: str = ""
    source: str = ""
    as_of: float = 0
    refreshed_at: float = 0
    tried_at: float = 0
    ttl_s: float = 3600
    owned: bool = False
    rows: int = 0
    refused: int = 0
    refusals: tuple[str, ...] = ()
    error: str = ""
    error_code: str = ""
    fingerprint: str = ""
    files: tuple[tuple[str, str], ...] = ()
    took_s: float = 0

    def to_json(self) -> str:
        """Return the row as the file keeps it."""
        return json.dumps({f.name: getattr(self, f.name) for f in fields(self)})

    @classmethod
    def from_json(cls, text: str) -> ProviderRow:
        """Read what ``to_json`` wrote."""
        values = json.loads(text)
        values["refusals"] = tuple(values["refusals"])
        values["files"] = tuple((path, state) for path, state in values["files"])
        return cls(**values)


def connect(path: Path) -> sqlite3.Connection:
    """Open a catalog file for reading; nothing is ever locked, made or changed.

    The file is never written to once it has its name, so SQLite may take it for immutable.

    Raises:
        sqlite3.Error: It is not there or cannot be read.
    """
    uri = f"{path.absolute().as_uri()}?mode=ro&immutable=1"
    return sqlite3.connect(uri, uri=True, check_same_thread=False)


def is_current(database: sqlite3.Connection, size: int) -> bool:
    """Say whether a file has our format and its whole length.

    Raises:
        sqlite3.DatabaseError: It is no database at all.
    """
    names = ("application_id", "user_version", "page_count", "page_size")
    application, version, pages, page = (
        database.execute(f"PRAGMA {name}").fetchone()[0] for name in names
    )
    return (application, version, pages * page) == (_APPLICATION, FORMAT, size)
