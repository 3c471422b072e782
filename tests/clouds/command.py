"""The ``arb`` command under a clock that a test and its clouds share.

``python -m clouds.command CLOCKFILE SLEEP_S ARGUMENT...`` is ``arb ARGUMENT...``: its time is the
clock's, and where it would sleep it waits for SLEEP_S at most and pushes the clock on.
"""

from __future__ import annotations

import sys
from pathlib import Path

__all__ = ["clocked", "main"]

_SLEEP_S = 0.1


def clocked(clock: Path, *, sleep_s: float = _SLEEP_S) -> list[str]:
    """Return the command line that stands for ``arb``; put ``tests`` on ``PYTHONPATH`` for it."""
    return [sys.executable, "-m", "clouds.command", str(clock), str(sleep_s)]


def main() -> None:
    """Run ``arb`` with another time."""
    from arb.types.clock import SystemClock
    from clouds.clock import SharedClock

    path, sleep_s, *arguments = sys.argv[1:]
    clock = SharedClock(Path(path), sleep_s=float(sleep_s))
    SystemClock.now = lambda _: clock.now()  # type: ignore[method-assign]
    SystemClock.monotonic = lambda _: clock.monotonic()  # type: ignore[method-assign]
    SystemClock.sleep = lambda _, seconds: clock.sleep(seconds)  # type: ignore[method-assign]
    sys.argv = ["arb", *arguments]
    from arb.cli import main as arb

    arb()


if __name__ == "__main__":
    main()
