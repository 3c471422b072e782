"""Taking all that is arb's off a machine that goes on without it."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import time

from . import boot, boot_id, configure, files, install, procs
from .jobs import JobStore

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable

    from .jobs import Job

GRACE_S = float(os.environ.get("ARB_AGENT_GRACE_S") or 3)
"""Between SIGTERM and SIGKILL: who gives a machine back does not wait for its jobs."""
KILL_WAIT_S = 5.0
_POLL_S = 0.02
_COMMAND = "remove"


def main() -> int:
    """End the agent and its jobs, then remove its files; ``~/.arb`` last.

    A line is printed for each thing that could not be removed, or is left on purpose, and one at the
    end. Cut off at any point it can be done again.

    Returns:
        0 when nothing of arb runs here any more, else 1.
    """
    unit = boot.uninstall()  # first: a service manager would start the daemon again
    left = _end(_agents) + _end(_jobs)
    if left:
        sys.stdout.write("arb: processes do not end: {}\n".format(" ".join(map(str, left))))
        return 1
    configure.unauthorize()
    _remove_workdir()
    if unit:
        sys.stdout.write(f"arb: {unit} is left: removing it needs root\n")
    os.chdir("/")
    _remove(os.path.join(files.home(), ".arb"))
    sys.stdout.write("arb-removed\n")
    return 0


def _remove_workdir() -> None:
    folder = configure.workdir()
    if os.path.exists(configure.KEPT_WORKDIR):
        sys.stdout.write(f"arb: {folder} was there before and is left\n")
    elif os.path.isdir(folder) and not os.path.islink(folder):
        _remove(folder)


def _remove(folder: str) -> None:
    """Remove a folder as far as this user may."""
    shutil.rmtree(folder, ignore_errors=True)
    if os.path.lexists(folder):
        sys.stdout.write(f"arb: {folder} could not be removed whole\n")


def _end(find: Callable[[], dict[int, int]]) -> list[int]:
    """End processes, also those that start meanwhile; return those that are left."""
    kill_at = time.monotonic() + GRACE_S
    told: set[int] = set()
    groups: set[int] = set()
    while True:
        found = find()
        late = time.monotonic() - kill_at
        if not found or late > KILL_WAIT_S:
            return sorted(found)
        if late < 0:
            procs.send(set(found) - told, signal.SIGTERM)
            told.update(found)
        else:
            procs.kill(found, groups)
        if late > KILL_WAIT_S / 2:  # a job may have become another user
            boot.as_root("kill", "-9", *map(str, found))
        time.sleep(_POLL_S)


def _agents() -> dict[int, int]:
    """Return what runs of this home's agents but for removals: keepers, daemons, front ends."""
    folder = os.path.join(files.home(), ".arb", install.AGENTS)
    places = (install.launcher(), folder + os.sep, os.path.realpath(folder) + os.sep)
    found = {}
    for process in procs.everything():
        words = _arguments(process.pid)
        ours = any(word.startswith(places) for word in words)
        if ours and words[-1] != _COMMAND:
            found[process.pid] = process.pid  # whoever started a front end may share its group
    return found


def _arguments(pid: int) -> list[str]:
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            data = file.read()
    except OSError:
        return []
    return [os.fsdecode(word) for word in data.split(b"\0")[:-1]]


def _jobs() -> dict[int, int]:
    """Return what is left of all jobs of this home."""
    found: dict[int, int] = {}
    for job in JobStore():
        found.update(procs.of_job(job.state["mark"] + ".", _leaders(job)))
    return found


def _leaders(job: Job) -> list[tuple[int, int]]:
    """Return the wrappers of a job's phases: what is in their sessions is the job's."""
    if job.state.get("boot_id") != boot_id.current():
        return []
    lines = [files.read(job.path(phase + ".pid")) for phase in ("setup", "run")]
    pairs = [line.strip().partition(" ") for line in lines]
    return [(int(pid), int(start)) for pid, _, start in pairs if start]
