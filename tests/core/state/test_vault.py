from __future__ import annotations

import os
import stat
import time
from typing import TYPE_CHECKING

import pytest
from cryptography.fernet import Fernet
from support.processes import race

from arb.errors import StateError
from arb.state.store import open_store
from arb.state.vault import FileVault, TableVault, Vault, open_vault

if TYPE_CHECKING:
    from pathlib import Path

    from arb.state.store import Store

KEY = Fernet.generate_key().decode()
ENV = {"ARB_VAULT_KEY": KEY}
SECRET = b"\x00-----BEGIN KEY-----\n\xff"


@pytest.fixture
def vault(store: Store, tmp_path: Path) -> Vault:
    return open_vault(tmp_path / "vault", store, ENV)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_the_store_decides_what_the_vault_is(vault: Vault, url: str) -> None:
    assert isinstance(vault, FileVault if url.startswith("sqlite") else TableVault)


def test_a_secret_comes_back_as_it_was_put(vault: Vault) -> None:
    vault.put("client/id_ed25519", SECRET)
    vault.put("empty", b"")

    assert vault.get("client/id_ed25519") == SECRET
    assert vault.get("empty") == b""


def test_a_missing_secret_is_none(vault: Vault) -> None:
    vault.put("a", b"1")

    assert vault.get("host/x") is None
    assert vault.get("a/b") is None
    vault.delete("host/x")


def test_a_secret_is_replaced(vault: Vault) -> None:
    vault.put("a", b"1")
    vault.put("a", b"2")

    assert vault.get("a") == b"2"


def test_put_new_keeps_the_first(vault: Vault) -> None:
    assert vault.put_new("a", b"1") == b"1"
    assert vault.put_new("a", b"2") == b"1"
    assert vault.get("a") == b"1"
    assert vault.names() == ["a"]


def test_a_deleted_secret_is_gone(vault: Vault, store: Store) -> None:
    vault.put("job/1", SECRET)
    vault.delete("job/1")

    assert vault.get("job/1") is None
    assert vault.names() == []


def test_names_are_listed_by_prefix(vault: Vault) -> None:
    for name in ("host/b", "host/a", "hosts", "client/id"):
        vault.put(name, b"x")

    assert vault.names() == ["client/id", "host/a", "host/b", "hosts"]
    assert vault.names("host/") == ["host/a", "host/b"]


def test_an_empty_vault_has_no_names(vault: Vault) -> None:
    assert vault.names() == []


@pytest.mark.parametrize(
    "name", ["", "/a", "a/", "../a", "a/../b", "a//b", ".hidden", "a\0", "a b"]
)
def test_a_name_cannot_lead_out_of_the_vault(vault: Vault, name: str) -> None:
    with pytest.raises(ValueError, match="not a name"):
        vault.get(name)
    with pytest.raises(ValueError, match="not a name"):
        vault.delete(name)
    with pytest.raises(ValueError, match="not a name"):
        vault.put(name, b"")
    with pytest.raises(ValueError, match="not a name"):
        vault.put_new(name, b"")


MAKE = """
import os, sys
from pathlib import Path
from arb.state.store import open_store
from arb.state.vault import open_vault
vault = open_vault(Path(sys.argv[2]), open_store(sys.argv[1]), os.environ)
print("ready", flush=True)
sys.stdin.readline()
print(vault.put_new("client/id", str(os.getpid()).encode()).decode())
"""


def test_processes_that_make_a_key_at_once_get_the_same(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ARB_VAULT_KEY", KEY)
    open_store(url).close()

    keys = race(MAKE, [[url, str(tmp_path / "vault")]] * 3)

    assert len(set(keys)) == 1


def test_files_can_be_read_by_the_user_only(tmp_path: Path) -> None:
    folder = tmp_path / "vault"
    FileVault(folder).put("host/a", SECRET)

    assert [mode(path) for path in (folder, folder / "host")] == [0o700] * 2
    assert mode(folder / "host" / "a") == 0o600


def test_looser_permissions_are_tightened_before_a_secret_is_read(tmp_path: Path) -> None:
    folder = tmp_path / "vault"
    FileVault(folder).put("host/a", SECRET)
    folder.chmod(0o755)
    (folder / "host" / "a").chmod(0o644)

    assert FileVault(folder).get("host/a") == SECRET
    assert (mode(folder), mode(folder / "host" / "a")) == (0o700, 0o600)


def test_a_write_that_fails_leaves_the_old_secret_and_no_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    vault = FileVault(tmp_path / "vault")
    vault.put("a", b"old")

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StateError, match="No space left") as caught:
        vault.put("a", b"new")
    assert caught.value.code == "vault-failed"
    assert vault.get("a") == b"old"
    assert [path.name for path in (tmp_path / "vault").iterdir()] == ["a"]


def test_a_write_that_was_killed_is_not_listed(tmp_path: Path) -> None:
    vault = FileVault(tmp_path / "vault")
    vault.put("a", b"1")
    (tmp_path / "vault" / ".partial-0123").write_bytes(b"half")

    assert vault.names() == ["a"]


def test_what_a_killed_write_left_is_swept_once_nobody_can_be_writing_it(tmp_path: Path) -> None:
    vault = FileVault(tmp_path / "vault")
    vault.put("host/a", b"1")
    old, young = (tmp_path / "vault" / "host" / f".partial-{name}" for name in ("old", "young"))
    for path in (old, young):
        path.write_bytes(b"half")
    os.utime(old, (time.time() - 4000,) * 2)

    vault.sweep()

    assert (old.exists(), young.exists()) == (False, True)
    assert vault.names() == ["host/a"]


def test_a_vault_that_was_never_used_can_be_swept(tmp_path: Path) -> None:
    FileVault(tmp_path / "vault").sweep()

    assert not (tmp_path / "vault").exists()


@pytest.fixture
def shared(postgres_url: str) -> Store:
    return open_store(postgres_url)


@pytest.mark.parametrize(
    ("key", "code"), [("", "vault-key-missing"), ("short", "vault-key-malformed")]
)
def test_without_a_proper_key_a_shared_vault_does_not_open(
    shared: Store, tmp_path: Path, key: str, code: str
) -> None:
    with shared, pytest.raises(StateError) as caught:
        open_vault(tmp_path, shared, {"ARB_VAULT_KEY": key})

    assert caught.value.code == code
    assert "ARB_VAULT_KEY" in caught.value.hint


def test_another_key_is_refused_before_anything_is_written(shared: Store) -> None:
    with shared:
        TableVault(shared, KEY).put("a", b"1")
        other = TableVault(shared, Fernet.generate_key().decode())

        with pytest.raises(StateError, match="not the key of this vault"):
            other.get("b")
        with pytest.raises(StateError) as caught:
            other.put("a", b"2")
        assert caught.value.code == "vault-key-wrong"
        assert TableVault(shared, KEY).get("a") == b"1"


def test_a_shared_vault_holds_only_what_is_encrypted(shared: Store) -> None:
    with shared:
        TableVault(shared, KEY).put("a", b"a secret of mine")
        rows = shared.read("SELECT content FROM vault")

        assert len(rows) == 2
        assert not any(b"secret" in bytes(row["content"]) for row in rows)


def test_rows_that_were_exchanged_are_noticed(shared: Store) -> None:
    with shared:
        vault = TableVault(shared, KEY)
        vault.put("a", b"1")
        vault.put("b", b"2")
        with shared.write() as tx:
            tx.execute(
                "UPDATE vault SET content = (SELECT content FROM vault WHERE name = 'b')"
                " WHERE name = 'a'"
            )

        with pytest.raises(StateError) as caught:
            vault.get("a")
    assert caught.value.code == "vault-damaged"
