from __future__ import annotations

import os
import subprocess
import sys
import time

import pytest

from arb_local.room import processes
from arb_local.room.processes import Owner, Process, parse_ps, parse_ps_variables

PS = """    1     0 Ss
  501     1 S
  733   501 Z
"""
PS_VARIABLES = """  501 /bin/zsh PATH=/usr/bin ARB_LOCAL_NODE=/rooms/a TERM=x
  502 sleep 1000 ARB_LOCAL_NODE=/rooms/ab
  503 vi ARB_LOCAL_NODE
"""


def test_ps_of_other_systems_is_read():
    assert parse_ps(PS) == {
        1: Process(1, 0, 0, is_dead=False),
        501: Process(501, 1, 0, is_dead=False),
        733: Process(733, 501, 0, is_dead=True),
    }


def test_the_variable_is_matched_whole():
    assert parse_ps_variables(PS_VARIABLES, "/rooms/a") == {501}


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
