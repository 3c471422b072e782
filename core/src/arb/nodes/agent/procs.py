"""Processes: who they are, finding all of a job's, starting and ending them."""

from __future__ import annotations

import os
import signal
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable, Iterable, Mapping

    from .loop import Loop

MARK = "ARB_JOB_MARK"
"""Environment variable by which a job's processes are known, wherever they went."""

_RESET = signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}
"""The daemon ignores some, and a shell cannot take that back for what it starts."""

POLL_S = 0.05
KILL_WAIT_S = 10.0


class Stat:
    """What /proc says about one process."""

    __slots__ = ("group", "name", "parent", "pid", "session", "start", "state", "tty")

    def __init__(self, pid: int, name: str, fields: list[bytes]) -> None:
        self.pid = pid
        self.name = name
        self.state = fields[0].decode()
        self.parent = int(fields[1])
        self.group = int(fields[2])
        self.session = int(fields[3])
        self.tty = int(fields[4])
        self.start = int(fields[19])


def stat(pid: int) -> Stat | None:
    """Return what is known about a process that runs; None when it ended (zombies have).

    None too for other users' where they are hidden (``hidepid``).
    """
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            data = file.read()
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return None
    head, _, tail = data.rpartition(b")")
    found = Stat(pid, head.partition(b"(")[2].decode("utf-8", "replace"), tail.split())
    return None if found.state in ("Z", "X") else found


def is_alive(pid: int, start: int) -> bool:
    """Return whether this very process runs: numbers are reused, start times are not."""
    found = stat(pid)
    return found is not None and found.start == start


def everything() -> list[Stat]:
    """Return all processes that run."""
    found = (stat(int(name)) for name in os.listdir("/proc") if name.isdigit())
    return [process for process in found if process is not None]


def environ(pid: int) -> bytes:
    """Return the environment that a process was started with, empty when it may not be read."""
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            return file.read()
    except OSError:
        return b""


def resident_mib() -> float:
    """Return how much memory this process holds, in MiB."""
    with open("/proc/self/statm", "rb") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def of_job(mark: str, leaders: Iterable[tuple[int, int]] = ()) -> dict[int, int]:
    """Return every process of a job: its sessions, all that carry the mark, and their children.

    Each with its process group, for ``kill``.

    Args:
        mark: The beginning of the value of ``ARB_JOB_MARK``.
        leaders: Process id and start time of the job's wrappers in this boot.
    """
    needle = b"\0" + MARK.encode() + b"=" + mark.encode()
    processes = everything()
    starts = {process.pid: process.start for process in processes}
    # A number that another process has by now says nothing about its session.
    wanted = {pid for pid, start in leaders if starts.get(pid, start) == start}
    found = {
        process.pid
        for process in processes
        if process.session in wanted or needle in b"\0" + environ(process.pid)
    }
    found.discard(os.getpid())
    while True:
        more = {p.pid for p in processes if p.parent in found} - found
        if not more:
            return {p.pid: p.group for p in processes if p.pid in found}
        found |= more


def send(pids: Iterable[int], number: int) -> None:
    """Send a signal to all of them; those that are gone or foreign do not matter."""
    for pid in pids:
        try:
            os.kill(pid, number)
        except (ProcessLookupError, PermissionError):
            pass


def kill(found: Mapping[int, int], groups: set[int]) -> None:
    """SIGKILL processes and the groups that they were ever seen in.

    A group dies at once. What forks and ends all the time is gone before it can be told by number.

    Args:
        found: As ``of_job`` returned them.
        groups: Seen before; those of ``found`` are added.
    """
    groups.update(found.values())
    groups -= {0, 1, os.getpgrp()}  # of these, kill would take the first two for more than a job
    send(found, signal.SIGKILL)
    send((-group for group in groups), signal.SIGKILL)


def spawn(
    argv: list[str],
    env: dict[str, str],
    cwd: str = ".",
    stdio: tuple[int, int, int] | None = None,
) -> int:
    """Start a program in a session of its own and return its process id.

    Args:
        argv: Program (found on PATH of ``env``) and arguments.
        env: Its whole environment.
        cwd: Its folder.
        stdio: Descriptors for input, output and errors; None is /dev/null for all.
    """
    pid = os.fork()
    if pid:
        return pid
    try:
        os.setsid()
        os.chdir(cwd)
        null = os.open(os.devnull, os.O_RDWR)
        for target, source in enumerate(stdio or (null, null, null)):
            os.dup2(source, target)
        for number in _RESET:
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        os.execvpe(argv[0], argv, env)
    finally:
        os._exit(127)


class Sweep:
    """Ends a job's processes: SIGTERM, a grace, SIGKILL, until none is left.

    Args:
        loop: Where it waits.
        find: Returns what is still there, as ``of_job``.
        grace_s: Time between the signals, in seconds.
        done: Called once, when nothing is left (or nothing more can be done).
    """

    def __init__(
        self,
        loop: Loop,
        find: Callable[[], dict[int, int]],
        grace_s: float,
        done: Callable[[], None],
    ) -> None:
        self._loop, self._find, self._done = loop, find, done
        self._kill_at = time.monotonic() + grace_s
        self._told: set[int] = set()
        self._groups: set[int] = set()
        self._step()

    def _step(self) -> None:
        found = self._find()
        late = time.monotonic() - self._kill_at
        if not found or late > KILL_WAIT_S:
            self._done()
            return
        if late >= 0:
            kill(found, self._groups)
        else:
            send(set(found) - self._told, signal.SIGTERM)
            self._told.update(found)
        self._loop.later(POLL_S, self._step)
