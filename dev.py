"""Run one of the project's tasks, from nothing but Python: ``python3 dev.py demo``.

Makes ``.venv-dev`` beside this file, installs nox there and hands over to it: the tasks themselves are
the sessions of ``noxfile.py`` (``python3 dev.py`` lists them). Needs Python 3.11 or newer with the
``venv`` module; the system's own packages are neither used nor changed. What follows ``--`` goes
to the task: ``python3 dev.py tests -- -k gang``.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import NoReturn

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv-dev"
PYTHON = VENV / "bin" / "python"
NOX = "nox>=2025.2.9"
OLDEST = (3, 11)


def main(arguments: list[str]) -> NoReturn:
    """Make the environment where it is missing, then become nox: its signals and exit code."""
    problem = wrong_python() or make_environment()
    if problem:
        sys.exit(f"dev: {problem}")
    os.chdir(ROOT)
    os.execv(PYTHON, [str(PYTHON), "-m", "nox", *nox_arguments(arguments)])  # noqa: S606 - no shell is the point


def wrong_python() -> str:
    """Return why this interpreter will not do, or nothing."""
    if sys.version_info >= OLDEST:
        return ""
    return f"Python 3.11 or newer is needed, this is {sys.version.split()[0]}"


def nox_arguments(arguments: list[str]) -> list[str]:
    """Return nox's command line for ``TASK... [-- ARGUMENT...]``; no task lists them all."""
    cut = arguments.index("--") if "--" in arguments else len(arguments)
    tasks, rest = arguments[:cut], arguments[cut:]
    return ["--sessions", *tasks, *rest] if tasks else ["--list"]


def has_nox() -> bool:
    """Say whether the environment is there and works (a moved or half-made one does not)."""
    probe = [str(PYTHON), "-c", "import nox"]
    return (
        PYTHON.exists() and subprocess.run(probe, capture_output=True, check=False).returncode == 0
    )


def make_environment() -> str:
    """Make ``.venv-dev`` with nox in it unless it is there; return what went wrong, or nothing."""
    if has_nox():
        return ""
    print("dev: making .venv-dev (once)", file=sys.stderr, flush=True)  # noqa: T201 - for people
    if subprocess.run([sys.executable, "-m", "venv", "--clear", str(VENV)], check=False).returncode:
        return "the venv module does not work here; on Debian and Ubuntu: apt install python3-venv"
    install = [str(PYTHON), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", NOX]
    if subprocess.run(install, check=False).returncode:
        return "nox could not be installed: is a Python package index reachable?"
    return ""


if __name__ == "__main__":
    main(sys.argv[1:])
