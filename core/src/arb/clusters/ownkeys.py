"""The user's own SSH keys stay on the user's computer, whatever a task asks for."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from arb.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from arb.tasks import Task

__all__ = ["refuse_own_keys"]

_NO_SECRETS: Final = frozenset(
    {"config", "known_hosts", "known_hosts.old", "authorized_keys", "environment"}
)
_PUBLIC: Final = ".pub"
_CODE: Final = "private-key"


def refuse_own_keys(task: Task, home: Path) -> None:
    """Refuse a task that would copy the private keys in ``~/.ssh`` to a node.

    Names alone decide; nothing there is read. Links are followed.

    Args:
        task: What is to be launched.
        home: The user's home folder.

    Raises:
        UsageError: Its ``secret_mounts``, ``file_mounts`` or ``workdir`` would.
    """
    keys = _resolved(home / ".ssh")
    for where, remote, local in _mounts(task):
        path = _resolved(_expanded(local, home))
        if path == keys or path in keys.parents or _is_key(path, keys):
            raise _refused(f"{where}: {remote}: {local}")
    folder = _resolved(_expanded(task.folder, home)) if task.folder else None
    if folder is not None and keys.is_dir() and (folder == keys or folder in keys.parents):
        raise _refused(f"workdir: {task.folder}")


def _mounts(task: Task) -> Iterator[tuple[str, str, str]]:
    mounts: dict[str, Mapping[str, object]] = {
        "secret_mounts": task.secret_mounts,
        "file_mounts": task.file_mounts,
    }
    for where, each in mounts.items():
        for remote, local in each.items():
            if isinstance(local, str) and "://" not in local:
                yield where, remote, local


def _is_key(path: Path, keys: Path) -> bool:
    """Say whether a path below ``~/.ssh`` may be a private key: all is that is not known to be none."""
    if keys not in path.parents:
        return False
    return path.name not in _NO_SECRETS and path.suffix != _PUBLIC


def _expanded(text: str, home: Path) -> Path:
    if text == "~" or text.startswith("~/"):
        return home / text[2:]
    return Path(text).expanduser()


def _resolved(path: Path) -> Path:
    try:
        return path.resolve()
    except (OSError, RuntimeError):  # a loop of links
        return path.absolute()


def _refused(what: str) -> UsageError:
    summary = f"{what} would copy private keys of ~/.ssh to a node, which arb never does"
    hint = "make a key for this purpose outside ~/.ssh, or name a folder without it"
    return UsageError(summary, code=_CODE, hint=hint)
