"""A process is killed at every step of making and ending; the next one leaves nothing behind."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest

from arb_local.room import EndReason, MachineSpec, MachineState

MAKE_STEPS = {
    "folder-written": "arb_local.room.records.Folder.fill",
    "ledger-written": "arb_local.room.ledger.Ledger.append",
    "folder-shown": "pathlib.Path.rename",
    "launcher-started": "arb_local.room.room.start_launcher",
}
END_STEPS = {
    "decided": "arb_local.room.records.Folder.update",
    "half-swept": "arb_local.room.processes._stop_all",
    "swept": "arb_local.room.power._cut_power",
    "ledger-written": "arb_local.room.ledger.Ledger.append",
    "folder-hidden": "pathlib.Path.rename",
}
POWER_STEPS = {
    "decided": "arb_local.room.records.Folder.update",
    "half-swept": "arb_local.room.processes._stop_all",
    "swept": "arb_local.room.power._cut_power",
    "forgotten": "arb_local.room.records.Folder.reset_run",
    "ledger-written": "arb_local.room.ledger.Ledger.append",
    "launcher-started": "arb_local.room.power.start_launcher",
}
SLOWLY = {"half-swept", "forgotten", "ledger-written"}
"""Left to the slow tests: an end is tried at these as well."""
_OPEN = """
import os, pkgutil, sys
from pathlib import Path
sys.path[:] = {path!r}
from arb_local.room import *
room = Room(Path({room!r}))
"""
_KILL_AFTER = """
owner, _, attribute = {step!r}.rpartition(".")
target = pkgutil.resolve_name(owner)
original = getattr(target, attribute)
def killed(*args, **kwargs):
    original(*args, **kwargs)
    os.kill(os.getpid(), 9)
setattr(target, attribute, killed)
{action}
"""


@pytest.mark.parametrize("step", MAKE_STEPS.values(), ids=MAKE_STEPS)
def test_a_maker_killed_half_way_leaves_a_machine_or_nothing(room, step):
    _kill_after(room, step, "room.make(MachineSpec('one'))")
    _wait_until_settled(room)
    histories = room.history()
    assert len(histories) <= 1
    live = [m.id for m in room.list()]
    assert live == [h.id for h in histories if not h.gone]
    assert sorted(p.name for p in room.machines.iterdir()) == live
    for history in histories:
        if history.gone:
            assert history.gone.facts["reason"] == EndReason.FAILED_START


@pytest.mark.parametrize("step", END_STEPS.values(), ids=END_STEPS)
def test_an_end_that_was_killed_half_way_is_carried_on_with(room, make, step):
    machine = make()
    _kill_after(room, step, f"room.terminate({machine.id!r}, EndReason.PREEMPTED)")
    _wait_until_settled(room)
    assert room.list() == ()
    (history,) = room.history()
    assert history.gone.facts["reason"] == EndReason.PREEMPTED
    assert list(room.machines.iterdir()) == []


@pytest.mark.parametrize(
    "step",
    [
        pytest.param(step, id=name, marks=pytest.mark.slow if name in SLOWLY else ())
        for name, step in POWER_STEPS.items()
    ],
)
def test_a_reboot_that_was_killed_half_way_leaves_a_machine_that_can_be_used(room, make, ssh, step):
    machine = make()
    _kill_after(room, step, f"room.reboot({machine.id!r})")
    _wait_until_settled(room)
    if room.get(machine.id).state is MachineState.STOPPED:
        room.start(machine.id)
    after = room.wait(machine.id, MachineState.RUNNING)
    assert ssh.text(after, "echo up").strip() == "up"


def test_processes_that_end_one_machine_at_once_write_one_end(room, make):
    machine = make()
    code = f"{_OPEN}assert room.terminate({machine.id!r})"
    text = code.format(path=sys.path, room=str(room.path))
    enders = [subprocess.Popen([sys.executable, "-c", text]) for _ in range(3)]
    assert [ender.wait(timeout=60) for ender in enders] == [0, 0, 0]
    (history,) = room.history()
    assert [event.event for event in history.events] == ["made", "gone"]


def test_a_torn_line_spoils_no_other(room):
    machine = room.make(MachineSpec("one"))
    with (room.path / "ledger.jsonl").open("a") as file:
        file.write('{"at": 1, "event": "ma')  # the power went in the middle of a write
    room.terminate(machine.id)
    (history,) = room.history()
    assert [event.event for event in history.events] == ["made", "gone"]
    assert [m.id for m in room.recently_gone()] == [machine.id]


def test_ending_again_removes_what_a_killed_ender_left_of_the_folder(room, make):
    machine = make()
    _kill_after(room, END_STEPS["folder-hidden"], f"room.terminate({machine.id!r})")
    assert list(room.machines.iterdir())
    assert room.terminate(machine.id)
    assert list(room.machines.iterdir()) == []


def _kill_after(room, step, action):
    code = (_OPEN + _KILL_AFTER).format(
        path=sys.path, step=step, room=str(room.path), action=action
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert result.returncode == -9, result.stderr.decode()


def _wait_until_settled(room, timeout_s=20):
    """Look as any next command would, until nothing is on its way."""
    deadline = time.monotonic() + timeout_s
    while any(m.state in {MachineState.PENDING, MachineState.TERMINATING} for m in room.list()):
        assert time.monotonic() < deadline
        time.sleep(0.01)
