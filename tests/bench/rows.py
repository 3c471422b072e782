"""A row of the table, and how its two numbers are taken."""

from __future__ import annotations

import os
import signal
import statistics
import subprocess
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

__all__ = ["Row", "alternately", "first_byte_s", "median_s", "run_s"]

RUNS = 7


@dataclass(frozen=True)
class Row:
    """One claim.

    Attributes:
        what: What is claimed.
        value: What was measured, in ``unit``: a ratio, or a difference.
        limit: What it may be at most.
        unit: ``x``, ``ms``, ``s``, ``%`` or ``MB``.
        detail: Both numbers, and the size of the data.
    """

    what: str
    value: float
    limit: float
    unit: str
    detail: str

    @property
    def is_kept(self) -> bool:
        """Say whether the claim holds in this run."""
        return self.value <= self.limit


def alternately(*actions: Callable[[], float], runs: int = RUNS) -> list[float]:
    """Take each action's seconds in turns, so that a busy moment hits all; return the medians."""
    for action in actions:
        action()
    taken = [[action() for action in actions] for _ in range(runs)]
    return [statistics.median(column) for column in zip(*taken, strict=True)]


def median_s(action: Callable[[], object], runs: int = RUNS) -> float:
    """Return the median seconds of an action, after one run that warms up."""

    def timed() -> float:
        begun = time.perf_counter()
        action()
        return time.perf_counter() - begun

    return alternately(timed, runs=runs)[0]


def run_s(command: Sequence[Any], env: Mapping[str, str]) -> float:
    """Return the seconds of a whole process, which must succeed."""
    begun = time.perf_counter()
    subprocess.run(command, env=env, capture_output=True, check=True, timeout=120)
    return time.perf_counter() - begun


def first_byte_s(command: Sequence[Any], env: Mapping[str, str]) -> float:
    """Return the seconds until a process prints, and let it end afterwards."""
    begun = time.perf_counter()
    with subprocess.Popen(
        command, env=env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True
    ) as process:
        assert process.stdout is not None
        printed = process.stdout.read(1)
        taken = time.perf_counter() - begun
        process.stdout.read()
    if not printed or process.returncode:
        os.killpg(process.pid, signal.SIGTERM) if process.poll() is None else None
        raise RuntimeError(f"{command} printed {printed!r} and ended with {process.returncode}")
    return taken
