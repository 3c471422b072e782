from __future__ import annotations

import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any

import pytest

from arb.errors import StateError
from arb.state.postgres import _offset_s
from arb.state.store import Store, open_store

if TYPE_CHECKING:
    from collections.abc import Iterator

PUT = "INSERT INTO meta (name, value) VALUES (?, ?)"


@pytest.fixture
def shared(postgres_url: str) -> Iterator[Store]:
    with open_store(postgres_url) as opened:
        yield opened


def end_connection(of: Store, by: Store) -> None:
    """Do what a restarted server or a failed network does."""
    pid = of.read("SELECT pg_backend_pid() AS pid")[0]["pid"]
    assert by.read("SELECT pg_terminate_backend(?) AS done", (pid,)) == [{"done": True}]


def test_a_read_after_the_connection_broke_opens_another(shared: Store, postgres_url: str) -> None:
    with open_store(postgres_url) as other:
        end_connection(shared, other)

    assert shared.read("SELECT 1 AS one") == [{"one": 1}]


def test_a_transaction_after_the_connection_broke_opens_another(
    shared: Store, postgres_url: str
) -> None:
    with open_store(postgres_url) as other:
        end_connection(shared, other)

    with shared.write() as tx:
        tx.execute(PUT, ("a", "1"))
    assert shared.read("SELECT value FROM meta WHERE name = 'a'") == [{"value": "1"}]


def test_a_connection_that_breaks_inside_a_transaction_undoes_it(
    shared: Store, postgres_url: str
) -> None:
    with open_store(postgres_url) as other:
        with pytest.raises(StateError) as caught, shared.write() as tx:  # noqa: PT012 - a transaction
            tx.execute(PUT, ("a", "1"))
            end_connection(shared, other)
            tx.execute(PUT, ("b", "1"))

        assert caught.value.code == "state-unreachable"
        assert other.read("SELECT name FROM meta WHERE name IN ('a', 'b')") == []
    with shared.write() as tx:
        tx.execute(PUT, ("c", "1"))


def test_a_commit_without_an_answer_is_called_unknown(shared: Store, postgres_url: str) -> None:
    with (  # noqa: PT012 - a transaction
        open_store(postgres_url) as other,
        pytest.raises(StateError) as caught,
        shared.write() as tx,
    ):
        tx.execute(PUT, ("a", "1"))
        end_connection(shared, other)

    assert caught.value.code == "state-commit-unknown"


def test_writers_that_need_no_order_do_not_wait_for_each_other(
    shared: Store, postgres_url: str
) -> None:
    with open_store(postgres_url) as other:
        with shared.write() as first, other.write(exclusive=False) as second:
            first.execute(PUT, ("a", "1"))
            second.execute(PUT, ("b", "1"))

        assert len(other.read("SELECT name FROM meta WHERE name IN ('a', 'b')")) == 2


def test_a_lock_that_is_kept_too_long_is_busy_not_a_hang(shared: Store, postgres_url: str) -> None:
    with open_store(postgres_url) as other, shared.write():
        other.read("SELECT set_config('lock_timeout', '50ms', false) AS x")

        with pytest.raises(StateError) as caught, other.write():
            pass
    assert caught.value.code == "state-busy"


def test_a_server_that_does_not_answer_is_named_without_the_password(tmp_path: object) -> None:
    with pytest.raises(StateError) as caught:
        open_store(f"postgresql://user:s3cret@/db?host={tmp_path}")

    assert caught.value.code == "state-unreachable"
    assert "ARB_DATABASE_URL" in caught.value.hint
    assert "s3cret" not in str(caught.value.to_dict())


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://user:s3cret@host.invalid/db?nonsense=1",
        "postgresql://user:p@s3cret@host.invalid/db",
        "postgresql://user:%zzs3cret@host.invalid/db",
    ],
)
def test_an_address_that_cannot_be_read_is_an_error_without_the_password(url: str) -> None:
    with pytest.raises(StateError) as caught:
        open_store(url)

    assert "s3cret" not in str(caught.value.to_dict())
    assert "ARB_DATABASE_URL" in caught.value.hint


@pytest.fixture
def crowd(shared: Store, postgres_url: str) -> Iterator[Any]:
    """The only connection that a user may have."""
    psycopg = pytest.importorskip("psycopg")
    name = f"crowd_{shared.owner()}"
    with shared.write() as tx:
        tx.execute(f"CREATE ROLE {name} LOGIN CONNECTION LIMIT 1 IN ROLE arb")
    with psycopg.connect(postgres_url.replace("arb@", f"{name}@")) as connection:
        yield connection


def _same_user(url: str, crowd: Any) -> str:
    return url.replace("arb@", f"{crowd.info.user}@")


def test_a_server_without_a_free_connection_is_waited_for(crowd: Any, postgres_url: str) -> None:
    threading.Timer(0.1, crowd.close).start()

    with open_store(_same_user(postgres_url, crowd)) as store:
        assert store.read("SELECT 1 AS one") == [{"one": 1}]


def test_a_server_without_a_free_connection_is_not_waited_for_for_ever(
    crowd: Any, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("arb.state.postgres._CROWDED_S", 0.1)
    with pytest.raises(StateError) as caught:
        open_store(_same_user(postgres_url, crowd))
    assert caught.value.code == "state-busy"
    assert "no more connections for 0.1 s" in caught.value.summary
    assert "max_connections" in caught.value.hint


def test_a_missing_database_is_named(postgres_url: str) -> None:
    with pytest.raises(StateError, match="absent") as caught:
        open_store(postgres_url.replace("@/", "@/absent-"))

    assert caught.value.code == "state-unreachable"


def test_without_psycopg_the_command_to_install_it_is_shown() -> None:
    code = """
import sys
sys.modules["psycopg"] = None
from arb.errors import StateError
from arb.state.store import open_store
try:
    open_store("postgresql://host/db")
except StateError as error:
    print(error.code, error.hint)
"""
    output = subprocess.check_output([sys.executable, "-c", code], text=True)

    assert output == "state-no-driver pip install 'arb-core[postgresql]'\n"


def test_a_database_without_rights_is_named(shared: Store, postgres_url: str) -> None:
    (schema,) = shared.read("SELECT current_schema() AS name")
    with shared.write() as tx:
        tx.execute("CREATE ROLE guest LOGIN")
        tx.execute(f"GRANT USAGE ON SCHEMA {schema['name']} TO guest")
        tx.execute(f"GRANT SELECT ON ALL TABLES IN SCHEMA {schema['name']} TO guest")
    try:
        with open_store(postgres_url.replace("arb@", "guest@")) as guest:
            with pytest.raises(StateError) as caught, guest.write() as tx:
                tx.execute(PUT, ("a", "1"))
            assert caught.value.code == "state-readonly"
    finally:
        with shared.write() as tx:
            tx.execute("DROP OWNED BY guest")
            tx.execute("DROP ROLE guest")


@pytest.mark.parametrize(
    ("server", "before", "after", "offset"),
    [
        (1000.2, 1000.0, 1000.1, 0),
        (1300.0, 1000.0, 1000.2, 299.9),
        (1003.0, 1000.0, 1005.0, 0),
        (900.0, 1000.0, 1000.0, -100),
    ],
    ids=["less than a clock means", "ahead", "slow answer", "behind"],
)
def test_the_servers_clock_counts_when_it_differs(
    server: float, before: float, after: float, offset: float
) -> None:
    assert _offset_s(server, before, after) == pytest.approx(offset)
