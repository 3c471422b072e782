"""The store on PostgreSQL, for an ``arb`` that several machines share."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from arb.errors import StateError
from arb.state.store import Conflict

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import psycopg

    from arb.state.store import Row

__all__ = ["PostgresBackend"]

_WRITE_LOCK: Final = 0x617262_01
_MIGRATE_LOCK: Final = 0x617262_02
_CROWDED: Final = ("too many clients", "too many connections", "remaining connection slots")
_CROWDED_S: Final = 10.0
"""Other commands end, and each frees a connection."""
_CROWDED_POLL_S: Final = 0.2
# A stopped writer must not hold the others for ever: the server ends its transaction.
_SESSION: Final = """
    SET client_min_messages = warning;
    SET lock_timeout = '30s';
    SET idle_in_transaction_session_timeout = '60s';
    SET synchronous_commit = on;
    SET default_transaction_isolation = 'read committed';
    SELECT extract(epoch FROM clock_timestamp())::float8 AS now
"""
_VERSION: Final = "SELECT version FROM schema_version"
# Not to_regclass: inside a transaction it may remember that the table was missing before.
_HAS_VERSION: Final = """
    SELECT 1 FROM pg_catalog.pg_class
    WHERE relname = 'schema_version' AND pg_catalog.pg_table_is_visible(oid)
"""


class PostgresBackend:
    """``Backend`` over one connection, reopened when it broke and nothing can be lost by it.

    Args:
        url: As libpq reads it.

    Raises:
        StateError: psycopg is not installed, or the server does not let us in.
    """

    serial = "BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY"
    blob = "BYTEA"
    skip_locked = " FOR UPDATE SKIP LOCKED"
    shared = True

    def __init__(self, url: str) -> None:
        self._url = url
        self._offset_s = 0.0
        self._in_transaction = False
        self._pid = 0
        self.label = "the PostgreSQL database"
        try:
            import psycopg
        except ImportError as error:
            raise StateError(
                f"PostgreSQL needs psycopg, which cannot be imported: {error}",
                code="state-no-driver",
                hint="pip install 'arb-core[postgresql]'",
            ) from error
        self._psycopg = psycopg
        self._connection = self._connect()

    def run(self, sql: str, params: Sequence[object]) -> tuple[list[Row], int]:
        """Run one statement; outside a transaction a broken connection is replaced once."""
        return self._retried(lambda: self._execute(_translate(sql), params or None))

    def begin(self, *, exclusive: bool) -> int:
        """Begin, lock and read the schema version in one round trip."""
        lock = f"SELECT pg_advisory_xact_lock({_WRITE_LOCK});" if exclusive else ""
        rows, _ = self._retried(lambda: self._execute(f"BEGIN; {lock} {_VERSION}", None))
        self._in_transaction = True
        return int(rows[0]["version"])

    def commit(self) -> None:
        """Commit. When the connection breaks in the middle, nobody knows whether it did."""
        self._in_transaction = False
        with self._plain_errors(committing=True):
            self._connection.execute("COMMIT")

    def rollback(self) -> None:
        """Undo what is open; a broken connection has done so already."""
        self._in_transaction = False
        with suppress(self._psycopg.Error):
            if self._connection.info.transaction_status != self._psycopg.pq.TransactionStatus.IDLE:
                self._connection.execute("ROLLBACK")

    def schema_version(self) -> int:
        """Return the version in the table ``schema_version``; 0 when there is no such table."""
        if not self.run(_HAS_VERSION, ())[0]:
            return 0
        rows = self.run(_VERSION, ())[0]
        return int(rows[0]["version"]) if rows else 0

    def set_schema_version(self, version: int) -> None:
        """Record it inside the migration's transaction."""
        self.run("CREATE TABLE IF NOT EXISTS schema_version (version INTEGER NOT NULL)", ())
        self.run("DELETE FROM schema_version", ())
        self.run("INSERT INTO schema_version (version) VALUES (?)", (version,))

    @contextmanager
    def migrating(self) -> Iterator[None]:
        """Run a block in one transaction under a lock that dies with the connection."""
        lock = (
            f"SELECT pg_advisory_xact_lock({_MIGRATE_LOCK}), pg_advisory_xact_lock({_WRITE_LOCK})"
        )
        self._retried(lambda: self._execute(f"BEGIN; {lock}", None))
        self._in_transaction = True
        try:
            yield
            self.commit()
        except BaseException:
            self.rollback()
            raise

    def backup(self, version: int) -> None:
        """Do nothing: whoever runs the server backs it up."""

    def clock_offset_s(self) -> float:
        """Return how far the server's clock was ahead of ours when the connection was made."""
        return self._offset_s

    def remembered_owner(self) -> str:
        """Return nothing: there is no place beside the database."""
        return ""

    def remember_owner(self, owner: str) -> None:
        """Do nothing, for the same reason."""

    def close(self) -> None:
        """Close the connection of this process."""
        import os

        if self._pid == os.getpid():
            self._connection.close()

    def _connect(self) -> psycopg.Connection[Row]:
        import os
        import time

        deadline = time.monotonic() + _CROWDED_S
        while (connection := self._admitted(last=time.monotonic() >= deadline)) is None:
            time.sleep(_CROWDED_POLL_S)
        with self._plain_errors():
            self.label = f"database {connection.info.dbname!r} on {connection.info.host}"
            before = time.time()
            rows = _last_rows(connection.execute(_SESSION))
            self._offset_s = _offset_s(float(rows[0]["now"]), before, time.time())
        self._pid = os.getpid()
        return connection

    def _admitted(self, *, last: bool) -> psycopg.Connection[Row] | None:
        """Return a connection; None when the server has none to spare, unless it is the last try."""
        from psycopg.rows import dict_row

        try:
            return self._psycopg.connect(
                self._url,
                autocommit=True,
                prepare_threshold=None,  # poolers cannot keep prepared statements
                row_factory=dict_row,
                connect_timeout=10,
                application_name="arb",
            )
        except self._psycopg.Error as error:
            if _is_crowded(error) and not last:
                return None
            raise _no_connection(self._url, error) from None  # the cause may quote the address

    def _execute(self, sql: str, params: Sequence[object] | None) -> tuple[list[Row], int]:
        import os

        if self._pid != os.getpid():  # a connection must not be carried over a fork
            self._connection = self._connect()
        with self._plain_errors():
            cursor = self._connection.execute(sql, params)
            count = cursor.rowcount
            return _last_rows(cursor), count

    def _retried(self, work: Any) -> tuple[list[Row], int]:
        """Do it again on a new connection when the old one broke outside a transaction."""
        try:
            result: tuple[list[Row], int] = work()
        except StateError:
            if self._in_transaction or not self._connection.closed:
                raise
            self._connection = self._connect()
            result = work()
        return result

    @contextmanager
    def _plain_errors(self, *, committing: bool = False) -> Iterator[None]:
        try:
            yield
        except self._psycopg.ProgrammingError as error:
            if not error.sqlstate:
                raise  # our own mistake
            raise _explain(error, self.label, committing=committing) from error
        except self._psycopg.Error as error:
            raise _explain(error, self.label, committing=committing) from error


def _is_crowded(error: psycopg.Error) -> bool:
    """Say whether the server lets nobody else in for now; libpq hands on its text, not its code."""
    return any(words in str(error) for words in _CROWDED)


def _no_connection(url: str, error: psycopg.Error) -> StateError:
    """Say why, unless the address is such that libpq quotes a part of the password."""
    if _is_crowded(error):
        return StateError(
            f"the PostgreSQL database has taken no more connections for {_CROWDED_S:g} s",
            code="state-busy",
            hint="run fewer commands at once, or raise max_connections of the server",
        )
    address = url.partition("://")[2].partition("?")[0]
    is_plain = address.count("@") <= 1 and "%" not in address
    detail = _first_line(error) if is_plain else "see whether its parts are percent-encoded"
    return StateError(
        f"the PostgreSQL database cannot be reached: {detail}",
        code="state-unreachable",
        hint="check ARB_DATABASE_URL, and that the server runs",
    )


def _first_line(error: psycopg.Error) -> str:
    text = str(error).strip()
    return text.splitlines()[0] if text else type(error).__name__


def _offset_s(server: float, before: float, after: float) -> float:
    """Return how far a server's clock is ahead, or 0 when that is less than can be measured."""
    offset = server - (before + after) / 2
    return offset if abs(offset) > max(0.5, after - before) else 0.0


def _last_rows(cursor: psycopg.Cursor[Row]) -> list[Row]:
    """Return the rows of the last of several statements."""
    while cursor.nextset():
        pass
    return cursor.fetchall() if cursor.description else []


@cache
def _translate(sql: str) -> str:
    """Write placeholders as psycopg wants them."""
    return sql.replace("%", "%%").replace("?", "%s")


_FAILURES: Final = {
    "53100": ("state-full", "the disk under {label} is full", "free some space on the server"),
    "53300": ("state-busy", "{label} takes no more connections", "raise max_connections"),
    "55P03": (
        "state-busy",
        "another arb process has kept {label} locked for 30 s",
        "end that process, or wait for it, and run the command again",
    ),
    "40P01": ("state-busy", "{label} broke a deadlock", "run the command again"),
    "25006": (
        "state-readonly",
        "{label} only reads",
        "point ARB_DATABASE_URL at the primary server",
    ),
    "42501": (
        "state-readonly",
        "{label} forbids what arb needs",
        "the user in ARB_DATABASE_URL must own its tables",
    ),
    "42P01": ("state-damaged", "{label} lacks a table of arb", "restore it from a backup"),
    "25P03": (
        "state-lost",
        "{label} ended a transaction that stood still for 60 s",
        "run the command again",
    ),
}


def _explain(error: psycopg.Error, label: str, *, committing: bool) -> StateError:
    """Say it in one line."""
    state, detail = error.sqlstate or "", _first_line(error)
    if state == "23505":
        return Conflict(f"already there: {detail}", code="state-conflict")
    if committing:
        return StateError(
            f"{label} broke off while committing, it may have done so: {detail}",
            code="state-commit-unknown",
            hint="run arb status to see what was recorded",
        )
    if state in _FAILURES:
        kind, summary, hint = _FAILURES[state]
        return StateError(summary.format(label=label), code=kind, hint=hint)
    if not state or state[:2] in {"08", "57", "28", "3D"}:
        return StateError(
            f"{label} cannot be reached: {detail}",
            code="state-unreachable",
            hint="check ARB_DATABASE_URL and that the server runs",
        )
    return StateError(f"{label}: {detail}", code="state-failed")
