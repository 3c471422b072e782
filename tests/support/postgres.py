"""A real PostgreSQL server for one test session, in a temporary folder, on a unix socket."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from itertools import count
from pathlib import Path
from typing import Self

__all__ = ["PostgresServer", "find_binaries"]

# Durability is the server's own business: these tests are about ours.
_FAST = (
    *("fsync=off", "full_page_writes=off", "max_connections=40", "shared_buffers=16MB"),
    "autovacuum=off",
)
_COPIES_FILES = 150000
"""From this version on one may say how a database is made."""


def find_binaries() -> Path | None:
    """Return the folder of ``initdb`` and ``pg_ctl``, newest version first, or None."""
    on_path = shutil.which("initdb")
    if on_path:
        return Path(on_path).resolve().parent
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    return found[-1].parent if found else None


class PostgresServer:
    """A running server. As root it runs as the user ``postgres``, which it insists on.

    Args:
        binaries: What ``find_binaries`` returned.
    """

    def __init__(self, binaries: Path) -> None:
        self._binaries = binaries
        self._numbers = count(1)
        self._shared: str | None = None
        self._root = Path(tempfile.mkdtemp(prefix="arb-pg-"))
        if os.geteuid() == 0:
            shutil.chown(self._root, "postgres")
        self._data = self._root / "data"
        self._run("initdb", "-D", self._data, "-U", "arb", "-A", "trust", "--no-sync", "-E", "UTF8")
        settings = " ".join(f"-c {setting}" for setting in _FAST)
        options = f"-k {self._root} -c listen_addresses='' {settings}"
        log = self._root / "log"
        self._run("pg_ctl", "-D", self._data, "-w", "-l", log, "-o", options, "start")

    def new_database(self) -> str:
        """Make an empty database; return its URL."""
        import psycopg

        name = f"test{next(self._numbers)}"
        # On a connection of its own, as forks may use the server too; a quarter of createdb's time.
        with psycopg.connect(self._url("postgres"), autocommit=True) as connection:
            copies = connection.info.server_version >= _COPIES_FILES
            how = " STRATEGY FILE_COPY" if copies else ""
            connection.execute(f"CREATE DATABASE {name}{how}")
        return self._url(name)

    def new_schema(self) -> str:
        """Make an empty schema in a database that all share; return its URL.

        Nothing of one is seen in another, but locks are the database's. A database is 7 MB in 300
        files, which the disk takes long to write and to remove.
        """
        import psycopg

        if self._shared is None:
            self._shared = self.new_database()
        name = f"schema{next(self._numbers)}"
        with psycopg.connect(self._shared, autocommit=True) as connection:
            connection.execute(f"CREATE SCHEMA {name}")
        return f"{self._shared}&options=-csearch_path%3D{name}"

    def stop(self) -> None:
        """End the server and remove its files."""
        self._run("pg_ctl", "-D", self._data, "-m", "immediate", "stop")
        shutil.rmtree(self._root, ignore_errors=True)

    def _url(self, database: str) -> str:
        return f"postgresql://arb@/{database}?host={self._root}"

    def _run(self, program: str, *arguments: str | Path) -> None:
        command = [str(self._binaries / program), *map(str, arguments)]
        if os.geteuid() == 0:
            command = ["runuser", "-u", "postgres", "--", *command]
        with (self._root / "tests-log").open("ab") as log:  # pg_ctl's child keeps a pipe open
            done = subprocess.run(command, stdout=log, stderr=log, check=False, cwd="/")
        if done.returncode != 0:
            text = (self._root / "tests-log").read_text("utf-8", "replace")
            raise RuntimeError(f"{program} failed:\n{text}")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
