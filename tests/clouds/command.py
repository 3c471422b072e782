"""The ``arb`` command under a clock that a test and its clouds share.

``python -m clouds.command CLOCKFILE SLEEP_S ARGUMENT...`` is ``arb ARGUMENT...``: its time is the
clock's, and where it would sleep it waits for SLEEP_S at most and pushes the clock on. So do, beside the
main thread, those whose names begin as ``CLOUDS_DRIVERS`` says: ``arb-plugin:lambda.,Thread-`` are the hook
calls of that provider, which wait for its rate budgets, and those who end several clusters at once.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from support.command import CLOUDS, Arb

__all__ = ["CloudArb", "clocked", "main"]

_SLEEP_S = 0.1
_TESTS = str(Path(__file__).parents[1])


class CloudArb(Arb):
    """The command line with one home, on the clock of a simulated cloud.

    Args:
        root: A folder of its own.
        clock: The cloud's.
        providers: Which clouds it may ask; ``env`` must say where they are.
        env: Added to the environment.
    """

    def __init__(self, root: Path, clock: Path, *providers: str, **env: str) -> None:
        super().__init__(root, clocked(clock))
        asleep = [name for name in CLOUDS.split(",") if name not in providers]
        self.env |= {"PYTHONPATH": _TESTS, "ARB_DISABLE_PROVIDERS": ",".join(asleep), **env}

    def notes(self, *arguments: str, code: int = 0) -> str:
        """Run one command and return what it told beside its output."""
        return self(*arguments, code=code).stderr


def clocked(clock: Path, *, sleep_s: float = _SLEEP_S) -> list[str]:
    """Return the command line that stands for ``arb``; put ``tests`` on ``PYTHONPATH`` for it."""
    return [sys.executable, "-m", "clouds.command", str(clock), str(sleep_s)]


def main() -> None:
    """Run ``arb`` with another time."""
    from arb.types.clock import SystemClock
    from clouds.clock import SharedClock

    path, sleep_s, *arguments = sys.argv[1:]
    drivers = tuple(filter(None, os.environ.get("CLOUDS_DRIVERS", "").split(",")))
    clock = SharedClock(Path(path), sleep_s=float(sleep_s), drivers=drivers)
    SystemClock.now = lambda _: clock.now()  # type: ignore[method-assign]
    SystemClock.monotonic = lambda _: clock.monotonic()  # type: ignore[method-assign]
    SystemClock.sleep = lambda _, seconds: clock.sleep(seconds)  # type: ignore[method-assign]
    sys.argv = ["arb", *arguments]
    from arb.cli import main as arb

    arb()


if __name__ == "__main__":
    main()
