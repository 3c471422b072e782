from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import pytest

from arb_local.room import (
    EndReason,
    Fault,
    MachineSpec,
    MachineState,
    NoCapacity,
    Place,
    Room,
    RoomFile,
    UnknownMachine,
    spawn,
)

linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks into /proc")


def test_making_does_not_wait_for_the_machine(room, client):
    spec = MachineSpec(token="one", boot_delay_s=3600)
    machine = room.make(spec)
    assert machine.state is MachineState.PENDING
    assert room.get(machine.id).state is MachineState.PENDING


def test_a_token_makes_one_machine_however_often_it_is_asked_for(room):
    first = room.make(MachineSpec(token="same"))
    assert room.make(MachineSpec(token="same")).id == first.id
    room.terminate(first.id)
    again = room.make(MachineSpec(token="same"))
    assert (again.id, again.state) == (first.id, MachineState.GONE)
    assert len(room.history()) == 1


def test_processes_asking_for_one_token_get_one_machine(room):
    code = (
        f"import sys; sys.path[:] = {sys.path!r}\n"
        "from pathlib import Path; from arb_local.room import *\n"
        f"print(Room(Path({str(room.path)!r})).make(MachineSpec('same')).id)"
    )
    command = [sys.executable, "-c", code]
    askers = [subprocess.Popen(command, stdout=subprocess.PIPE) for _ in range(3)]
    ids = {asker.communicate(timeout=60)[0] for asker in askers}
    assert [machine.id.encode() + b"\n" for machine in room.list()] == list(ids)


def test_ten_machines_at_once_have_addresses_of_their_own(room, client, ssh):
    specs = [MachineSpec(f"m{i}", authorized_keys=(client.public,)) for i in range(10)]
    machines = room.make_all(specs)
    assert len({(m.address, m.port) for m in machines}) == 10
    for machine in machines:
        room.wait(machine.id, MachineState.RUNNING)
    answers = [ssh.text(m, "echo $HOME").strip() for m in machines]
    assert answers == [str(m.home) for m in machines]


def test_without_own_addresses_machines_have_ports_of_their_own(room, client, ssh, monkeypatch):
    # 192.0.2.0/24 is for documentation: as on macOS, the address cannot be bound.
    monkeypatch.setattr("arb_local.room.addresses._random_address", lambda: "192.0.2.1")
    keys = (client.public,)
    machines = room.make_all([MachineSpec(f"m{i}", authorized_keys=keys) for i in range(2)])
    assert {m.address for m in machines} == {"127.0.0.1"}
    assert len({m.port for m in machines}) == 2
    for machine in machines:
        room.wait(machine.id, MachineState.RUNNING)
        assert ssh.text(machine, "echo $HOME").strip() == str(machine.home)


def test_a_server_that_cannot_be_imported_is_a_failed_start_with_its_reason(
    room, client, tmp_path, monkeypatch
):
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "asyncssh.py").write_text("raise ImportError('no such cipher')\n")
    monkeypatch.syspath_prepend(str(tmp_path / "broken"))
    room.make(MachineSpec("one"))
    _wait_for(lambda: not room.list())
    (gone,) = room.recently_gone()
    assert gone.reason is EndReason.FAILED_START
    assert "no such cipher" in gone.detail


def test_a_user_without_an_entry_in_the_system_has_machines_too(room, make, ssh, monkeypatch):
    nameless = "import pwd\ndef none(_): raise KeyError\npwd.getpwuid = none\n"
    monkeypatch.setattr("arb_local.room.spawn._CODE", nameless + spawn._CODE)
    machine = make()
    assert ssh.text(machine, "echo $HOME").strip() == str(machine.home)


def test_threads_make_machines_side_by_side(room):
    threads = [threading.Thread(target=room.make, args=(MachineSpec(f"t{i}"),)) for i in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(m.token for m in room.list()) == [f"t{i}" for i in range(6)]


def test_the_host_key_is_the_one_that_was_given(room, make, ssh):
    from arb_local.room.hostkeys import generate, public_line

    key = generate()
    machine = make(host_key=key)
    assert machine.host_key == public_line(key)
    assert ssh.text(machine, "echo verified").strip() == "verified"  # checked strictly


def test_files_are_there_before_the_first_boot(make, ssh):
    files = (RoomFile("~/here", "home"), RoomFile("/etc/there", "root", 0o644))
    machine = make(files=files)
    assert ssh.text(machine, "cat here").strip() == "home"
    there = machine.folder / "root" / "etc" / "there"
    assert (there.read_text(), there.stat().st_mode & 0o777) == ("root", 0o644)


@pytest.mark.parametrize("path", ["~/../../out", "/../../out"])
def test_a_file_outside_the_machine_is_refused(room, path):
    with pytest.raises(ValueError, match="below"):
        room.make(MachineSpec("one", files=(RoomFile(path, "x"),)))
    assert room.list() == ()


def test_boot_commands_run_in_order_at_the_first_boot_alone(room, make):
    machine = make(
        boot_commands=("echo one >> log", "echo two >> log; exit 3", "echo three >> log")
    )
    log = machine.home / "log"
    _wait_for(lambda: log.exists() and log.read_text() == "one\ntwo\nthree\n")
    room.reboot(machine.id)
    room.wait(machine.id, MachineState.RUNNING)
    assert log.read_text() == "one\ntwo\nthree\n"


def test_a_reboot_runs_the_boot_scripts_and_keeps_the_home(room, make, ssh):
    machine = make()
    ssh.text(machine, "printf '#!/bin/sh\\necho boot >> ~/boots\\n' > $ARB_BOOT_DIR/10-x")
    ssh.text(machine, "chmod +x $ARB_BOOT_DIR/10-x; echo kept > file")
    sleeper = ssh.text(machine, "sleep 1000 >&- 2>&- & echo $!").strip()
    ssh.text(machine, f"kill -0 {sleeper}")
    before = ssh.text(machine, "cat $ARB_BOOT_ID_FILE").strip()
    room.reboot(machine.id)
    after = room.wait(machine.id, MachineState.RUNNING)
    assert ssh.text(after, "cat file").strip() == "kept"
    _wait_for((machine.home / "boots").exists)
    assert ssh.text(after, "cat $ARB_BOOT_ID_FILE").strip() == after.boot_id != before
    assert (after.address, after.host_key) == (machine.address, machine.host_key)
    assert not _is_alive(sleeper)


def test_a_machine_can_reboot_itself(room, make, ssh):
    machine = make()
    before = room.get(machine.id).boot_id
    ssh.run(machine, "reboot; sleep 100")
    _wait_for(lambda: room.get(machine.id).boot_id not in {"", before})
    after = room.wait(machine.id, MachineState.RUNNING)
    assert ssh.text(after, "echo up").strip() == "up"


def test_a_machine_can_end_itself(room, make, ssh):
    machine = make()
    ssh.run(machine, "poweroff; sleep 100")
    _wait_for(lambda: not room.list())
    (gone,) = room.recently_gone()
    assert (gone.id, gone.reason) == (machine.id, EndReason.USER)
    assert not machine.folder.exists()


ESCAPES = {
    "child": "sleep 7000 >/dev/null 2>&1 </dev/null &",
    "nohup": "nohup sleep 7000 >/dev/null 2>&1 </dev/null &",
    "setsid": "setsid nohup sleep 7000 >/dev/null 2>&1 </dev/null &",
    "no-environment": "env -i setsid sleep 7000 >/dev/null 2>&1 </dev/null &",
    "double-fork": "((env -i setsid sh -c 'sleep 7000 & exit' >/dev/null 2>&1 </dev/null &) &)",
    "ignores-signals": "(trap '' TERM HUP INT; setsid sleep 7000) >/dev/null 2>&1 </dev/null &",
    "forks-for-ever": "setsid env -i sh -c 'while :; do sleep 7000 & sleep 0.02; done'"
    " >/dev/null 2>&1 </dev/null &",
}


@linux
@pytest.mark.parametrize("init_is_killed", [False, True], ids=["", "init-killed"])
def test_everything_that_a_machine_started_ends_with_it(room, make, ssh, init_is_killed):
    machine = make()
    for number, command in enumerate(ESCAPES.values(), 1):
        ssh.run(machine, command.replace("7000", f"7{os.getpid()}"))
        _wait_for(lambda least=number: len(_sleepers()) >= least)
    if init_is_killed:
        os.kill(_init(machine), signal.SIGKILL)
    assert room.terminate(machine.id)
    assert _sleepers() == []
    assert not machine.folder.exists()


def test_an_open_session_ends_with_its_machine(room, make, ssh):
    machine = make()
    command = ssh.command(machine, "echo started; sleep 1000")
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout.readline() == b"started\n"
        assert room.terminate(machine.id)
        assert process.wait(timeout=10) == 255


@linux
def test_a_machine_whose_init_was_killed_is_stopped_and_starts_again(room, make, ssh):
    machine = make()
    ssh.text(machine, "echo kept > file; setsid env -i sleep 1000 >&- 2>&- <&- &")
    os.kill(_init(machine), signal.SIGKILL)
    _wait_for(lambda: room.get(machine.id).state is MachineState.STOPPED)
    assert "lost power" in room.get(machine.id).detail
    room.start(machine.id)
    after = room.wait(machine.id, MachineState.RUNNING)
    assert ssh.text(after, "cat file").strip() == "kept"


@linux
def test_a_machine_whose_folder_was_removed_ends_by_itself(room, make, ssh):
    machine = make()
    ssh.run(machine, ESCAPES["no-environment"].replace("7000", f"7{os.getpid()}"))
    init = _init(machine)
    shutil.rmtree(machine.folder)
    os.kill(init, signal.SIGHUP)  # it would look by itself within 15 s
    _wait_for(lambda: _sleepers() == [] and not _is_alive(init))
    room.history()  # notes the loss


@linux
def test_a_stopped_machine_keeps_its_home_and_has_no_process(room, make, ssh):
    machine = make()
    ssh.text(machine, "echo kept > file")
    assert room.stop(machine.id).state is MachineState.STOPPED
    assert room.stop(machine.id).state is MachineState.STOPPED
    assert ssh.run(machine, "true").returncode == 255
    room.start(machine.id)
    assert ssh.text(room.wait(machine.id, MachineState.RUNNING), "cat file").strip() == "kept"


def test_a_preemption_without_notice_is_immediate(room, make):
    machine = make()
    assert room.preempt(machine.id)
    (gone,) = room.recently_gone()
    assert (gone.id, gone.reason) == (machine.id, EndReason.PREEMPTED)


def test_a_preemption_with_notice_warns_and_then_takes_the_machine(room, make):
    machine = make()
    assert room.preempt(machine.id, notice_s=0.6) is False
    notice = json.loads((machine.home / ".arb-local" / "preemption-notice").read_text())
    assert notice["action"] == "preempt"
    assert room.get(machine.id).state is MachineState.RUNNING
    _wait_for(lambda: not room.list())
    assert room.recently_gone()[0].reason is EndReason.PREEMPTED
    assert time.time() >= notice["at"]
    events = [event.event for event in room.history()[0].events]
    assert events == ["made", "notice", "gone"]


def test_a_limited_life_warns_and_ends(room, make):
    machine = make(life_s=1.2, notice_s=0.8)
    _wait_for((machine.home / ".arb-local" / "preemption-notice").exists)
    _wait_for(lambda: not room.list())
    assert room.recently_gone()[0].reason is EndReason.PREEMPTED


def test_a_failure_is_told_as_hardware(room, make):
    machine = make()
    assert room.fail(machine.id)
    assert room.recently_gone()[0].reason is EndReason.HARDWARE


def test_the_bring_up_timer_ends_a_machine_that_nobody_wanted(room, make):
    make(bringup_timeout_s=0.5)
    _wait_for(lambda: not room.list())
    (gone,) = room.recently_gone()
    assert (gone.reason, gone.detail) == (EndReason.FAILED_START, "the bring-up timer ran out")


def test_a_disarmed_bring_up_timer_ends_nothing(room, make, ssh):
    machine = make(bringup_timeout_s=1.0)
    ssh.text(machine, "rm ~/.arb/armed")
    deadline = machine.made_at + 1.5
    _wait_for(lambda: time.time() > deadline)
    assert room.get(machine.id).state is MachineState.RUNNING
    assert ssh.text(machine, "echo alive").strip() == "alive"


def test_a_boot_delay_keeps_the_address_closed(room, make, ssh):
    machine = make(wait=False, boot_delay_s=0.7)
    assert ssh.run(machine, "true").returncode == 255
    assert room.get(machine.id).state is MachineState.PENDING
    room.wait(machine.id, MachineState.RUNNING)
    assert time.time() >= machine.made_at + 0.7
    assert ssh.text(machine, "echo up").strip() == "up"


def test_a_machine_that_dies_at_boot_is_a_failed_start(room, make):
    make(wait=False, fault=Fault.DIES_AT_BOOT)
    _wait_for(lambda: not room.list())
    assert room.recently_gone()[0].reason is EndReason.FAILED_START


def test_a_stuck_machine_stays_pending_and_can_be_ended(room, make):
    machine = make(wait=False, fault=Fault.STUCK)
    _wait_for((machine.folder / "run" / "init.json").exists)
    assert room.get(machine.id).state is MachineState.PENDING
    assert room.terminate(machine.id)


def test_a_machine_without_ssh_runs_and_refuses_connections(make, ssh):
    machine = make(fault=Fault.NO_SSH)
    result = ssh.run(machine, "true")
    assert result.returncode == 255
    assert b"refused" in result.stderr


def test_a_wrong_host_key_becomes_the_right_one(make, ssh):
    machine = make(wrong_host_key_s=1.0)
    result = ssh.run(machine, "true")
    assert result.returncode == 255
    assert b"verification failed" in result.stderr
    _wait_for(lambda: ssh.run(machine, "true").returncode == 0)


def test_a_full_place_makes_nothing_of_a_gang(room):
    spec = {"kind": "big", "region": "east", "zone": "a", "capacity": 2}
    with pytest.raises(NoCapacity) as caught:
        room.make_all([MachineSpec(f"m{i}", **spec) for i in range(3)])
    assert (caught.value.limit, caught.value.made) == (2, ())
    assert room.list() == ()


def test_a_partial_gang_is_named(room):
    spec = {"kind": "big", "capacity": 2, "fault": Fault.STUCK}
    with pytest.raises(NoCapacity) as caught:
        room.make_all([MachineSpec(f"m{i}", **spec) for i in range(3)], partial=True)
    assert caught.value.made == tuple(m.id for m in room.list())
    assert [m.token for m in room.list()] == ["m0", "m1"]


def test_a_rule_beats_the_default_and_the_more_specific_rule_the_other(room):
    exact = Place("big", "east", "a", spot=True)
    assert room.free(exact, 3) == 3
    room.set_capacity(Place("big"), 0)
    assert room.free(exact, 3) == 0
    room.set_capacity(Place("big", "east"), 5)
    assert room.free(exact, 3) == 5
    room.set_capacity(Place("big", "east", "a", spot=True), None)
    assert room.free(exact, 3) is None
    assert [str(rule.place) for rule in room.capacity_rules()] == [
        *("big", "big@east", "big@east/a#spot"),
    ]


def test_a_machine_uses_its_place_until_it_stops(room):
    spec = {"kind": "big", "capacity": 1, "fault": Fault.STUCK}
    first = room.make(MachineSpec("a", **spec))
    with pytest.raises(NoCapacity):
        room.make(MachineSpec("b", **spec))
    room.stop(first.id)
    second = room.make(MachineSpec("b", **spec))
    with pytest.raises(NoCapacity):
        room.start(first.id)
    room.terminate(second.id)
    assert room.start(first.id).state is MachineState.PENDING


def test_no_two_machines_get_the_same_device(room):
    spec = {"devices": ("0", "1", "2"), "device_count": 1, "device_variable": "GPUS"}
    spec["fault"] = Fault.STUCK
    machines = room.make_all([MachineSpec(f"m{i}", **spec) for i in range(3)])
    got = [json.loads((m.folder / "machine.json").read_text())["environment"] for m in machines]
    assert sorted(e["GPUS"] for e in got) == ["0", "1", "2"]
    with pytest.raises(NoCapacity):
        room.make(MachineSpec("one-more", **spec))


def test_an_unknown_machine_is_ended_already_and_cannot_be_changed(room):
    assert room.terminate("n-nothing")
    for change in (room.get, room.reboot, room.stop, room.start, room.preempt, room.fail):
        with pytest.raises(UnknownMachine):
            change("n-nothing")


def test_the_record_of_a_machine_holds_no_private_key(room, client):
    machine = room.make(MachineSpec("one", authorized_keys=(client.public,)))
    assert "PRIVATE" in (machine.folder / "host_key").read_text()
    assert (machine.folder / "host_key").stat().st_mode & 0o077 == 0
    assert "PRIVATE" not in (machine.folder / "machine.json").read_text()
    assert "PRIVATE" not in (room.path / "ledger.jsonl").read_text()


def test_a_room_in_a_folder_with_spaces_and_quotes_works(tmp_path, client, ssh):
    room = Room(tmp_path / 'a room\'s "folder"')
    machine = room.make(MachineSpec("one", authorized_keys=(client.public,)))
    room.wait(machine.id, MachineState.RUNNING)
    assert ssh.text(machine, "echo $HOME").strip() == str(machine.home)
    ssh.run(machine, "poweroff")
    _wait_for(lambda: not room.list())


@pytest.mark.skipif(os.getuid() != 0, reason="only root may become another user")
def test_a_normal_user_has_machines_too():
    as_nobody = [shutil.which("runuser") or pytest.skip("no runuser here"), "-u", "nobody", "--"]
    python = _python_for(as_nobody)
    code = (
        "import sys; from pathlib import Path; from arb_local.room import *\n"
        "room = Room(Path(sys.argv[1])); m = room.make(MachineSpec('one'))\n"
        "room.wait(m.id, MachineState.RUNNING); room.reboot(m.id)\n"
        "room.wait(m.id, MachineState.RUNNING)\n"
        "print(m.user, room.terminate(m.id), list(room.machines.iterdir()))"
    )
    folder = Path(tempfile.mkdtemp(prefix="arb-local-"))  # pytest's own are root's alone
    try:
        shutil.chown(folder, "nobody")
        command = [*as_nobody, *python, "-c", code, str(folder / "room")]
        output = subprocess.check_output(command, cwd="/", timeout=60)
        assert output.decode().split() == ["nobody", "True", "[]"]
    finally:
        shutil.rmtree(folder)


def _python_for(runner):
    """Find a Python with our packages that another user can run; env carries the packages."""
    packages = [p for p in sys.path if "site-packages" in p or p.endswith("src")]
    environment = ["env", f"PYTHONPATH={':'.join(packages)}"]
    for python in (os.path.realpath(sys.executable), "/usr/bin/python3"):
        command = [*runner, *environment, python, "-c", "import arb_local.room, asyncssh"]
        if subprocess.run(command, cwd="/", capture_output=True, check=False).returncode == 0:
            return [*environment, python]
    pytest.skip("no Python here that another user can run with our packages")


def _init(machine):
    return json.loads((machine.folder / "run" / "init.json").read_text())["pid"]


def _is_alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def _sleepers():
    """Find the living ``sleep`` processes of this test run."""
    wanted = f"sleep\0007{os.getpid()}\0".encode()
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if (entry / "cmdline").read_bytes() == wanted:
                found.append(int(entry.name))
        except OSError:
            continue
    return found


def _wait_for(condition, timeout_s=15):
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)
