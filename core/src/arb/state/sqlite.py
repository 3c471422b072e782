"""The store on SQLite: one file, WAL, every commit on the disk before it returns."""

from __future__ import annotations

import os
import sqlite3
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from arb.errors import StateError
from arb.locks import locked
from arb.state.store import Conflict

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from arb.state.store import Row

__all__ = ["SqliteBackend"]

_BUSY_S: Final = 30.0
_APPLICATION_ID: Final = 0x61726231  # "arb1"
_RESTORE: Final = (
    "restore {path} from a backup, or move it away: machines of this owner are then found again "
    "at the providers"
)
# Primary result codes -> code, what happened, hint.
_FAILURES: Final = {
    sqlite3.SQLITE_BUSY: (
        "state-busy",
        "{who} has kept {path} locked",
        "end that process, or wait for it, and run the command again",
    ),
    sqlite3.SQLITE_READONLY: (
        "state-readonly",
        "{path} cannot be written",
        "its file and folder must belong to you and be writable",
    ),
    sqlite3.SQLITE_PERM: (
        "state-readonly",
        "{path} cannot be written",
        "its file and folder must belong to you and be writable",
    ),
    sqlite3.SQLITE_IOERR: ("state-io", "the disk failed under {path}", "is it full, or broken?"),
    sqlite3.SQLITE_FULL: (
        "state-full",
        "the disk that holds {path} is full",
        "free some space and run the command again",
    ),
    sqlite3.SQLITE_CANTOPEN: (
        "state-missing",
        "{path} cannot be opened",
        "its folder must exist, belong to you and be writable",
    ),
    sqlite3.SQLITE_CORRUPT: ("state-damaged", "{path} is damaged", _RESTORE),
    sqlite3.SQLITE_NOTADB: ("state-damaged", "{path} is not an arb database", _RESTORE),
}


class SqliteBackend:
    """``Backend`` over one file.

    Args:
        path: The database file. It and its folder are made, readable by the user alone.

    Raises:
        StateError: The place is a network file system, or cannot be used.
    """

    serial = "INTEGER PRIMARY KEY AUTOINCREMENT"
    blob = "BLOB"
    skip_locked = ""
    shared = False

    def __init__(self, path: str) -> None:
        self.label = path
        self._path = path
        with self._plain_errors():
            self._identity = _make_file(path)
        _refuse_network(path, self._identity[0])
        self._connection: sqlite3.Connection | None = None
        self._pid = 0

    def run(self, sql: str, params: Sequence[object]) -> tuple[list[Row], int]:
        """Run one statement; see ``Backend``."""
        connection = self._connected()
        with self._plain_errors():
            cursor = connection.execute(sql, params)
            return (cursor.fetchall() if cursor.description else []), cursor.rowcount

    def begin(self, *, exclusive: bool) -> int:
        """Take the write lock at once: a deferred one fails later, in the middle."""
        del exclusive  # SQLite has one writer in any case
        self._check_there()
        self.run("BEGIN IMMEDIATE", ())
        return self.schema_version()

    def commit(self) -> None:
        """Commit; with synchronous=FULL it is on the disk afterwards."""
        self.run("COMMIT", ())

    def rollback(self) -> None:
        """Undo what is open. A failed statement may have done so by itself."""
        connection = self._connection
        if connection is not None and connection.in_transaction:
            with suppress(sqlite3.Error):
                connection.execute("ROLLBACK")

    def schema_version(self) -> int:
        """Return ``PRAGMA user_version``, which costs one page."""
        return int(self.run("PRAGMA user_version", ())[0][0]["user_version"])

    def set_schema_version(self, version: int) -> None:
        """Set it; the pragma takes part in the transaction."""
        self.run(f"PRAGMA application_id = {_APPLICATION_ID}", ())
        self.run(f"PRAGMA user_version = {int(version)}", ())

    @contextmanager
    def migrating(self) -> Iterator[None]:
        """Hold a lock file, which dies with the process, around a writing transaction.

        The lock file is for ``journal_mode``: changing it does not wait for other openers.
        """
        lock = locked(Path(f"{self._path}.lock"), f"migrating {self.label}", wait_s=_BUSY_S)
        with self._plain_errors(), lock:
            self._refuse_foreign()
            self.run("PRAGMA journal_mode = WAL", ())
            self.begin(exclusive=True)
            try:
                yield
                self.commit()
            except BaseException:
                self.rollback()
                raise

    def backup(self, version: int) -> None:
        """Write ``<path>.v<version>.bak`` through a second connection: ours holds the lock."""
        target = Path(f"{self._path}.v{version}.bak")
        with self._plain_errors():
            target.unlink(missing_ok=True)
            _make_file(str(target))
            source = sqlite3.connect(f"{Path(self._path).as_uri()}?mode=ro", uri=True)
            try:
                source.execute("VACUUM INTO ?", (str(target),))
            finally:
                source.close()

    def clock_offset_s(self) -> float:
        """Return 0: all processes are on this machine."""
        return 0.0

    def remembered_owner(self) -> str:
        """Read the owner kept beside the file by a database that was lost here."""
        try:
            return self._owner_file().read_text("ascii").strip()
        except (OSError, UnicodeDecodeError):
            return ""

    def remember_owner(self, owner: str) -> None:
        """Keep the owner beside the file: without it lost machines could not be recognised."""
        path = self._owner_file()
        with self._plain_errors():
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "w", encoding="ascii") as file:
                file.write(owner + "\n")
                file.flush()
                os.fsync(file.fileno())

    def close(self) -> None:
        """Close the connection of this process."""
        if self._connection is not None and self._pid == os.getpid():
            self._connection.close()
        self._connection = None

    def _owner_file(self) -> Path:
        return Path(f"{self._path}.owner")

    def _connected(self) -> sqlite3.Connection:
        """Return a connection of this process: one must not be carried over a fork."""
        if self._connection is None or self._pid != os.getpid():
            self._check_there()
            with self._plain_errors():
                self._connection = _open(self._path)
            self._pid = os.getpid()
        return self._connection

    def _check_there(self) -> None:
        """Refuse to write into a file that is no longer in its place: it would be lost."""
        try:
            status = os.stat(self._path)  # noqa: PTH116 - a Path costs more than the call
        except OSError:
            status = None
        if status is None or (status.st_dev, status.st_ino) != self._identity:
            raise StateError(
                f"{self._path} was removed or replaced while arb used it",
                code="state-lost",
                hint="restore it and run the command again",
            )

    def _refuse_foreign(self) -> None:
        """Keep hands off a database that somebody else made."""
        found = self.run("PRAGMA application_id", ())[0][0]["application_id"]
        tables = self.run("SELECT count(*) AS n FROM sqlite_master", ())[0][0]["n"]
        if tables and found != _APPLICATION_ID:
            raise StateError(
                f"{self._path} is a database of another program",
                code="state-damaged",
                hint="point ARB_HOME or ARB_DATABASE_URL at another place",
            )

    @contextmanager
    def _plain_errors(self) -> Iterator[None]:
        """Turn what SQLite and the system say into a ``StateError`` with a hint."""
        try:
            yield
        except sqlite3.ProgrammingError:
            raise  # our own mistake
        except sqlite3.Error as error:
            raise _explain(error, self._path) from error
        except OSError as error:
            raise StateError(
                f"{self._path} cannot be used: {error.strerror}",
                code="state-missing",
                hint="its folder must exist, belong to you and be writable",
            ) from error


def _explain(error: sqlite3.Error, path: str) -> StateError:
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)
    if code in {sqlite3.SQLITE_CONSTRAINT_UNIQUE, sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY}:
        return Conflict(f"already there: {error}", code="state-conflict")
    known = _FAILURES.get(code & 0xFF)
    if known is None:
        return StateError(f"{path}: {error}", code="state-failed", hint=_RESTORE.format(path=path))
    kind, summary, hint = known
    who = _writer(path) if kind == "state-busy" else ""
    return StateError(summary.format(path=path, who=who), code=kind, hint=hint.format(path=path))


def _writer(path: str) -> str:
    """Name the process that holds the write lock, where the system tells."""
    try:
        status = os.stat(f"{path}-shm")  # noqa: PTH116 - WAL keeps its locks there
        with open("/proc/locks", encoding="ascii") as file:  # noqa: PTH123 - one short read
            locks = [line.split() for line in file]
    except OSError:
        locks = []
    for lock in locks:
        if lock[3:4] == ["WRITE"] and lock[5].rpartition(":")[2] == str(status.st_ino):
            return f"process {lock[4]}"
    return "another arb process"


def _open(path: str) -> sqlite3.Connection:
    connection = sqlite3.connect(
        f"{Path(path).as_uri()}?mode=rw",  # rw: a lost file is an error, not a new store
        uri=True,
        timeout=_BUSY_S,
        isolation_level=None,  # transactions are ours
        check_same_thread=False,  # Store's lock sees to it
    )
    connection.row_factory = _to_row
    connection.execute("PRAGMA synchronous = FULL")
    return connection


def _to_row(cursor: sqlite3.Cursor, values: tuple[object, ...]) -> Row:
    return {column[0]: value for column, value in zip(cursor.description, values, strict=True)}


def _make_file(path: str) -> tuple[int, int]:
    """Make the file when it is missing, close it to others, return its identity."""
    if not os.path.exists(path):  # noqa: PTH110 - a Path costs more than the call
        Path(path).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    status = os.stat(path)  # noqa: PTH116 - the same
    if status.st_mode & 0o077:
        os.chmod(path, 0o600)  # noqa: PTH101 - the same
    return status.st_dev, status.st_ino


def _refuse_network(path: str, device: int) -> None:
    """Refuse network file systems, where locks and shared memory of WAL do not hold.

    They have no block device, hence major number 0: others need no look at the mounts.
    """
    if os.major(device):
        return
    from arb.state.filesystems import network_mount

    mount = network_mount(path)
    if mount is not None:
        raise StateError(
            f"{path} is on a network file system ({mount.type} at {mount.point}), "
            "where SQLite loses data",
            code="state-network",
            hint="set ARB_HOME to a local folder, or ARB_DATABASE_URL to postgresql://...",
        )
