"""One small store of portable SQL, on SQLite or PostgreSQL.

Statements use ``?`` for parameters and run on both. Reads need no transaction. Every writing
transaction takes the write lock when it begins (``BEGIN IMMEDIATE``, or an advisory lock), so that
"read, decide, write" inside it is safe; no I/O may happen inside, because everybody waits.
"""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol, Self

from arb.errors import StateError
from arb.state.migrations import LATEST

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from arb.types import Clock

__all__ = ["Conflict", "Reader", "Row", "Store", "Transaction", "open_store"]

Row = dict[str, Any]
"""One row by column name. Values are what the database holds: text, numbers, bytes, None."""


class Conflict(StateError):
    """A unique key is taken: somebody else was first."""


class Reader(Protocol):
    """Whatever can be read from: a store, or a transaction that sees its own writes."""

    def read(self, sql: str, params: Sequence[object] = ()) -> list[Row]:
        """Run one statement and return its rows."""


class Backend(Protocol):
    """What a database must do for ``Store``. Errors come out as ``StateError``."""

    serial: str
    """Column type of an id that counts up."""
    blob: str
    """Column type of bytes."""
    skip_locked: str
    """What ends a ``SELECT`` that claims rows: passes over those that others are claiming."""
    shared: bool
    """Whether several machines may use it at once."""
    label: str
    """How messages name the database: never with a password."""

    def run(self, sql: str, params: Sequence[object]) -> tuple[list[Row], int]:
        """Run one statement; return its rows and how many it changed."""

    def begin(self, *, exclusive: bool) -> int:
        """Start a writing transaction; return the schema version seen inside."""

    def commit(self) -> None:
        """Make the transaction durable before returning."""

    def rollback(self) -> None:
        """Undo it; nothing happens when there is none."""

    def schema_version(self) -> int:
        """Return the version of the stored schema, 0 when there is none."""

    def set_schema_version(self, version: int) -> None:
        """Record it, inside the transaction that changes the schema."""

    def migrating(self) -> Any:
        """Return a context in which no other process migrates."""

    def backup(self, version: int) -> None:
        """Copy existing data aside before it is changed, where that is ours to do."""

    def clock_offset_s(self) -> float:
        """Return what to add to this machine's clock to get the database's."""

    def remembered_owner(self) -> str:
        """Return the owner that an earlier, lost database of this place had; mostly empty."""

    def remember_owner(self, owner: str) -> None:
        """Keep the owner where it outlives the database, if there is such a place."""

    def close(self) -> None:
        """Let go of the connection."""


class Transaction:
    """A writing transaction, made by ``Store.write``. Ends with the ``with`` block."""

    def __init__(self, backend: Backend, *, now: float, exclusive: bool) -> None:
        self._backend = backend
        self._open = True
        self.now = now
        self.exclusive = exclusive

    def execute(self, sql: str, params: Sequence[object] = ()) -> int:
        """Run one statement and return how many rows it changed.

        Raises:
            Conflict: A unique key is taken.
            StateError: The database failed; the transaction is undone.
        """
        return self._run(sql, params)[1]

    def read(self, sql: str, params: Sequence[object] = ()) -> list[Row]:
        """Run one statement and return its rows, those of ``RETURNING`` included."""
        return self._run(sql, params)[0]

    def _run(self, sql: str, params: Sequence[object]) -> tuple[list[Row], int]:
        if not self._open:
            raise RuntimeError("this transaction has ended")
        return self._backend.run(sql, params)

    @property
    def skip_locked(self) -> str:
        """Text to end a ``SELECT`` with that claims rows for this transaction.

        On PostgreSQL, where writers overlap, it passes over rows that another one is claiming;
        on SQLite it is empty, since there is one writer.
        """
        return self._backend.skip_locked

    def end(self) -> None:
        """Refuse further statements."""
        self._open = False


class Store:
    """The open store. Safe to share between threads, which take turns."""

    def __init__(self, backend: Backend, clock: Clock) -> None:
        self.clock = clock
        self._backend = backend
        self._lock = threading.RLock()
        self._writing = False
        self._owner = ""

    @property
    def label(self) -> str:
        """How messages name the database: a path, or host and name without the password."""
        return self._backend.label

    @property
    def is_shared(self) -> bool:
        """Whether other machines may use the same store: then its vault is a table."""
        return self._backend.shared

    def now(self) -> float:
        """Return seconds since the epoch as all processes that share the store see them.

        With PostgreSQL that is the server's clock, so that leases hold between machines whose
        clocks disagree.
        """
        return self.clock.now() + self._backend.clock_offset_s()

    def read(self, sql: str, params: Sequence[object] = ()) -> list[Row]:
        """Run one reading statement outside any transaction.

        Raises:
            StateError: The database is gone, damaged or out of reach.
        """
        with self._lock:
            return self._backend.run(sql, params)[0]

    @contextmanager
    def write(self, *, exclusive: bool = True) -> Iterator[Transaction]:
        """Run a block as one durable transaction: all of it, or nothing.

        Keep I/O, sleeps and calls of plugins out of the block.

        Args:
            exclusive: One writer at a time over all processes. False only for statements that are
                atomic one by one: PostgreSQL then lets writers overlap, SQLite never does.

        Raises:
            StateError: The database failed, is busy for 30 s, or was migrated by a newer arb.
        """
        with self._lock:
            if self._writing:
                raise RuntimeError("transactions do not nest")
            self._writing = True
            transaction = None
            try:
                _check_version(self._backend.begin(exclusive=exclusive), self.label)
                transaction = Transaction(self._backend, now=self.now(), exclusive=exclusive)
                yield transaction
                self._backend.commit()
            except BaseException:
                self._backend.rollback()
                raise
            finally:
                self._writing = False
                if transaction is not None:
                    transaction.end()

    def owner(self) -> str:
        """Return the 8 base32 characters made with this store: part of every token."""
        if not self._owner:
            rows = self.read("SELECT value FROM meta WHERE name = 'owner'")
            if not rows:
                raise StateError(
                    f"{self.label} holds no owner",
                    code="state-damaged",
                    hint="restore a backup of it, or move it away to start anew",
                )
            self._owner = str(rows[0]["value"])
        return self._owner

    def close(self) -> None:
        """Let go of the database. The store cannot be used afterwards."""
        with self._lock:
            self._backend.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def open_store(url: str, *, clock: Clock | None = None) -> Store:
    """Open the store, making or migrating it when needed.

    Opening a store that is up to date reads one number.

    Args:
        url: ``sqlite:///absolute/path`` or ``postgresql://user@host/name``.
        clock: Time; the machine's own when not given.

    Raises:
        StateError: It cannot be opened, lies on a network file system, or a newer arb wrote it.
    """
    backend = _connect(url)
    clock = clock or _system_clock()
    try:
        version = backend.schema_version()
        if version != LATEST:
            from arb.state.migrations import migrate

            _check_version(version, backend.label, migrating=True)
            migrate(backend, clock.now() + backend.clock_offset_s())
    except BaseException:
        backend.close()
        raise
    return Store(backend, clock)


def _connect(url: str) -> Backend:
    scheme, _, rest = url.partition("://")
    if scheme == "sqlite" and rest.startswith("/") and len(rest) > 1:
        from arb.state.sqlite import SqliteBackend

        return SqliteBackend(rest.removeprefix("/") if rest.startswith("//") else rest)
    if scheme in {"postgresql", "postgres"}:
        from arb.state.postgres import PostgresBackend

        return PostgresBackend(url)
    raise StateError(
        f"unknown kind of database: {scheme or 'none'}",
        code="state-url",
        hint="ARB_DATABASE_URL is sqlite:////absolute/path or postgresql://user@host/name",
    )


def _system_clock() -> Clock:
    from arb.types.clock import SystemClock

    return SystemClock()


def _check_version(version: int, label: str, *, migrating: bool = False) -> None:
    if version == LATEST or (migrating and version < LATEST):
        return
    if version < LATEST:
        raise StateError(
            f"{label} went back to schema {version} while this process used it",
            code="state-older",
            hint="was a backup restored? Run the command again",
        )
    raise StateError(
        f"{label} was written by a newer arb: it has schema {version}, this arb knows {LATEST}",
        code="state-newer",
        hint="upgrade here: pip install --upgrade arb-core",
    )
