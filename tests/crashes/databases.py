"""Where a trial's state is: a file in the home, or a PostgreSQL server that others keep."""

from __future__ import annotations

import base64
import sqlite3
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from arb.state.store import open_store
from arb.state.vault import KEY_VARIABLE

if TYPE_CHECKING:
    from pathlib import Path

    from support.postgres import PostgresServer

    from arb.state.store import Store
    from arb.types import Clock

__all__ = ["Database", "FileDatabase", "ServerDatabase"]


class Database(ABC):
    """State of one home."""

    survives: bool
    """Whether what was committed is there again after ``lose`` and ``restore``."""

    @abstractmethod
    def env(self) -> dict[str, str]:
        """Return what commands must know to find it."""

    @abstractmethod
    def open(self, clock: Clock) -> Store | None:
        """Open it as it is; None when there is none: none is made."""

    @abstractmethod
    def lose(self) -> None:
        """Let it go away under whoever uses it."""

    @abstractmethod
    def restore(self) -> None:
        """Let it be usable again, if it can."""


class FileDatabase(Database):
    """``state.db`` of a home."""

    survives = False

    def __init__(self, home: Path) -> None:
        self._path = home / "state.db"

    def env(self) -> dict[str, str]:
        """Return nothing: it is where it always is."""
        return {}

    def open(self, clock: Clock) -> Store | None:
        """Open the file once it is a database."""
        return open_store(f"sqlite:///{self._path}", clock=clock) if self._is_made() else None

    def lose(self) -> None:
        """Remove it; the owner's mark stays."""
        for path in self._path.parent.glob("state.db*"):
            if path.name != "state.db.owner":
                path.unlink()

    def restore(self) -> None:
        """Do nothing: nobody has a copy."""

    def _is_made(self) -> bool:
        if not self._path.exists():
            return False
        connection = sqlite3.connect(f"{self._path.as_uri()}?mode=ro", uri=True)
        try:
            return bool(connection.execute("PRAGMA user_version").fetchone()[0])
        finally:
            connection.close()


class ServerDatabase(Database):
    """A database on a server, emptied for each trial. Losing it is losing the way to it."""

    survives = True

    def __init__(self, server: PostgresServer) -> None:
        self._url = server.new_database()
        self._name = self._url.split("/")[3].partition("?")[0]
        self._server_url = self._url.replace(f"/{self._name}?", "/postgres?", 1)

    def env(self) -> dict[str, str]:
        """Return address and key."""
        key = base64.urlsafe_b64encode(bytes(32)).decode()
        return {"ARB_DATABASE_URL": self._url, KEY_VARIABLE: key}

    def empty(self) -> None:
        """Remove everything."""
        self._run(self._url, "DROP SCHEMA public CASCADE", "CREATE SCHEMA public")

    def open(self, clock: Clock) -> Store | None:
        """Open it once a command has made its tables."""
        made = self._run(self._url, "SELECT 1 FROM pg_class WHERE relname = 'schema_version'")
        return open_store(self._url, clock=clock) if made else None

    def lose(self) -> None:
        """Let nobody in, and throw out who is there."""
        self._allow(False)
        there = f"FROM pg_stat_activity WHERE datname = '{self._name}'"
        self._run(self._server_url, f"SELECT pg_terminate_backend(pid, 5000) {there}")

    def restore(self) -> None:
        """Let everybody in again."""
        self._allow(True)

    def _allow(self, allowed: bool) -> None:
        self._run(self._server_url, f"ALTER DATABASE {self._name} WITH ALLOW_CONNECTIONS {allowed}")

    @staticmethod
    def _run(url: str, *statements: str) -> list[tuple[object, ...]]:
        import psycopg

        with psycopg.connect(url, autocommit=True) as connection:
            for statement in statements:
                cursor = connection.execute(statement)
            return cursor.fetchall() if cursor.description else []
