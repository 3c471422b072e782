"""The most memory that a command ever held, as the system counts it when the process ends."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Final

from .harness import MeasureError
from .timing import TIMEOUT_S

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    Command = tuple[Sequence[str], Mapping[str, str]]

__all__ = ["memory_note", "peak_mb"]

# A process counts what its parent held when it was started, so a small one stands between.
_WATCH: Final = """
import os, sys
null = [(os.POSIX_SPAWN_OPEN, number, os.devnull, os.O_RDWR, 0) for number in (1, 2)]
child = os.posix_spawnp(sys.argv[1], sys.argv[1:], os.environ, file_actions=null)
_, status, usage = os.wait4(child, 0)
print(usage.ru_maxrss)
sys.exit(os.waitstatus_to_exitcode(status) != 0)
"""


def peak_mb(command: Sequence[str], env: Mapping[str, str]) -> float:
    """Run a command to its end and return its largest resident size, in MB.

    Raises:
        MeasureError: It failed.
    """
    watch = [sys.executable, "-I", "-S", "-c", _WATCH, *command]
    done = subprocess.run(
        watch, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True,
        timeout=TIMEOUT_S, check=False,
    )  # fmt: skip
    if done.returncode:
        raise MeasureError(f"{' '.join(command)} failed: {done.stderr.strip()}")
    unit = 1 if sys.platform == "darwin" else 1024
    return int(done.stdout) * unit / 1e6


def memory_note(subject: Command, yardstick: Command) -> str:
    """Return one line that compares the memory of two commands, given with their environments."""
    return f"memory: {peak_mb(*subject):.0f} MB at most; the yardstick {peak_mb(*yardstick):.0f} MB"
