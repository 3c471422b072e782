"""Timing processes as people see them: from the command to its end, or to its first line."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from .harness import MeasureError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["ARB", "TIMEOUT_S", "to_end", "to_line"]

TIMEOUT_S: Final = 120
_SCRIPT: Final = Path(sys.executable).with_name("arb")
ARB: Final = (str(_SCRIPT),) if _SCRIPT.exists() else (sys.executable, "-m", "arb")
"""The installed command, as a shell would start it."""


def to_end(command: Sequence[str], env: Mapping[str, str], *, code: int = 0) -> float:
    """Run a command to its end and return the seconds that it took.

    Args:
        command: What to run.
        env: Its environment.
        code: The exit code that it is to have.

    Raises:
        MeasureError: It failed.
    """
    begun = time.perf_counter()
    done = subprocess.run(
        command, env=env, stdin=subprocess.DEVNULL, capture_output=True, timeout=TIMEOUT_S,
        check=False,
    )  # fmt: skip
    took = time.perf_counter() - begun
    if done.returncode != code:
        raise MeasureError(_failure(command, done.stdout + done.stderr))
    return took


def to_line(command: Sequence[str], env: Mapping[str, str], wanted: str) -> float:
    """Run a command and return the seconds until it printed a line that ends with a text.

    Its standard error is kept in a file: nobody has to read it, so it holds nothing up.

    Raises:
        MeasureError: It failed, or that line never came.
    """
    took: float | None = None
    with tempfile.TemporaryFile() as errors:
        begun = time.perf_counter()
        with subprocess.Popen(
            command, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors
        ) as process:
            assert process.stdout is not None
            for line in process.stdout:
                if took is None and line.decode(errors="replace").rstrip().endswith(wanted):
                    took = time.perf_counter() - begun
            process.wait(TIMEOUT_S)
        if process.returncode or took is None:
            errors.seek(0)
            raise MeasureError(_failure(command, errors.read()))
    return took


def _failure(command: Sequence[str], output: bytes) -> str:
    lines = output.decode(errors="replace").strip().splitlines()
    last = lines[-1] if lines else "without a word"
    return f"{' '.join(command)} failed: {last}"
