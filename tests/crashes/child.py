"""What a fork does: become a process of its own, under the trial's time, watched, and run one thing."""

from __future__ import annotations

import faulthandler
import importlib
import os
import random
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

__all__ = ["run"]


def run(order: dict[str, Any], output: int, told: int) -> None:
    """Run one order and end the process.

    Args:
        order: ``env`` and ``clock``; ``argv`` of a command, or ``call`` with ``args``: a function of
            ours; ``trap`` and ``trace`` for the watcher; ``market``: whose machines are on paper;
            ``busy_s``: how long to wait for a locked database; ``bug``: what to break.
        output: Where it prints.
        told: Where the watcher tells its steps.
    """
    code = 70
    try:
        _become(order["env"], output)
        _keep_time(order)
        random.seed(0)  # it is for the jitter of waits alone: that is the same in each trial
        code = _call(order) if "call" in order else _command(order, told)
    except BaseException:  # noqa: BLE001 - told, and then the process is over
        import traceback

        traceback.print_exc()
    _flush()
    os.write(told, f"exit {code}\n".encode())
    os._exit(code)


def _become(env: dict[str, str], output: int) -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    null = os.open(os.devnull, os.O_RDONLY)
    for source, target in ((null, 0), (output, 1), (output, 2)):
        os.dup2(source, target)
    os.environ.clear()
    os.environ.update(env)
    os.chdir(env["HOME"])
    faulthandler.register(signal.SIGUSR1)  # whoever waits for too long may ask where it is


def _keep_time(order: dict[str, Any]) -> None:
    from arb.types.clock import SystemClock
    from crashes.clock import JumpClock

    on_jump = _market(order).on_jump if order.get("market") else None
    clock = JumpClock(Path(order["clock"]), on_jump)
    SystemClock.now = lambda _: clock.now()  # type: ignore[method-assign]
    SystemClock.monotonic = lambda _: clock.monotonic()  # type: ignore[method-assign]
    SystemClock.sleep = lambda _, seconds: clock.sleep(seconds)  # type: ignore[method-assign]


def _market(order: dict[str, Any]) -> Any:
    from crashes.markets import PROVIDERS

    return PROVIDERS[order["market"]]


def _call(order: dict[str, Any]) -> int:
    module, _, name = order["call"].partition(":")
    function = getattr(importlib.import_module(module), name)
    _market(order).on_paper()
    function(*order["args"])
    return 0


def _command(order: dict[str, Any], told: int) -> int:
    from arb.cli.app import run as arb
    from crashes import paper
    from crashes.turns import take_turns
    from crashes.watch import Watcher, watch

    take_turns()
    paper.no_ssh()
    _market(order).on_paper()
    if order.get("bug"):
        from crashes.bugs import BUGS

        BUGS[order["bug"]]()
    if "busy_s" in order:
        _be_impatient(order["busy_s"])
    if order.get("trace") or order.get("trap"):
        watcher = Watcher(told, order.get("trap"), _market(order))
        watch(watcher)
        _market(order).on_watch(watcher)
    return arb(order["argv"])


def _be_impatient(seconds: float) -> None:
    """Wait less long for a database that somebody keeps locked."""
    from arb.state import postgres, sqlite

    sqlite._BUSY_S = seconds  # type: ignore[misc]
    session = postgres._SESSION.replace("lock_timeout = '30s'", f"lock_timeout = '{seconds}s'")
    postgres._SESSION = session  # type: ignore[misc]


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError):
            stream.flush()
