"""Inside a command: tells its steps, and meets with trouble at one of them.

Steps are found where effects are made, whoever makes them: commits of the store, writes of the vault,
names that files get, calls of plugins. A step that is added to the code is seen without a word here.
"""

from __future__ import annotations

import os
import re
import resource
import signal
import sys
import threading
from typing import TYPE_CHECKING, Any, Final

from crashes.points import Act, Kind, When

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

__all__ = ["DIED", "Watcher", "watch"]

DIED: Final = 77
"""Exit code of a command that died at its point."""
_STORE: Final = ("arb.state.store", "arb.state.sqlite", "arb.state.postgres")
_ID: Final = re.compile(r"n-[0-9a-f]{10}|arb-[a-z0-9]{8}-[a-z0-9-]+|[0-9a-f]{16}|[a-z0-9]{8}(?=$)")
_NAMING: Final = {"os.rename": 1, "os.link": 1}
"""Audit events by which a file gets a name, and which argument is that name."""


class Watcher:
    """Tells steps, and does at one of them what its trap says.

    Args:
        told: Where to tell.
        trap: ``kind``, ``label``, ``nth``, ``when``, ``act`` and ``late_s`` of a point; None to look on.
        market: Whose hooks are called.
    """

    def __init__(self, told: int, trap: dict[str, Any] | None, market: Any) -> None:
        self._told = told
        self._trap = trap or {}
        self._market = market
        self._counts: dict[tuple[str, str], int] = {}
        self._lock = threading.Lock()

    def around(
        self, kind: Kind, label: Callable[..., str], function: Callable[..., Any]
    ) -> Callable[..., Any]:
        """Return a function that is a step whenever it is called."""

        def watched(*arguments: Any, **named: Any) -> Any:
            is_trap = self.seen(kind, label(*arguments))
            if is_trap:
                self._meet(When.BEFORE)
            if is_trap and self._trap["act"] in {Act.LATE, Act.LATE_KILL}:
                return self._be_late(*arguments, **named)
            try:
                return function(*arguments, **named)
            finally:
                if is_trap:
                    self._meet(When.AFTER)

        return watched

    def named(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Hear of an audit event; a file's name in the home is a step."""
        if event not in _NAMING:
            return
        home = os.environ["ARB_HOME"]
        path = os.path.abspath(os.fsdecode(arguments[_NAMING[event]]))  # noqa: PTH100 - links stay
        if path.startswith(f"{home}/"):
            label = _ID.sub("*", path.removeprefix(f"{home}/")).replace(":", ";")
            if self.seen(Kind.FILE, label):
                self._meet(When.BEFORE)

    def seen(self, kind: Kind, label: str) -> bool:
        """Tell a step; say whether it is that of the trap."""
        with self._lock:
            nth = self._counts[kind, label] = self._counts.get((kind, label), 0) + 1
            self._tell(f"step {kind} {label}")
        trap = self._trap
        return (kind, label, nth) == (trap.get("kind"), trap.get("label"), trap.get("nth"))

    def _tell(self, line: str) -> None:
        os.write(self._told, f"{line}\n".encode())

    def _meet(self, when: When) -> None:
        if when != self._trap["when"]:
            return
        self._tell("met")
        match self._trap["act"]:
            case Act.EXIT:
                os._exit(DIED)
            case Act.KILL | Act.TAKEN:
                os.kill(os.getpid(), signal.SIGKILL)
            case Act.STOP | Act.LOSE | Act.LOSE_KILL:
                self._tell("stopped")
                # To this thread: it would run on for a moment if another one took the signal.
                signal.pthread_kill(threading.get_ident(), signal.SIGSTOP)
            case Act.FULL:
                resource.setrlimit(resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
            case Act.DROP:
                raise _no_answer()

    def _be_late(self, _: object, hook: str, /, **arguments: Any) -> Any:
        """Have a hook's effect come later, by another's hands; to this process there is no answer."""
        self._tell("met")
        self._market.put_off(hook, arguments, self._trap["late_s"])
        if self._trap["act"] == Act.LATE_KILL:
            os.kill(os.getpid(), signal.SIGKILL)
        raise _no_answer()


def watch(watcher: Watcher) -> None:
    """Watch this process from now on."""
    from arb.plugins.provider import Provider
    from arb.state import postgres, sqlite, vault

    for backend in (sqlite.SqliteBackend, postgres.PostgresBackend):
        backend.commit = watcher.around(Kind.COMMIT, _committer, backend.commit)  # type: ignore[method-assign]
    for kind in (vault.FileVault, vault.TableVault):
        for name in ("put", "put_new", "delete"):
            step = watcher.around(Kind.VAULT, _secret(name), getattr(kind, name))
            setattr(kind, name, step)
    Provider.ask = watcher.around(Kind.HOOK, lambda _, hook: hook, Provider.ask)  # type: ignore[method-assign]
    sys.addaudithook(watcher.named)


def _no_answer() -> Exception:
    from arb.errors import ProviderUnavailable

    return ProviderUnavailable("no answer in time", code="deadline")


def _secret(name: str) -> Callable[..., str]:
    """Name a write of the vault by what it does to which family of secrets."""
    return lambda _, secret, *__: f"{name} {secret.partition('/')[0]}"


def _committer(_: object) -> str:
    """Name a commit by the function that wrote: ``journal.placed``."""
    frame: FrameType | None = sys._getframe(2)
    while frame is not None and not _writes(frame):
        frame = frame.f_back
    if frame is None:
        return "somebody"
    module = frame.f_globals["__name__"].rpartition(".")[2]
    return f"{module}.{frame.f_code.co_name}"


def _writes(frame: FrameType) -> bool:
    name = frame.f_globals.get("__name__", "")
    is_store = name.startswith(_STORE) or frame.f_code.co_name == "write"
    return name.startswith("arb.") and not is_store
