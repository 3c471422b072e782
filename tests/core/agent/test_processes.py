"""A job's processes: whose they are, what they begin with, how they end."""

from __future__ import annotations

import os
import subprocess
from types import SimpleNamespace

import pytest

from arb.nodes.agent import jobs, procs
from arb.nodes.agent.rank import Rank
from arb.nodes.agent_client import JobState


def test_a_number_that_another_process_has_by_now_is_not_ours():
    me = procs.stat(os.getpid())
    assert procs.is_alive(me.pid, me.start)
    assert not procs.is_alive(me.pid, me.start - 1)
    with subprocess.Popen(["sleep", "60"], start_new_session=True) as other:
        start = procs.stat(other.pid).start
        try:
            assert procs.of_job("no-such-mark", [(other.pid, start)]) == {other.pid: other.pid}
            assert procs.of_job("no-such-mark", [(other.pid, start - 1)]) == {}
        finally:
            other.kill()


def test_processes_that_the_system_hides_are_none_of_ours(monkeypatch):
    def hide(path, *_args):
        raise PermissionError(path)

    monkeypatch.setattr("builtins.open", hide)
    assert procs.everything() == []
    assert procs.of_job("any") == {}


class Killed(Exception):
    """Where a test lets the daemon die."""


def test_a_phase_is_whole_on_disk_before_the_state_says_that_it_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "jobs").mkdir()
    spec, _ = jobs.read_spec({"run": "echo ran"})
    job = jobs.JobStore().add(spec, {}, state=jobs.RUNNING)
    save = job.save

    def save_and_die(**changes):
        save(**changes)
        if changes.get("rank_state") == jobs.RUNNING:
            raise Killed

    rank = Rank(SimpleNamespace(), {}, job, lambda: None)
    rank.start()
    monkeypatch.setattr(job, "save", save_and_die)
    with pytest.raises(Killed):
        rank.go()
    for name in ("env.sh", "wrapper.sh", "run.sh"):
        assert (tmp_path / "jobs" / "1" / name).read_text()


HYDRA = """
import os, signal, time
for number in (signal.SIGTERM, signal.SIGCHLD):
    signal.signal(number, signal.SIG_IGN)
print("up", flush=True)
end = time.monotonic() + 30
for _ in range(8):
    if not os.fork():
        while time.monotonic() < end:
            time.sleep(0.001)  # numbers are scarce where the kernel has 32768
            if os.fork():
                os._exit(0)
        os._exit(0)
time.sleep(30)
"""


@pytest.mark.parametrize("phase", ["setup", "run"])
def test_a_phase_that_gets_no_process_ends_its_job_alone(tmp_path, monkeypatch, phase):
    """As while a fork bomb runs: an agent that died of it could not be started again."""

    def no_more(*_args, **_kw):
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.chdir(tmp_path)
    (tmp_path / "jobs").mkdir()
    spec, secrets = jobs.read_spec({phase: "true", "secrets": {"S": "secret"}})
    job = jobs.JobStore().add(spec, secrets)
    rank = Rank(SimpleNamespace(), {}, job, lambda: None)
    monkeypatch.setattr(procs, "spawn", no_more)
    rank.start()
    rank.go()
    assert (rank.state, job.state["rank_reason"]) == (
        jobs.LOST,
        "it could not be started: Resource temporarily unavailable",
    )
    assert not list(tmp_path.rglob("secrets*"))


def test_cancel_ends_what_never_keeps_its_process_id(node, finished):
    (node.home / "hydra.py").write_text(HYDRA)
    client, job = node.run("exec python3 ~/hydra.py")
    node.says(job, "up")
    client.cancel([job])
    assert finished(client, job).state is JobState.CANCELLED
    assert node.marked(job) == []


def test_a_job_may_signal_its_whole_process_group(node, finished):
    names = "HUP INT QUIT ALRM TERM USR1 USR2 PIPE"
    script = f"for name in {names}; do trap '' $name; kill -$name 0; done; sleep 0.1; exit 5"
    client, job = node.run(script)
    done = finished(client, job)
    assert (done.state, done.exit_code) == (JobState.FAILED, 5)


def test_a_job_begins_with_every_signal_as_usual(node, finished):
    client, job = node.run("grep -E '^Sig(Ign|Blk)' /proc/self/status")
    finished(client, job)
    assert node.log(job) == f"SigBlk:\t{0:016x}\nSigIgn:\t{0:016x}\n"
