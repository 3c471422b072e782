"""Processes that meet with trouble at a step of one's own choosing, and what the next process finds.

A step is one call of a method of the journal or of the provider facade, for instance
``Journal.placed`` or ``Provider.provision``. ``Crashes.run`` carries out one scenario in a process of
its own; before or after the nth time that a step is taken it meets its ``How``: it dies, it is
stopped until ``Crashes.wake``, or its database goes away under it. Without a step it runs to its end
and tells its steps.

The processes are forks of one that has imported everything heavy before: a fork costs no import.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["CRASHED", "Crashes", "Died", "How", "Point"]

CRASHED = 77
"""Exit code of a process that died at its point."""


class How(StrEnum):
    """What happens at a point."""

    EXIT = "exit"
    """``os._exit``."""
    KILL = "kill"
    """SIGKILL."""
    STOP = "stop"
    """SIGSTOP, until ``Crashes.wake``."""
    LOSE = "lose"
    """The database is removed; the process goes on."""
    FULL = "full"
    """The disk of the database is full from now on; the process goes on."""


PRELOADED = (
    "arb.cli.app",
    "arb.clusters.launch",
    "arb.clusters.down",
    "arb.clusters.reaping",
    "arb.plugins.manager",
    "arb.plugins.provider",
    "arb.provision.resume",
    "arb.provision.patience",
    "arb.provision.recover",
    "arb.nodes.keys",
    "arb.nodes.user_data",
    "arb.state.sqlite",
    "arb.tasks",
    "arb_local.offers",
    "arb_local.purchase",
    "pandas",
)


@dataclass(frozen=True, slots=True)
class Point:
    """When to die: ``after`` or before the ``nth`` time (from 1) that ``step`` is taken."""

    step: str
    after: bool = True
    nth: int = 1

    def __str__(self) -> str:
        return f"{'after' if self.after else 'before'}-{self.step}-{self.nth}"


@dataclass(frozen=True, slots=True)
class Died:
    """How a process ended: its exit code, the steps that it took, and what it printed.

    ``stopped`` is its number while it is stopped; else 0.
    """

    code: int
    steps: list[str] = field(default_factory=list)
    output: str = ""
    stopped: int = 0


class Crashes:
    """Runs scenarios in forks of one preloaded process.

    Args:
        scenarios: Path of a Python file; its functions of no argument are the scenarios.
    """

    def __init__(self, scenarios: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, __file__, str(scenarios)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for stream in (self._process.stdin, self._process.stdout):
            assert stream is not None
            stream.close()
        self._process.wait(30)

    def run(
        self, scenario: str, env: Mapping[str, str], at: Point | None = None, how: How = How.EXIT
    ) -> Died:
        """Run one scenario under an environment; return how it ended, or that it is stopped."""
        wish: dict[str, Any] = {"scenario": scenario, "env": dict(env), "how": how.value}
        if at is not None:
            wish["at"] = [at.step, at.after, at.nth]
        return self._ask(wish)

    def wake(self, stopped: Died) -> Died:
        """Let a stopped process go on; return how it ended."""
        return self._ask({"wake": stopped.stopped})

    def _ask(self, wish: dict[str, Any]) -> Died:
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        stdin.write(json.dumps(wish) + "\n")
        stdin.flush()
        return Died(**json.loads(stdout.readline()))


# -- the process that forks -----------------------------------------------------------------------


def serve(path: Path) -> None:
    """Carry out wishes from standard input until it ends."""
    import importlib

    scenarios: dict[str, Any] = {"__name__": "scenarios"}
    exec(compile(path.read_text(), str(path), "exec"), scenarios)
    for name in PRELOADED:
        importlib.import_module(name)
    stopped: dict[int, _Fork] = {}
    for line in sys.stdin:
        wish = json.loads(line)
        if "wake" in wish:
            fork = stopped.pop(wish["wake"])
            os.kill(fork.pid, signal.SIGCONT)
        else:
            fork = _Fork(wish, scenarios[wish["scenario"]])
        told = fork.wait()
        if told.get("stopped"):
            stopped[fork.pid] = fork
        sys.stdout.write(json.dumps(told) + "\n")
        sys.stdout.flush()
    for fork in stopped.values():
        os.kill(fork.pid, signal.SIGKILL)


class _Fork:
    """One scenario in a process of its own."""

    def __init__(self, wish: dict[str, Any], scenario: Callable[[], object]) -> None:
        self._output = tempfile.TemporaryFile()  # noqa: SIM115 - it lives on while the fork is stopped
        self._steps = tempfile.TemporaryFile()  # noqa: SIM115 - the same
        self.pid = os.fork()
        if self.pid == 0:
            _child(wish, scenario, self._output.fileno(), self._steps.fileno())

    def wait(self) -> dict[str, Any]:
        """Wait until it ends or stops; tell which."""
        _, status = os.waitpid(self.pid, os.WUNTRACED)
        if os.WIFSTOPPED(status):
            return {"code": 0, "stopped": self.pid}
        texts = []
        for file in (self._output, self._steps):
            file.seek(0)
            texts.append(file.read().decode("utf-8", "replace"))
            file.close()
        code = os.waitstatus_to_exitcode(status)
        return {"code": code, "steps": texts[1].splitlines(), "output": texts[0]}


def _child(wish: dict[str, Any], scenario: Callable[[], object], output: int, steps: int) -> None:
    code = 1
    try:
        null = os.open(os.devnull, os.O_RDONLY)
        for source, target in ((null, 0), (output, 1), (output, 2)):
            os.dup2(source, target)
        os.environ.clear()
        os.environ.update(wish["env"])
        point = Point(*wish["at"]) if "at" in wish else None
        _watch(_Watcher(steps, point, How(wish["how"])))
        scenario()
        code = 0
    except BaseException:  # noqa: BLE001 - told, and then the process is over
        import traceback

        traceback.print_exc()
    finally:
        with contextlib.suppress(OSError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


class _Watcher:
    """Writes steps down and meets with trouble at its point."""

    def __init__(self, steps: int, point: Point | None, how: How) -> None:
        self._steps = steps
        self._point = point
        self._how = how
        self._counts: dict[str, int] = {}

    def around(self, step: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return the function as a step."""

        def watched(*arguments: Any, **named: Any) -> Any:
            nth = self._counts[step] = self._counts.get(step, 0) + 1
            os.write(self._steps, f"{step}\n".encode())
            self._meet(Point(step, after=False, nth=nth))
            try:
                return function(*arguments, **named)
            finally:
                self._meet(Point(step, after=True, nth=nth))

        return watched

    def _meet(self, here: Point) -> None:
        if here != self._point:
            return
        if self._how is How.EXIT:
            os._exit(CRASHED)
        elif self._how is How.LOSE:
            _lose_database()
        elif self._how is How.FULL:
            _fill_disk()
        elif self._how is How.KILL:
            os.kill(os.getpid(), signal.SIGKILL)
        else:
            _stop()


_STORES: list[Any] = []
"""Every store that this process opened."""


def _stop() -> None:
    """Stop, but not in the middle of a transaction of a heartbeat: it would lock all others out."""
    with contextlib.ExitStack() as locks:
        for store in _STORES:
            locks.enter_context(store._lock)
        os.kill(os.getpid(), signal.SIGSTOP)


def _lose_database() -> None:
    """Remove the database and what this process has open of it; the owner's mark stays."""
    for path in Path(os.environ["ARB_HOME"]).glob("state.db*"):
        if path.name != "state.db.owner":
            path.unlink()
    _refuse("removed or replaced while arb used it")


def _fill_disk() -> None:
    _refuse("database or disk is full")


def _refuse(why: str) -> None:
    """Let every further transaction of this process fail, as SQLite's own errors do.

    A removed file would go on taking writes into nowhere while it is open.
    """
    from arb.errors import StateError
    from arb.state.sqlite import SqliteBackend

    def begin(*_: object, **__: object) -> int:
        raise StateError(f"state.db: {why}", code="state-full")

    SqliteBackend.begin = begin  # type: ignore[method-assign]


def _watch(watcher: _Watcher) -> None:
    from arb.plugins.provider import Provider
    from arb.provision.journal import Journal
    from arb.state.store import Store

    made = Store.__init__

    def remember(self: Any, *arguments: Any) -> None:
        made(self, *arguments)
        _STORES.append(self)

    Store.__init__ = remember  # type: ignore[method-assign]

    reading = {"check_open", "check_wanted", "knows_all", "under", "write"}
    hooks = ["query_prices", "provision", "poll", "list_instances", "terminate", "cleanup"]
    for kind, names in (
        (Journal, [n for n in vars(Journal) if not n.startswith("_") and n not in reading]),
        (Provider, [*hooks, "ssh_ports"]),
    ):
        for name in names:
            step = f"{kind.__name__}.{name}"
            setattr(kind, name, watcher.around(step, vars(kind)[name]))


if __name__ == "__main__":
    serve(Path(sys.argv[1]))
