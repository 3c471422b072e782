"""Keep private keys, the user's and those of arb, on this computer, whatever a task asks for."""

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
_OURS: Final = ("vault", "ssh")
"""Where arb keeps its keys, below ``ARB_HOME``."""
_CODE: Final = "private-key"


def refuse_own_keys(task: Task, home: Path, arb_home: Path) -> None:
    """Refuse a task that would copy private keys of ``~/.ssh`` or of arb's own to a node.

    Names alone decide; nothing there is read. Links are followed.

    Args:
        task: What is to be launched.
        home: The user's home folder.
        arb_home: ``ARB_HOME``.

    Raises:
        UsageError: Its ``secret_mounts``, ``file_mounts`` or ``workdir`` would.
    """
    asked = [(f"{where}: {remote}: {local}", local) for where, remote, local in _mounts(task)]
    if task.folder:
        asked.append((f"workdir: {task.folder}", task.folder))
    theirs = _resolved(home / ".ssh")
    folders = [(theirs, "~/.ssh", theirs.is_dir())]
    # Ours may not be there yet: the first launch makes them, before it copies anything.
    folders += [(_resolved(arb_home / name), f"ARB_HOME/{name}", True) for name in _OURS]
    for what, local in asked:
        path = _resolved(_expanded(local, home))
        for keys, shown, exists in folders:
            holds_them = path == keys or path in keys.parents
            if (exists and holds_them) or _is_key(path, keys):
                raise _refused(what, shown)


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
    """Say whether a path below a folder of keys may be one: all is that is not known to be none."""
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


def _refused(what: str, folder: str) -> UsageError:
    summary = f"{what} would copy private keys of {folder} to a node, which arb never does"
    hint = "name a folder without it; a key for nodes is made elsewhere"
    return UsageError(summary, code=_CODE, hint=hint)
