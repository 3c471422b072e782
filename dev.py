"""Run one of the project's tasks, from nothing but Python: ``python3 dev.py demo``.

Makes ``.venv-dev`` beside this file, installs nox there and hands over to it: the tasks themselves are
the sessions of ``noxfile.py`` (``python3 dev.py`` lists them). Needs Python 3.11 or newer with the
``venv`` module; the system's own packages are neither used nor changed. What follows ``--`` goes
to the task: ``python3 dev.py tests -- -k gang``.
"""

from __future__ import annotations

import contextlib
import fcntl
import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from typing import NoReturn

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv-dev"
PYTHON = VENV / "bin" / "python"
MADE = VENV / "made-with"
NOX = "nox>=2025.2.9"
OLDEST = (3, 11)


def main(arguments: list[str]) -> NoReturn:
    """Make the environment where it is missing, then become nox: its signals and exit code."""
    try:
        problem = unfit_system() or make_environment()
    except KeyboardInterrupt:
        sys.exit(130)
    if problem:
        sys.exit(f"dev: {problem}")
    os.chdir(ROOT)
    os.execv(PYTHON, [str(PYTHON), "-m", "nox", *nox_arguments(arguments)])  # noqa: S606 - no shell is the point


def unfit_system() -> str:
    """Return why nothing can run here, or nothing."""
    if sys.version_info < OLDEST:
        return f"Python 3.11 or newer is needed, this is {sys.version.split()[0]}"
    try:
        Path.home()
    except RuntimeError:
        return "your user has no home folder, and nox needs one: set HOME to a folder"
    return ""


def nox_arguments(arguments: list[str]) -> list[str]:
    """Return nox's command line for ``TASK... [-- ARGUMENT...]``; no task lists them all."""
    cut = arguments.index("--") if "--" in arguments else len(arguments)
    tasks, rest = arguments[:cut], arguments[cut:]
    return ["--sessions", *tasks, *rest] if tasks else ["--list"]


def has_nox() -> bool:
    """Say whether the environment is there, whole (not one that was interrupted) and new enough."""
    probe = [str(PYTHON), "-c", "import nox"]
    return (
        PYTHON.exists()  # not after its Python was upgraded away
        and MADE.exists()
        and MADE.read_text() == NOX
        and subprocess.run(probe, capture_output=True, check=False).returncode == 0
    )


def make_environment() -> str:
    """Make ``.venv-dev`` with nox in it unless it is there; return what went wrong, or nothing."""
    with Path(__file__).open() as own:
        with contextlib.suppress(OSError):  # NFS may refuse; then two at once are not told apart
            fcntl.flock(own, fcntl.LOCK_EX)  # of two at once, the second finds what the first made
        if has_nox():
            return ""
        if not all(map(importlib.util.find_spec, ("venv", "ensurepip"))):
            return "Python's venv module is missing; on Debian and Ubuntu: apt install python3-venv"
        print("dev: making .venv-dev (once)", file=sys.stderr, flush=True)  # noqa: T201 - for people
        return fill_environment()


def fill_environment() -> str:
    """Make ``.venv-dev`` anew; return what went wrong, or nothing."""
    quiet = (
        [sys.executable, "-m", "venv", "--clear", "--without-pip", str(VENV)],
        [str(PYTHON), "-m", "ensurepip", "--default-pip"],  # by itself: venv hides why it failed
    )
    for command in quiet:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            said = (done.stderr.strip() or done.stdout.strip() or "no reason was told").splitlines()
            return f".venv-dev could not be made: {said[-1]}"
    install = [str(PYTHON), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", NOX]
    if subprocess.run(install, check=False).returncode:
        return "nox could not be installed, see above; it comes from PyPI, or the index that pip is set to"
    MADE.write_text(NOX)
    return ""


if __name__ == "__main__":
    main(sys.argv[1:])
