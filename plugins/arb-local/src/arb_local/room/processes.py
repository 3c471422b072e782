"""Which processes belong to a machine, and how all of them end.

On Linux three things tell, each enough by itself:

* descent from the machine's init, which adopts every orphan (``PR_SET_CHILD_SUBREAPER``);
* a mark in a resource limit that nobody uses (``RLIMIT_RTTIME``, far above any real value). It is
  inherited through ``setsid``, double forks and ``env -i``, and outlives a killed init;
* a variable in the environment.

Elsewhere descent and the variable have to do.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "MARKER",
    "Owner",
    "Process",
    "members",
    "new_mark",
    "own_start",
    "process",
    "set_mark",
    "sweep",
]

MARKER: Final = "ARB_LOCAL_NODE"
"""The variable that every process of a machine has; its value is the machine's folder."""

_TOP_MARK: Final = 1 << 62
_MONTHS: Final = "JanFebMarAprMayJunJulAugSepOctNovDec"
_IS_LINUX: Final = sys.platform.startswith("linux")


@dataclass(frozen=True, slots=True)
class Process:
    """One process; ``start`` (ticks or seconds, as the system counts) tells reused ids apart."""

    pid: int
    parent: int
    start: int
    is_dead: bool


@dataclass(frozen=True, slots=True)
class Owner:
    """What the processes of one machine have in common. ``init`` is None when it never ran."""

    folder: str
    mark: int
    init: tuple[int, int] | None = None


def new_mark() -> int:
    """Choose a mark that processes started from here may take."""
    return _highest_mark() - 1 - secrets.randbelow(1 << 40)


def set_mark(mark: int) -> None:
    """Put the mark on this process and all that it will start."""
    if not _IS_LINUX:
        return
    import resource

    # Refused inside a machine that has a lower mark of its own: the variable has to do there.
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_RTTIME, (mark, mark))


def _highest_mark() -> int:
    if not _IS_LINUX:
        return _TOP_MARK
    import resource

    hard = resource.getrlimit(resource.RLIMIT_RTTIME)[1]
    return _TOP_MARK if hard < 0 else min(hard, _TOP_MARK)


def process(pid: int) -> Process | None:
    """Look at one process; None when there is none."""
    if not _IS_LINUX:
        return _processes_of_ps().get(pid)
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:  # noqa: PTH123 - a hot path
            text = file.read()
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = text[text.rindex(b")") + 2 :].split()
    return Process(pid, int(fields[1]), int(fields[19]), fields[0] in {b"Z", b"X"})


def own_start() -> int:
    """Return the start time that identifies this process together with its id."""
    own = process(os.getpid())
    return own.start if own else 0


def members(owner: Owner, spare: frozenset[int] = frozenset()) -> list[Process]:
    """Return the living processes of a machine, its init first.

    Args:
        owner: Whose.
        spare: Process ids that are left out.
    """
    table = _table()
    found = _descendants(table, owner.init) if owner.init else set()
    found |= _marked(table.keys() - found, owner)
    first = owner.init[0] if owner.init else 0
    living = [table[pid] for pid in found - spare if not table[pid].is_dead]
    return sorted(living, key=lambda p: (p.pid != first, p.pid))


def sweep(owner: Owner, *, deadline: float, spare: frozenset[int] = frozenset()) -> bool:
    """End every process of a machine; return whether none is left.

    All are stopped before any is killed, so that none can fork out of sight; the init goes last,
    so that orphans keep falling to it.

    Args:
        owner: Whose processes.
        deadline: ``time.monotonic()`` to give up at.
        spare: Process ids that are left alone.
    """
    init = frozenset({owner.init[0]} if owner.init else ())
    while time.monotonic() < deadline:
        stopped = _stop_all(owner, spare)
        _signal_all((p for p in stopped if p.pid not in init), signal.SIGKILL)
        if not members(owner, spare | init):
            _signal_all((p for p in stopped if p.pid in init), signal.SIGKILL)
            if not members(owner, spare):
                return True
        time.sleep(0.003)
    return not members(owner, spare)


def _stop_all(owner: Owner, spare: frozenset[int]) -> list[Process]:
    stopped: dict[int, Process] = {}
    while True:
        fresh = [p for p in members(owner, spare) if p.pid not in stopped]
        if not fresh:
            return list(stopped.values())
        _signal_all(fresh, signal.SIGSTOP)
        stopped.update((p.pid, p) for p in fresh)


def _signal_all(targets: Iterable[Process], number: signal.Signals) -> None:
    for target in targets:
        # A program of another user (setuid) stays; then the sweep says that something is left.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            _signal(target, number)


def _signal(target: Process, number: signal.Signals) -> None:
    if not _IS_LINUX or not hasattr(os, "pidfd_open"):
        os.kill(target.pid, number)
        return
    fd = os.pidfd_open(target.pid)
    try:  # the descriptor holds the id, so the second look is about the process that is signalled
        now = process(target.pid)
        if now is not None and now.start == target.start:
            signal.pidfd_send_signal(fd, number)
    finally:
        os.close(fd)


def _table() -> dict[int, Process]:
    if not _IS_LINUX:
        return _processes_of_ps()
    pids = (int(name) for name in os.listdir("/proc") if name.isdigit())  # noqa: PTH208 - hot
    return {found.pid: found for found in map(process, pids) if found is not None}


def _descendants(table: dict[int, Process], init: tuple[int, int]) -> set[int]:
    pid, start = init
    if pid not in table or table[pid].start != start:
        return set()
    children: dict[int, list[int]] = {}
    for found in table.values():
        children.setdefault(found.parent, []).append(found.pid)
    result, todo = {pid}, [pid]
    while todo:
        fresh = [child for child in children.get(todo.pop(), ()) if child not in result]
        result.update(fresh)
        todo.extend(fresh)
    return result


def _marked(pids: set[int], owner: Owner) -> set[int]:
    if not _IS_LINUX:
        return pids & _pids_with_variable(owner.folder)
    return {pid for pid in pids if _is_marked(pid, owner)}


def _is_marked(pid: int, owner: Owner) -> bool:
    # Zombies and processes of others cannot be read; those are not ours to end.
    with contextlib.suppress(OSError):
        with open(f"/proc/{pid}/limits", "rb") as file:  # noqa: PTH123 - a hot path
            if b" %d " % owner.mark in file.read():
                return True
        with open(f"/proc/{pid}/environ", "rb") as file:  # noqa: PTH123 - a hot path
            variable = f"{MARKER}={owner.folder}".encode()
            return variable in file.read().split(b"\0")
    return False


def _processes_of_ps() -> dict[int, Process]:
    return parse_ps(_run_ps("pid=,ppid=,stat=,lstart="))


def parse_ps(text: str) -> dict[int, Process]:
    """Read the output of ``ps -ax -o pid=,ppid=,stat=,lstart=``."""
    rows = (line.split(maxsplit=3) for line in text.splitlines())
    return {
        int(row[0]): Process(int(row[0]), int(row[1]), _seconds(row[3]), row[2].startswith("Z"))
        for row in rows
        if len(row) == 4  # noqa: PLR2004 - four columns were asked for
    }


def _seconds(text: str) -> int:
    """Return ``Tue Nov 24 19:01:02 2026`` as a number, 0 for the ``-`` that FreeBSD says of zombies.

    The locale is not asked: it may be any.
    """
    if text.strip() == "-":
        return 0
    month, day, time_of_day, year = text.split()[1:5]
    hour, minute, second = map(int, time_of_day.split(":"))
    days = (int(year) * 12 + _MONTHS.index(month) // 3) * 31 + int(day)
    return ((days * 24 + hour) * 60 + minute) * 60 + second


def _pids_with_variable(folder: str) -> set[int]:
    return parse_ps_variables(_run_ps("pid=,command=", "-E"), folder)


def parse_ps_variables(text: str, folder: str) -> set[int]:
    """Find the ids in ``ps -axww -E -o pid=,command=`` whose environment names the folder."""
    rows = (line.split(maxsplit=1) for line in text.splitlines())
    wanted = f" {MARKER}={folder} "
    return {int(pid) for pid, *rest in rows if wanted in f" {' '.join(rest)} "}


def _run_ps(columns: str, *options: str) -> str:
    """Return the rows of all processes but ``ps`` itself: asked by an init it would be a member."""
    command = ["/bin/ps", "-axww", *options, "-o", columns]
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={"LC_ALL": "C", "TZ": "UTC"},  # a computer that travels keeps its processes
        encoding="utf-8",
        errors="replace",
    ) as ps:
        rows = ps.communicate()[0].splitlines(keepends=True)
    return "".join(row for row in rows if row.split(maxsplit=1)[:1] != [str(ps.pid)])
