"""Processes that die at a step of one's own choosing, and what the next process finds.

A step is one call of a method of the journal or of the provider facade, for instance
``Journal.placed`` or ``Provider.provision``. ``Crashes.run`` carries out one scenario in a process of
its own, and kills it (``os._exit``, as hard as SIGKILL for everything that matters here) before or
after the nth time that a step is taken. Without a step it runs to its end and tells its steps.

The processes are forks of one that has imported everything heavy before: a fork costs no import.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["CRASHED", "Crashes", "Died", "Point"]

CRASHED = 77
"""Exit code of a process that died at its point."""
PRELOADED = (
    "arb.cli.app",
    "arb.clusters.launch",
    "arb.clusters.down",
    "arb.plugins.manager",
    "arb.plugins.provider",
    "arb.provision.resume",
    "arb.provision.walk",
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
    """How a process ended: its exit code, the steps that it took, and what it printed."""

    code: int
    steps: list[str] = field(default_factory=list)
    output: str = ""


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

    def run(self, scenario: str, env: Mapping[str, str], at: Point | None = None) -> Died:
        """Run one scenario under an environment; return how it ended."""
        wish = {"scenario": scenario, "env": dict(env)}
        if at is not None:
            wish["at"] = [at.step, at.after, at.nth]
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
    for line in sys.stdin:
        wish = json.loads(line)
        sys.stdout.write(json.dumps(_forked(wish, scenarios[wish["scenario"]])) + "\n")
        sys.stdout.flush()


def _forked(wish: dict[str, Any], scenario: Callable[[], object]) -> dict[str, Any]:
    import tempfile

    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as steps:
        pid = os.fork()
        if pid == 0:
            _child(wish, scenario, output.fileno(), steps.fileno())
        _, status = os.waitpid(pid, 0)
        texts = []
        for file in (output, steps):
            file.seek(0)
            texts.append(file.read().decode("utf-8", "replace"))
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
        _watch(_Watcher(steps, point))
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
    """Writes steps down and dies at its point."""

    def __init__(self, steps: int, point: Point | None) -> None:
        self._steps = steps
        self._point = point
        self._counts: dict[str, int] = {}

    def around(self, step: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return the function as a step."""

        def watched(*arguments: Any, **named: Any) -> Any:
            nth = self._counts[step] = self._counts.get(step, 0) + 1
            os.write(self._steps, f"{step}\n".encode())
            self._die(Point(step, after=False, nth=nth))
            try:
                return function(*arguments, **named)
            finally:
                self._die(Point(step, after=True, nth=nth))

        return watched

    def _die(self, here: Point) -> None:
        if here == self._point:
            os._exit(CRASHED)


def _watch(watcher: _Watcher) -> None:
    from arb.plugins.provider import Provider
    from arb.provision.journal import Journal

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
