from __future__ import annotations

import sqlite3
import sys
from pathlib import Path
from types import ModuleType

import pytest

from arb.errors import StateError
from arb.state import migrations, store
from arb.state.store import open_store

NOW = migrations.LATEST
NEXT = NOW + 1
PUT = "INSERT INTO meta (name, value) VALUES (?, ?)"


def learn_next_schema(monkeypatch: pytest.MonkeyPatch, *statements: str) -> None:
    """Make this process the next release."""
    module = ModuleType(f"arb.state.migrations.m{NEXT:04}")
    module.STATEMENTS = statements  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setattr(migrations, "LATEST", NEXT)
    monkeypatch.setattr(store, "LATEST", NEXT)


def test_every_migration_up_to_the_latest_exists() -> None:
    folder = Path(migrations.__file__).parent

    names = sorted(path.stem for path in folder.glob("m*.py"))
    assert names == [f"m{number:04}" for number in range(1, migrations.LATEST + 1)]


def test_a_migration_keeps_the_data_and_the_owner(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_store(url) as old, old.write() as tx:
        tx.execute(PUT, ("kept", "1"))
    owner = old.read("SELECT value FROM meta WHERE name = 'owner'") if "sqlite" in url else None

    learn_next_schema(monkeypatch, "ALTER TABLE meta ADD COLUMN extra TEXT DEFAULT 'new'")
    with open_store(url) as new:
        rows = new.read("SELECT value, extra FROM meta WHERE name = 'kept'")
        assert rows == [{"value": "1", "extra": "new"}]
        assert len(new.owner()) == 8
        if owner:
            assert owner == [{"value": new.owner()}]


def test_existing_data_is_copied_aside_before_it_is_migrated(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_store(sqlite_url) as old, old.write() as tx:
        tx.execute(PUT, ("kept", "1"))
    path = sqlite_url.removeprefix("sqlite:///")

    learn_next_schema(monkeypatch, "DROP TABLE meta")
    open_store(sqlite_url).close()

    backup = Path(f"{path}.v{NOW}.bak")
    assert backup.stat().st_mode & 0o777 == 0o600
    connection = sqlite3.connect(backup)
    assert connection.execute("SELECT value FROM meta WHERE name = 'kept'").fetchall() == [("1",)]
    assert connection.execute("PRAGMA user_version").fetchone() == (NOW,)
    connection.close()


def test_a_migration_that_fails_leaves_everything_as_it_was(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_store(url) as old, old.write() as tx:
        tx.execute(PUT, ("kept", "1"))

    with monkeypatch.context() as patch:
        learn_next_schema(patch, "DROP TABLE meta", "this is not SQL")
        with pytest.raises(StateError):
            open_store(url)

    with open_store(url) as again:
        assert again.read("SELECT value FROM meta WHERE name = 'kept'") == [{"value": "1"}]


def test_a_newer_schema_is_refused_with_who_must_upgrade(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        learn_next_schema(patch, "ALTER TABLE meta ADD COLUMN extra TEXT")
        open_store(url).close()

    with pytest.raises(StateError) as caught:
        open_store(url)
    assert caught.value.code == "state-newer"
    assert f"schema {NEXT}, this arb knows {NOW}" in caught.value.summary
    assert "pip install --upgrade arb-core" in caught.value.hint


def test_a_process_that_runs_on_while_another_migrates_is_refused(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_store(url) as old:
        with monkeypatch.context() as patch:
            learn_next_schema(patch, "ALTER TABLE meta ADD COLUMN extra TEXT")
            open_store(url).close()

        with pytest.raises(StateError) as caught, old.write():
            pass
    assert caught.value.code == "state-newer"
