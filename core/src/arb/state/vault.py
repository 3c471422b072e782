"""What is secret: keys, and secrets of running jobs. Beside the store, never in its tables.

With SQLite it is a folder of files that only the user can read; with PostgreSQL a table whose
content is encrypted under ``ARB_VAULT_KEY``.
"""

from __future__ import annotations

import os
import re
import secrets
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final, Protocol

from arb.errors import StateError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from cryptography.fernet import Fernet

    from arb.state.store import Store

__all__ = ["FileVault", "TableVault", "Vault", "open_vault"]

KEY_VARIABLE: Final = "ARB_VAULT_KEY"
_NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*(/[A-Za-z0-9_][A-Za-z0-9_.-]*)*")
_PARTIAL: Final = ".partial-"
_PARTIAL_S: Final = 3600.0
"""Nobody takes so long to write one file."""


class Vault(Protocol):
    """Secrets by name. Names look like paths: ``client/id_ed25519``, ``host/<token>``."""

    def put(self, name: str, content: bytes) -> None:
        """Keep a secret, replacing what was there; it is there whole or not at all."""

    def put_new(self, name: str, content: bytes) -> bytes:
        """Keep a secret unless the name is taken; return what is kept.

        Of two processes that make a key at once both get the same one.
        """

    def get(self, name: str) -> bytes | None:
        """Return a secret, or None when there is none of this name."""

    def delete(self, name: str) -> None:
        """Forget a secret; nothing happens when there is none."""

    def names(self, prefix: str = "") -> list[str]:
        """Return the names that begin with a text, sorted."""

    def sweep(self) -> None:
        """Remove what a process left that died while it wrote."""


def open_vault(folder: Path, store: Store, env: Mapping[str, str]) -> Vault:
    """Return the vault that belongs to a store.

    Args:
        folder: Where a file vault is, mostly ``ARB_HOME/vault``; made when first needed.
        store: A PostgreSQL store keeps the vault in a table.
        env: Holds ``ARB_VAULT_KEY`` for that.

    Raises:
        StateError: The store is on PostgreSQL, and the key is missing or no Fernet key.
    """
    if store.is_shared:
        return TableVault(store, env.get(KEY_VARIABLE, ""))
    return FileVault(folder)


class FileVault:
    """A folder (0700) of files (0600). Looser permissions are tightened before anything is read.

    Args:
        folder: Made when something is put into it.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def put(self, name: str, content: bytes) -> None:
        """Write beside, then rename over: a reader sees the old or the new, whole."""
        path = self._path(name)
        with _plain_errors(path):
            partial = self._write(path, content)
            partial.replace(path)
            _sync_folder(path.parent)

    def put_new(self, name: str, content: bytes) -> bytes:
        """Write beside, then link: the first link wins."""
        path = self._path(name)
        with _plain_errors(path):
            partial = self._write(path, content)
            try:
                path.hardlink_to(partial)
                _sync_folder(path.parent)
            except FileExistsError:
                content = self._read(path) or b""
            finally:
                partial.unlink()
        return content

    def get(self, name: str) -> bytes | None:
        """Read a file; see ``Vault``."""
        path = self._path(name)
        with _plain_errors(path):
            return self._read(path)

    def delete(self, name: str) -> None:
        """Remove a file; see ``Vault``."""
        path = self._path(name)
        with _plain_errors(path):
            path.unlink(missing_ok=True)

    def names(self, prefix: str = "") -> list[str]:
        """List files; see ``Vault``."""
        with _plain_errors(self._folder):
            found = [path for path in self._folder.rglob("*") if path.is_file()]
        whole = [path for path in found if not path.name.startswith(_PARTIAL)]
        names = [path.relative_to(self._folder).as_posix() for path in whole]
        return sorted(name for name in names if name.startswith(prefix))

    def sweep(self) -> None:
        """Remove half-written files that are so old that nobody is writing them; see ``Vault``."""
        with _plain_errors(self._folder):
            for path in self._folder.rglob(f"{_PARTIAL}*"):
                with suppress(FileNotFoundError):
                    if path.stat().st_mtime < time.time() - _PARTIAL_S:
                        path.unlink()

    def _path(self, name: str) -> Path:
        return self._folder / _checked(name)

    def _write(self, path: Path, content: bytes) -> Path:
        """Write content to a new private file in the secret's folder; return that file."""
        self._make_folders(path.parent)
        partial = path.parent / f"{_PARTIAL}{secrets.token_hex(8)}"
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
        except BaseException:
            partial.unlink()
            raise
        return partial

    def _make_folders(self, folder: Path) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        while folder != self._folder.parent:
            _tighten(folder, 0o700)
            folder = folder.parent

    def _read(self, path: Path) -> bytes | None:
        try:
            _tighten(self._folder, 0o700)
            _tighten(path, 0o600)
            return path.read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None


class TableVault:
    """A table of the shared store, encrypted under a Fernet key that is never in the database.

    Args:
        store: On PostgreSQL.
        key: A Fernet key: 32 bytes in URL-safe base64.

    Raises:
        StateError: The key is missing or malformed.
    """

    _CHECK: Final = ".check"

    def __init__(self, store: Store, key: str) -> None:
        if not key:
            raise _key_error(f"{KEY_VARIABLE} is not set, and secrets are kept under it", "missing")
        from cryptography.fernet import Fernet

        try:
            self._fernet: Fernet = Fernet(key)
        except ValueError as error:
            raise _key_error(f"{KEY_VARIABLE} is not a Fernet key", "malformed") from error
        self._store = store
        self._checked = False

    def put(self, name: str, content: bytes) -> None:
        """Encrypt and store; see ``Vault``."""
        self._check_key()
        self._insert(_checked(name), content, "UPDATE SET content = excluded.content")

    def put_new(self, name: str, content: bytes) -> bytes:
        """Store unless the row is there; return what it holds."""
        self._check_key()
        self._insert(_checked(name), content, "NOTHING")
        return self._read(name) or b""

    def get(self, name: str) -> bytes | None:
        """Read and decrypt; see ``Vault``."""
        self._check_key()
        return self._read(_checked(name))

    def delete(self, name: str) -> None:
        """Delete a row; see ``Vault``."""
        with self._store.write(exclusive=False) as tx:
            tx.execute("DELETE FROM vault WHERE name = ?", (_checked(name),))

    def names(self, prefix: str = "") -> list[str]:
        """List rows; see ``Vault``."""
        rows = self._store.read("SELECT name FROM vault")
        names = (str(row["name"]) for row in rows)
        return sorted(name for name in names if name.startswith(prefix) and name != self._CHECK)

    def sweep(self) -> None:
        """Do nothing: a transaction leaves nothing half written."""

    def _check_key(self) -> None:
        """Compare the key with the one that the first user of this vault had."""
        if self._checked:
            return
        if self._read(self._CHECK) is None:
            self._insert(self._CHECK, b"arb", "NOTHING")
            self._read(self._CHECK)
        self._checked = True

    def _insert(self, name: str, content: bytes, on_conflict: str) -> None:
        # The name is encrypted along, so that rows cannot be exchanged unnoticed.
        sealed = self._fernet.encrypt(name.encode() + b"\0" + content)
        sql = "INSERT INTO vault (name, content) VALUES (?, ?) ON CONFLICT (name) DO "
        with self._store.write(exclusive=False) as tx:
            tx.execute(sql + on_conflict, (name, sealed))

    def _read(self, name: str) -> bytes | None:
        from cryptography.fernet import InvalidToken

        rows = self._store.read("SELECT content FROM vault WHERE name = ?", (name,))
        if not rows:
            return None
        try:
            found, _, content = self._fernet.decrypt(bytes(rows[0]["content"])).partition(b"\0")
        except InvalidToken as error:
            raise _key_error(f"{KEY_VARIABLE} is not the key of this vault", "wrong") from error
        if found.decode() != name:
            raise StateError(
                f"the vault's entry {name!r} was exchanged for another",
                code="vault-damaged",
                hint="restore the database from a backup",
            )
        return content


def _key_error(summary: str, kind: str) -> StateError:
    hint = f"set {KEY_VARIABLE} to the key that all machines of this database share"
    if kind != "wrong":
        hint += "; a new one: openssl rand -base64 32 | tr +/ -_"
    return StateError(summary, code=f"vault-key-{kind}", hint=hint)


def _checked(name: str) -> str:
    if _NAME.fullmatch(name) is None:
        raise ValueError(f"not a name for the vault: {name!r}")
    return name


def _tighten(path: Path, mode: int) -> None:
    if path.stat().st_mode & 0o777 & ~mode:
        path.chmod(mode)


def _sync_folder(folder: Path) -> None:
    """Make a rename or link in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _plain_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StateError(
            f"the vault at {path} cannot be used: {error.strerror}",
            code="vault-failed",
            hint="the folder must belong to you, be writable and have space",
        ) from error
