"""Where ``arb`` keeps its files: everything is under ``ARB_HOME`` (default ``~/.arb``)."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from arb.errors import StateError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Home"]

_OPEN: Final = stat.S_IWOTH | stat.S_ISVTX
"""With the sticky bit everybody may add files, and change none of others."""


@dataclass(frozen=True, slots=True)
class Home:
    """The folder of one owner. Folders are made on first use, readable by the user alone."""

    root: Path

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> Home:
        """Take ``ARB_HOME`` from an environment, or the default under the user's home."""
        configured = env.get("ARB_HOME", "")
        home = Path(env.get("HOME") or Path.home())
        root = Path(configured).expanduser() if configured else home / ".arb"
        return cls(Path(os.path.abspath(root)))  # noqa: PTH100 - keep symbolic links as given

    @property
    def config_file(self) -> Path:
        """The user's settings."""
        return self.root / "config.yaml"

    @property
    def database_url(self) -> str:
        """Where state is when ``ARB_DATABASE_URL`` does not say otherwise."""
        return f"sqlite:///{self.root / 'state.db'}"

    def has_database(self) -> bool:
        """Say whether anything was ever kept at ``database_url``."""
        return (self.root / "state.db").exists()

    @property
    def catalog_db(self) -> Path:
        """The merged price lists; safe to lose. Its folder is ``folder("cache")``."""
        return self.root / "cache" / "catalog.db"

    def shut_others_out(self) -> None:
        """Take from everybody else the right to change the folder, and the settings in it.

        Who may write there decides where prices, machines and account keys go.

        Raises:
            StateError: It is for its owner to take, who is somebody else.
        """
        for path in (self.root, self.config_file):
            with suppress(OSError):  # not there, or on a file system that knows no permissions
                status = path.stat()
                if status.st_mode & _OPEN == stat.S_IWOTH:
                    if os.geteuid() not in {status.st_uid, 0}:
                        raise _open_to_all(path)
                    path.chmod(stat.S_IMODE(status.st_mode) & ~stat.S_IWOTH)

    def folder(self, name: str) -> Path:
        """Return a sub-folder, made with mode 0700."""
        make_private(self.root)
        path = self.root / name
        make_private(path)
        return path

    def provider_folder(self, kind: str, provider: str) -> Path:
        """Return ``cache/<provider>`` or ``data/<provider>``."""
        path = self.folder(kind) / provider
        make_private(path)
        return path


def make_private(path: Path) -> None:
    """Make a folder that only the user can enter; an existing one is left as it is.

    Raises:
        StateError: It cannot be made.
    """
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        summary = f"cannot make the folder {path}: {error.strerror}"
        hint = "set ARB_HOME to a folder of yours"
        raise StateError(summary, code="home-folder", hint=hint) from error


def _open_to_all(path: Path) -> StateError:
    return StateError(
        f"every user of this machine may change {path}",
        code="home-open",
        hint=f"its owner can end that: chmod o-w {path}; or set ARB_HOME to a folder of yours",
    )
