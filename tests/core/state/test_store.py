from __future__ import annotations

import os
import signal
import sqlite3
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from support.processes import race, start

from arb.errors import StateError
from arb.state import sqlite
from arb.state.marks import BORN, STATE_LOST, get_mark
from arb.state.sqlite import SqliteBackend
from arb.state.store import Conflict, Store, open_store
from arb.testing import FakeClock

PUT = "INSERT INTO meta (name, value) VALUES (?, ?)"
GET = "SELECT value FROM meta WHERE name = ?"
DROP = "UPDATE meta SET value = ? WHERE name = ?"


def path_of(url: str) -> Path:
    return Path(url.removeprefix("sqlite:///"))


def test_a_committed_transaction_is_there_when_opened_again(url: str) -> None:
    with open_store(url) as store, store.write() as tx:
        tx.execute(PUT, ("a", "1"))

    with open_store(url) as store:
        assert store.read(GET, ("a",)) == [{"value": "1"}]


def test_a_transaction_that_raises_leaves_nothing(store: Store) -> None:
    with pytest.raises(KeyboardInterrupt), store.write() as tx:  # noqa: PT012 - a transaction
        tx.execute(PUT, ("a", "1"))
        raise KeyboardInterrupt

    assert store.read(GET, ("a",)) == []
    with store.write() as tx:  # and the lock is free again
        tx.execute(PUT, ("a", "2"))


def test_a_transaction_sees_its_own_writes_and_counts_rows(store: Store) -> None:
    with store.write() as tx:
        tx.execute(PUT, ("a", "1"))
        assert tx.read(GET, ("a",)) == [{"value": "1"}]
        assert tx.execute(DROP, ("2", "a")) == 1
        assert tx.execute(DROP, ("2", "b")) == 0


def test_a_taken_key_is_a_conflict_and_undoes_the_transaction(store: Store) -> None:
    with pytest.raises(Conflict), store.write() as tx:  # noqa: PT012 - a transaction
        tx.execute(PUT, ("a", "1"))
        tx.execute(PUT, ("a", "2"))

    assert store.read(GET, ("a",)) == []


def test_transactions_do_not_nest(store: Store) -> None:
    with store.write(), pytest.raises(RuntimeError, match="nest"), store.write():
        pass


def test_a_transaction_cannot_be_used_after_its_block(store: Store) -> None:
    with store.write() as tx:
        pass

    with pytest.raises(RuntimeError, match="ended"):
        tx.execute(PUT, ("a", "1"))


def test_percent_signs_and_numbers_survive_both_databases(store: Store) -> None:
    with store.write() as tx:
        tx.execute(PUT, ("100%", "50% of %s"))

    rows = store.read("SELECT value, 0.1 + ? AS n FROM meta WHERE name LIKE '100%'", (0.25,))
    assert rows == [{"value": "50% of %s", "n": pytest.approx(0.35)}]


def test_threads_share_a_store_without_losing_writes(store: Store) -> None:
    with store.write() as tx:
        tx.execute(PUT, ("n", "0"))

    def work() -> None:
        for _ in range(20):
            with store.write() as tx:
                value = int(tx.read(GET, ("n",))[0]["value"])
                tx.execute(DROP, (str(value + 1), "n"))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert store.read(GET, ("n",)) == [{"value": "80"}]


COUNT_UP = f"""
import sys
from arb.state.store import open_store
store = open_store(sys.argv[1])
print("ready", flush=True)
sys.stdin.readline()
for _ in range(50):
    with store.write() as tx:
        n = int(tx.read({GET!r}, ("n",))[0]["value"])
        tx.execute({DROP!r}, (str(n + 1), "n"))
"""


def test_processes_read_and_write_in_one_transaction_without_losing_any(url: str) -> None:
    with open_store(url) as store, store.write() as tx:
        tx.execute(PUT, ("n", "0"))

    race(COUNT_UP, [[url]] * 3)

    with open_store(url) as store:
        assert store.read(GET, ("n",)) == [{"value": "150"}]


OPEN = """
import sys
import arb.state.store, arb.state.migrations.m0001
print("ready", flush=True)
sys.stdin.readline()
print(arb.state.store.open_store(sys.argv[1]).owner())
"""


def test_openers_of_a_new_store_agree_on_one_owner(url: str) -> None:
    owners = race(OPEN, [[url]] * 4)

    assert len(set(owners)) == 1
    assert len(owners[0]) == 8


WRITE_AND_WAIT = f"""
import sys
from arb.state.store import open_store
store = open_store(sys.argv[1])
with store.write() as tx:
    for n in range(200):
        tx.execute({PUT!r}, (f"half-{{n}}", "x" * 5000))  # more than the page cache keeps
    print("ready", flush=True)
    sys.stdin.readline()
"""


def test_kill_9_inside_a_transaction_leaves_a_consistent_store(url: str) -> None:
    with open_store(url) as store, store.write() as tx:
        tx.execute(PUT, ("before", "1"))
    process = start(WRITE_AND_WAIT, url)

    process.send_signal(signal.SIGKILL)
    process.communicate()

    with open_store(url) as store:
        assert store.read("SELECT name FROM meta WHERE name LIKE 'half-%'") == []
        assert store.read(GET, ("before",)) == [{"value": "1"}]
        with store.write() as tx:  # the lock died with its holder
            tx.execute(PUT, ("after", "1"))


def test_kill_9_inside_the_first_migration_leaves_a_store_that_opens(sqlite_url: str) -> None:
    script = """
import sys
from arb.state import migrations
from arb.state.store import open_store
def stop(backend):
    print("ready", flush=True)
    sys.stdin.readline()
migrations._make_owner = stop
open_store(sys.argv[1])
"""
    process = start(script, sqlite_url)

    process.kill()
    process.communicate()

    with open_store(sqlite_url) as store:
        assert len(store.owner()) == 8


CLAIM = f"""
import sys
from arb.state.store import open_store
store = open_store(sys.argv[1])
print("ready", flush=True)
sys.stdin.readline()
mine = 0
while True:
    with store.write(exclusive=False) as tx:
        due = "SELECT name FROM meta WHERE value = 'due' ORDER BY name LIMIT 1" + tx.skip_locked
        rows = tx.read(due)
        for row in rows:
            assert tx.execute({DROP!r}, ("done", row["name"])) == 1
    mine += len(rows)
    if not rows and not store.read("SELECT name FROM meta WHERE value = 'due'"):
        break
print(mine)
"""


def test_processes_that_claim_rows_get_each_row_once(url: str) -> None:
    with open_store(url) as store, store.write() as tx:
        for n in range(60):
            tx.execute(PUT, (f"row-{n:02}", "due"))

    counts = [int(output) for output in race(CLAIM, [[url]] * 3)]

    assert sum(counts) == 60


def test_a_second_writer_waits_for_the_first(url: str) -> None:
    process = start(WRITE_AND_WAIT, url)
    done: list[str] = []

    def write() -> None:
        with open_store(url) as store, store.write() as tx:
            done.append(str(len(tx.read("SELECT name FROM meta WHERE name LIKE 'half-%'"))))

    thread = threading.Thread(target=write)
    thread.start()
    thread.join(0.2)
    assert done == []
    process.communicate("commit\n")
    thread.join(30)

    assert done == ["200"]


@pytest.mark.skipif(not Path("/proc/locks").exists(), reason="the system does not tell")
def test_who_keeps_the_database_locked_is_named(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    holder = start(WRITE_AND_WAIT, sqlite_url)
    monkeypatch.setattr(sqlite, "_BUSY_S", 0.05)
    try:
        with pytest.raises(StateError) as caught, open_store(sqlite_url) as store, store.write():
            pass
    finally:
        holder.kill()
        holder.communicate()
    assert caught.value.code == "state-busy"
    assert caught.value.summary == f"process {holder.pid} has kept {path_of(sqlite_url)} locked"


def test_writing_transactions_begin_immediate(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_store(sqlite_url).close()
    seen = traced(monkeypatch)

    with open_store(sqlite_url) as store, store.write() as tx:
        tx.execute(PUT, ("a", "1"))

    assert seen[1] == "BEGIN IMMEDIATE"
    assert seen[-1] == "COMMIT"


def test_opening_an_up_to_date_store_reads_one_number(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_store(sqlite_url).close()
    seen = traced(monkeypatch)

    open_store(sqlite_url).close()

    assert seen == ["PRAGMA user_version"]


def traced(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    seen: list[str] = []
    original = sqlite._open

    def opened(path: str) -> sqlite3.Connection:
        connection = original(path)
        connection.set_trace_callback(seen.append)
        return connection

    monkeypatch.setattr(sqlite, "_open", opened)
    return seen


def test_commits_are_synced_to_the_disk_and_readers_do_not_wait(sqlite_url: str) -> None:
    with open_store(sqlite_url) as store:
        assert store.read("PRAGMA synchronous") == [{"synchronous": 2}]
        assert store.read("PRAGMA journal_mode") == [{"journal_mode": "wal"}]
        with store.write() as tx:
            tx.execute(PUT, ("a", "1"))
            with open_store(sqlite_url) as other:
                assert other.read(GET, ("a",)) == []


def test_opening_sqlite_imports_nothing_heavy(sqlite_url: str) -> None:
    code = f"""
import sys
from arb.state.store import open_store
open_store({sqlite_url!r}).owner()
open_store({sqlite_url!r}).owner()
print(*sys.modules)
"""
    output = subprocess.check_output([sys.executable, "-c", code], text=True)

    heavy = {"psycopg", "sqlalchemy", "cryptography", "pandas", "asyncio", "subprocess", "yaml"}
    assert not heavy & set(output.split())


def test_a_child_process_after_fork_uses_its_own_connection(url: str) -> None:
    code = f"""
import os, sys
from arb.state.store import open_store
store = open_store(sys.argv[1])
with store.write() as tx:
    tx.execute({PUT!r}, ("parent", "1"))
if os.fork() == 0:
    with store.write() as tx:
        tx.execute({PUT!r}, ("child", "1"))
    os._exit(0)
assert os.wait()[1] == 0
with store.write() as tx:
    tx.execute({PUT!r}, ("parent-again", "1"))
print(len(store.read("SELECT name FROM meta WHERE name IN ('parent', 'child', 'parent-again')")))
"""
    output = subprocess.check_output([sys.executable, "-c", code, url], text=True)

    assert output == "3\n"


def test_only_the_user_can_read_the_files(sqlite_url: str) -> None:
    with open_store(sqlite_url) as store, store.write() as tx:
        tx.execute(PUT, ("a", "1"))
        folder = path_of(sqlite_url).parent
        modes = {p.name: stat.S_IMODE(p.stat().st_mode) for p in folder.iterdir()}

    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert set(modes.values()) == {0o600}
    assert "state.db-wal" in modes


def test_looser_permissions_are_tightened(sqlite_url: str) -> None:
    open_store(sqlite_url).close()
    path_of(sqlite_url).chmod(0o644)

    open_store(sqlite_url).close()

    assert stat.S_IMODE(path_of(sqlite_url).stat().st_mode) == 0o600


def test_an_owner_outlives_a_lost_database(sqlite_url: str) -> None:
    with open_store(sqlite_url) as store:
        owner = store.owner()
    path_of(sqlite_url).unlink()

    with open_store(sqlite_url) as store:
        assert store.owner() == owner


def test_a_lost_database_is_noted_in_the_transaction_that_makes_the_next(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_store(sqlite_url).close()
    path_of(sqlite_url).unlink()
    commit = SqliteBackend.commit

    def die_after(backend: SqliteBackend) -> None:
        commit(backend)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(SqliteBackend, "commit", die_after)
        with pytest.raises(KeyboardInterrupt):
            open_store(sqlite_url)

    with open_store(sqlite_url) as store:
        assert get_mark(store, STATE_LOST) == 1
        assert get_mark(store, BORN) > 0


def test_a_new_state_notes_when_it_was_made(url: str) -> None:
    with open_store(url, clock=FakeClock(2000.5)) as store:
        assert (get_mark(store, BORN), get_mark(store, STATE_LOST)) == (2001, 0)


def test_two_places_have_two_owners(tmp_path: Path) -> None:
    owners = {open_store(f"sqlite:///{tmp_path}/{name}.db").owner() for name in "ab"}

    assert len(owners) == 2


def test_a_database_removed_while_in_use_is_an_error_not_a_lost_write(sqlite_url: str) -> None:
    with open_store(sqlite_url) as store:
        store.read(GET, ("a",))
        path_of(sqlite_url).unlink()

        with pytest.raises(StateError) as caught, store.write():
            pass
    assert caught.value.code == "state-lost"
    assert "removed or replaced" in caught.value.summary
    assert caught.value.hint


@pytest.mark.parametrize(
    "content", [b"not a database " * 400, b"SQLite format 3\0" + b"\xff" * 8192]
)
def test_a_damaged_file_is_named_with_a_hint(sqlite_url: str, content: bytes) -> None:
    open_store(sqlite_url).close()
    path_of(sqlite_url).write_bytes(content)

    with pytest.raises(StateError) as caught:
        open_store(sqlite_url)
    assert caught.value.code == "state-damaged"
    assert str(path_of(sqlite_url)) in caught.value.summary
    assert "restore" in caught.value.hint


def test_pages_damaged_after_opening_are_named_with_a_hint(sqlite_url: str) -> None:
    with open_store(sqlite_url) as store, store.write() as tx:
        for n in range(100):
            tx.execute(PUT, (f"n{n}", "x" * 500))
    with path_of(sqlite_url).open("r+b") as file:
        file.seek(-5 * 4096, os.SEEK_END)  # rows, not the schema
        file.write(b"\xff" * 5 * 4096)

    with open_store(sqlite_url) as store, pytest.raises(StateError) as caught:
        store.read("SELECT * FROM meta")
    assert caught.value.code == "state-damaged"


def test_somebody_elses_database_is_left_alone(sqlite_url: str) -> None:
    path = path_of(sqlite_url)
    path.parent.mkdir()
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE theirs (x)")
    connection.close()

    with pytest.raises(StateError, match="another program"):
        open_store(sqlite_url)


def test_a_full_database_undoes_the_transaction_and_says_so(sqlite_url: str) -> None:
    with open_store(sqlite_url) as store:
        pages = store.read("PRAGMA page_count")[0]["page_count"]
        store.read(f"PRAGMA max_page_count = {pages + 1}")

        with pytest.raises(StateError) as caught, store.write() as tx:  # noqa: PT012 - a transaction
            tx.execute(PUT, ("a", "1"))
            tx.execute(PUT, ("big", "x" * 100_000))
        assert caught.value.code == "state-full"
        assert "space" in caught.value.hint
        assert store.read(GET, ("a",)) == []


def test_a_full_disk_undoes_the_transaction_and_says_so(tmp_path: Path) -> None:
    command = ["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", str(tmp_path)]
    if os.geteuid() != 0 or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("mounting a small file system needs root")
    try:
        with open_store(f"sqlite:///{tmp_path}/state.db") as store:
            with pytest.raises(StateError) as caught:  # noqa: PT012 - one of many fails
                for n in range(100):
                    with store.write() as tx:
                        tx.execute(PUT, (f"n{n}", "x" * 20_000))
            assert caught.value.code == "state-full"
            kept = store.read("SELECT count(*) AS n FROM meta WHERE value <> ''")[0]["n"]
            assert kept > 1
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)


def test_a_folder_that_cannot_be_written_is_named_with_a_hint(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(StateError) as caught:
        open_store(f"sqlite:///{tmp_path}/file/state.db")
    assert "cannot be used" in caught.value.summary
    assert caught.value.hint


@pytest.mark.parametrize("url", ["", "mysql://host/db", "state.db", "sqlite:///", "sqlite://x"])
def test_an_unknown_address_says_how_one_looks(url: str) -> None:
    with pytest.raises(StateError) as caught:
        open_store(url)
    assert "postgresql://" in caught.value.hint
