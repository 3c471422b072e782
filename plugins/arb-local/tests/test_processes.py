from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from arb_local.room import processes
from arb_local.room.processes import Owner, parse_ps, parse_ps_variables

PS = """    1     0 Ss   Mon Nov 23 09:00:00 2026
  501     1 S    Tue Nov 24 19:01:02 2026
  733   501 Z    Tue Dec  1 00:00:00 2026
"""
PS_VARIABLES = """  501 /bin/zsh PATH=/usr/bin ARB_LOCAL_NODE=/rooms/a TERM=x
  502 sleep 1000 ARB_LOCAL_NODE=/rooms/ab
  503 vi ARB_LOCAL_NODE
  504 /bin/sh ARB_LOCAL_NODE=/Volumes/My Disk/rooms/a TERM=x
"""


def test_a_zombie_without_a_start_time_does_not_hide_the_others():
    found = parse_ps(PS + "  734   501 Z    -                           \n")
    assert found[734].is_dead
    assert found.keys() == {1, 501, 733, 734}


def test_ps_of_other_systems_is_read():
    found = parse_ps(PS)
    assert [(p.pid, p.parent, p.is_dead) for p in found.values()] == [
        (1, 0, False),
        (501, 1, False),
        (733, 501, True),
    ]
    assert found[1].start < found[501].start < found[733].start


@pytest.mark.parametrize(
    ("folder", "pid"),
    [("/rooms/a", 501), ("/Volumes/My Disk/rooms/a", 504)],
    ids=["plain", "space"],
)
def test_the_variable_is_matched_whole(folder, pid):
    assert parse_ps_variables(PS_VARIABLES, folder) == {pid}


@pytest.fixture
def elsewhere(monkeypatch):
    """A system without /proc, as macOS; returns what ``ps`` was asked. The table is the real one."""
    asked = []

    def run_ps(columns, *options):
        asked.append(columns)
        if "command=" not in columns:
            command = ["ps", "-axww", "-o", columns]
            return subprocess.run(command, capture_output=True, text=True, check=True).stdout
        return "".join(_with_environment(int(d.name)) for d in Path("/proc").glob("[0-9]*"))

    monkeypatch.setattr(processes, "_IS_LINUX", False)
    monkeypatch.setattr(processes, "_run_ps", run_ps)
    return asked


def _with_environment(pid):
    try:
        variables = Path(f"/proc/{pid}/environ").read_bytes().decode(errors="replace")
    except OSError:
        return ""
    text = variables.replace("\0", " ").replace("\n", " ")
    return f"{pid} command {text}\n"


needs_ps = pytest.mark.skipif(
    shutil.which("ps") is None or not Path("/proc").exists(), reason="no ps, or no /proc to play it"
)


@needs_ps
def test_elsewhere_a_reused_process_id_is_not_taken_for_the_init(elsewhere):
    own = processes.process(os.getpid())
    assert processes.members(Owner("/nowhere", 1, (own.pid, own.start - 60))) == []
    assert processes.members(Owner("/nowhere", 1, (own.pid, own.start)))[0].pid == own.pid


@pytest.mark.skipif(not Path("/bin/ps").exists(), reason="no ps")
def test_elsewhere_a_machine_that_ends_itself_does_not_wait_for_the_ps_that_it_runs():
    code = (
        f"import os, sys; sys.path[:] = {sys.path!r}\n"
        "from arb_local.room import processes\n"
        "processes._IS_LINUX = False\n"
        "own = processes.process(os.getpid())\n"
        "owner = processes.Owner('/nowhere', 1, (own.pid, own.start))\n"
        "print(processes.members(owner, frozenset({own.pid})))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert result.stdout.strip() == b"[]"


@needs_ps
def test_elsewhere_an_orphan_is_found_by_its_variable_with_two_looks_at_the_table(elsewhere):
    folder = "/Volumes/My Disk/rooms/n-1"
    command = ["setsid", "sh", "-c", "sleep 1000 & sleep 1000"]
    with subprocess.Popen(command, env={**os.environ, processes.MARKER: folder}) as process:
        owner = Owner(folder, 1)
        deadline = time.monotonic() + 20
        while len(processes.members(owner)) < 2:
            assert time.monotonic() < deadline
        elsewhere.clear()
        processes.members(owner)
        assert len(elsewhere) == 2
        assert processes.sweep(owner, deadline=time.monotonic() + 20)
        assert process.wait() == -9


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_a_reused_process_id_is_not_taken_for_the_init():
    own = processes.process(os.getpid())
    assert processes.members(Owner("/nowhere", 1, (own.pid, own.start - 1))) == []
    assert processes.members(Owner("/nowhere", 1, (own.pid, own.start)))[0].pid == own.pid


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_the_mark_survives_a_cleared_environment():
    mark = processes.new_mark()
    code = (
        f"import sys, os; sys.path[:] = {sys.path!r}\n"
        f"from arb_local.room.processes import set_mark; set_mark({mark})\n"
        "os.execve('/usr/bin/env', ['env', '-i', 'setsid', 'sleep', '1000'], {})"
    )
    with subprocess.Popen([sys.executable, "-c", code]) as process:
        owner = Owner("/nowhere", mark)
        deadline = time.monotonic() + 10
        while not processes.members(owner):
            assert time.monotonic() < deadline
        assert processes.sweep(owner, deadline=time.monotonic() + 10)
        assert process.wait() == -9


def test_a_sweep_that_cannot_finish_says_so():
    own = processes.process(os.getpid())
    owner = Owner("/nowhere", 1, (own.pid, own.start))
    assert processes.sweep(owner, deadline=time.monotonic() - 1) is False
