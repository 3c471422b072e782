"""Real processes that start something at the same moment, or are killed in the middle of it."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["race", "start"]


def start(script: str, *arguments: str) -> subprocess.Popen[str]:
    """Run Python text in a process of its own; return once it printed its first line, "ready"."""
    process = subprocess.Popen(
        [sys.executable, "-c", script, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line == "ready\n", line
    return process


def race(script: str, arguments: Sequence[Sequence[str]]) -> list[str]:
    """Start one process for each list of arguments, let them go at once, return their outputs.

    The script prints "ready", waits for a line on its standard input, then does its work.
    """
    processes = [start(script, *each) for each in arguments]
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    outputs = []
    for process in processes:
        output, _ = process.communicate(timeout=60)
        assert process.returncode == 0, output
        outputs.append(output.strip())
    return outputs
