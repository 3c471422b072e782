"""Daemon, wrapper, job and front ends are killed in every order."""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
import threading

import pytest

from arb.nodes.agent_client import JobState

WAIT = "echo up; while [ ! -e ~/go ]; do sleep 0.05; done; exit 7"

ORDERS = [
    order
    for count in (1, 2, 3, 4)
    for order in itertools.permutations(("daemon", "wrapper", "job", "client"), count)
    if count < 4 or order[0] == "daemon"
]


def _strike(node, job, phase, who, *, kill, client=None):
    if who == "daemon":
        node.kill_agent()
    elif who == "wrapper":
        kill(node.wrapper(job, phase))
    elif who == "job":
        kill(*(pid for pid in node.marked(job) if pid != node.wrapper(job, phase)))
    else:
        client._channel.process.kill()


def slowly(orders):
    """Leave what kills three and more to the slow tests: each pair of neighbours is tried always."""
    marks = {True: (), False: pytest.mark.slow}
    return [pytest.param(order, marks=marks[len(order) <= 2]) for order in orders]


@pytest.mark.parametrize("order", slowly(ORDERS), ids="-".join)
def test_the_end_is_recorded_and_nothing_is_left(node, order, kill, until, finished):
    client, job = node.run(WAIT)
    node.says(job, "up")
    for who in order:
        _strike(node, job, "run", who, kill=kill, client=client)
    if not {"wrapper", "job"} & set(order):
        (node.home / "go").touch()
    done = finished(node.connect(), job)
    if "wrapper" in order and "job" in order:
        # Whoever was faster; a code that was recorded is the right one.
        allowed = [(JobState.LOST, None), (JobState.FAILED, 137)]
    elif "wrapper" in order:
        allowed = [(JobState.LOST, None)]
    else:
        allowed = [(JobState.FAILED, 137 if "job" in order else 7)]
    assert (done.state, done.exit_code) in allowed
    assert node.marked(job) == []
    node.kill_agent()
    again = node.connect().job(job)
    assert (again.state, again.exit_code) == (done.state, done.exit_code)


@pytest.mark.parametrize("who", ["daemon", "wrapper", "job"])
def test_deaths_in_setup_are_recorded_too(node, who, kill, finished):
    client, job = node.run("echo ran", setup=WAIT.replace("exit 7", "exit 0"))
    node.says(job, "up")
    _strike(node, job, "setup", who, kill=kill, client=client)
    (node.home / "go").touch()
    done = finished(node.connect(), job)
    expected = {
        "daemon": (JobState.SUCCEEDED, 0),
        "wrapper": (JobState.LOST, None),
        "job": (JobState.FAILED_SETUP, 137),
    }
    assert (done.state, done.exit_code) == expected[who]
    assert ("ran" in node.log(job)) is (who == "daemon")
    assert node.marked(job) == []


def test_a_lost_job_says_what_was_killed(node, kill, finished):
    client, job = node.run(WAIT)
    node.says(job, "up")
    kill(node.wrapper(job))
    assert finished(client, job).reason == "the wrapper of its run was killed"


def test_the_end_is_recorded_while_no_daemon_lives(node, until, finished):
    _client, job = node.run(WAIT)
    node.says(job, "up")
    node.kill_agent()
    (node.home / "go").touch()
    until(lambda: node.job_file(job, "run.exit").exists())
    done = finished(node.connect(), job)
    assert (done.state, done.exit_code) == (JobState.FAILED, 7)


def test_the_keeper_starts_another_daemon_without_any_client(node, kill, until):
    _, job = node.run(WAIT)
    node.says(job, "up")
    waiting = node.connect().submit(token="next", run="echo next", gpus=0)
    daemon = node.daemon()
    for client in node.clients:
        client._channel.process.kill()
    kill(daemon)
    until(lambda: "next" in node.log(waiting))
    (node.home / "go").touch()
    until(lambda: '"state":"FAILED"' in node.job_file(job, "state.json").read_text())
    assert node.daemon() != daemon


def test_the_daemon_starts_where_nothing_in_the_home_can_be_executed(node, kill):
    node.kill_agent()
    (node.arb / "bin" / "arb-agent").chmod(0o600)  # as on a mount with noexec
    assert node.daemon()
    assert node.keeper()


@pytest.mark.parametrize("how", ["request", "signal", "two-signals"])
def test_a_daemon_that_was_told_to_end_stays_away_until_needed(node, how, until, alive):
    client, job = node.run(WAIT)
    node.says(job, "up")
    daemon, keeper = node.daemon(), node.keeper()
    if how == "request":
        client.call("shutdown")
    else:
        client._channel.process.kill()
        os.kill(daemon, signal.SIGTERM)
        if how == "two-signals":
            with contextlib.suppress(ProcessLookupError):
                os.kill(daemon, signal.SIGTERM)
    until(lambda: not alive(keeper) and not alive(daemon))
    assert node.marked(job)
    again = node.connect() if how != "request" else client
    assert again.job(job).state is JobState.RUNNING
    assert again.call("status")["pid"] != daemon


def test_queued_jobs_survive_the_daemon(make_cluster, finished):
    cluster = make_cluster(1, gpus_per_node=1)
    first = cluster.submit(WAIT, gpus=1)
    second = cluster.submit("echo $S", gpus=1, secrets={"S": "kept"})
    cluster.head.says(first, "up")
    cluster.head.kill_agent()
    with cluster.head.connect() as client:
        assert client.job(second).state is JobState.PENDING
        (cluster.head.home / "go").touch()
        assert finished(client, second).state is JobState.SUCCEEDED
    assert cluster.head.log(second) == "kept\n"


def test_a_cancel_goes_on_after_the_daemon_died(node, until, finished):
    node.env["ARB_AGENT_GRACE_S"] = "1.5"
    client, job = node.run("trap '' TERM; echo up; while :; do sleep 1; done")
    node.says(job, "up")
    client.cancel([job])
    node.kill_agent()
    assert finished(node.connect(), job).state is JobState.CANCELLED
    assert node.marked(job) == []


@pytest.mark.parametrize("delay_ms", [0, 1, 2, 3, 5, 8, 13, 21])
def test_a_submit_that_meets_a_dying_daemon_makes_one_job(node, delay_ms, kill, finished):
    client = node.connect()
    daemon = client.call("status")["pid"]
    killer = threading.Timer(delay_ms / 1000, os.kill, (daemon, signal.SIGKILL))
    killer.start()
    jobs = {client.submit(token=f"t{n}", run=f"echo {n} >> ~/ran; sleep 0.01") for n in range(9)}
    killer.join()
    assert jobs == set(range(1, 10))
    for job in jobs:
        assert finished(client, job).state is JobState.SUCCEEDED
    assert sorted((node.home / "ran").read_text().split()) == [str(n) for n in range(9)]


def test_one_damaged_job_does_not_stop_the_agent(node, finished):
    _client, job = node.run(WAIT)
    node.says(job, "up")
    node.kill_agent()
    node.job_file(job, "state.json").write_text('{"state": "RUNNING", "rank_state": "RUNNING"}')
    lost = node.connect().job(job)
    assert (lost.state, lost.reason) == (JobState.LOST, "its state was damaged")
    _client, other = node.run("echo fine")
    node.says(other, "fine")


def test_a_phase_that_was_about_to_start_is_started_once(node, until, finished):
    _client, job = node.run("echo ran", setup="echo up; while [ ! -e ~/go ]; do sleep 0.05; done")
    node.says(job, "up")
    node.kill_agent()
    # As if the daemon had died between writing that it runs and starting it.
    (node.home / "go").touch()
    until(lambda: node.job_file(job, "setup.exit").exists())
    state = node.job_file(job, "state.json")
    state.write_text(
        state.read_text().replace('"rank_state":"SETTING_UP"', '"rank_state":"RUNNING"')
    )
    node.job_file(job, "run.sh").write_text("echo ran\n")  # is written first
    assert finished(node.connect(), job).state is JobState.SUCCEEDED
    assert node.log(job) == "up\nran\n"


def test_a_client_that_follows_a_log_sees_the_end_across_a_dead_daemon(node):
    client, job = node.run(WAIT)
    log = client.logs(job, follow=True)
    chunks = iter(log)
    assert next(chunks) == b"up\n"
    node.kill_agent()
    (node.home / "go").touch()
    assert list(chunks) == []
    assert (log.state, log.exit_code) == (JobState.FAILED, 7)


# Gangs -------------------------------------------------------------------------------------------

DAEMONS = [order for count in (1, 2) for order in itertools.permutations(("head", "peer"), count)]


@pytest.mark.parametrize("order", DAEMONS, ids="-".join)
@pytest.mark.parametrize("phase", ["setup", "run"])
def test_a_gang_survives_its_daemons(make_cluster, order, phase, kill, until):
    cluster = make_cluster()
    parts = {"setup": "echo ready", "run": "echo ran", phase: WAIT.replace("exit 7", "exit 0")}
    job = cluster.submit(parts["run"], setup=parts["setup"])
    cluster.say(job, "up")
    for who in order:
        kill(cluster.nodes[("head", "peer").index(who)].daemon())
    for node in cluster.nodes:
        (node.home / "go").touch()
    done = cluster.finished(job)
    assert (done.state, done.reason) == (JobState.SUCCEEDED, "")
    assert all(rank.state is JobState.SUCCEEDED for rank in done.ranks)


@pytest.mark.parametrize("how", ["died", "rebooted"])
def test_a_gang_without_setup_loses_nothing_before_it_runs(make_cluster, how, kill, until):
    cluster = make_cluster()
    (cluster.folder / "rank-1.down").touch()
    job = cluster.submit("echo ran")
    until(lambda: cluster.client.job(job).ranks, "the head to be prepared")
    if how == "died":
        kill(cluster.head.daemon())
    else:
        cluster.head.reboot()
    cluster.mend(1)
    done = cluster.finished(job)
    assert (done.state, done.reason) == (JobState.SUCCEEDED, "")


@pytest.mark.parametrize("rank", [0, 1], ids=["head", "peer"])
@pytest.mark.parametrize("who", ["wrapper", "job"])
@pytest.mark.parametrize(
    "daemons",
    [
        pytest.param((), id="none"),
        pytest.param((0,), id="head", marks=pytest.mark.slow),
        pytest.param((1,), id="peer", marks=pytest.mark.slow),
        pytest.param((0, 1), id="both"),
    ],
)
def test_a_gang_ends_together(make_cluster, rank, who, daemons, kill):
    cluster = make_cluster()
    job = cluster.submit(WAIT)
    cluster.say(job, "up")
    for number in daemons:
        kill(cluster.nodes[number].daemon())
    _strike(cluster.nodes[rank], job, "run", who, kill=kill)
    done = cluster.finished(job)
    expected = (JobState.LOST, None) if who == "wrapper" else (JobState.FAILED, 137)
    assert (done.state, done.exit_code) == expected
    assert done.reason.startswith(f"rank {rank} (127.0.0.{rank + 1}): ")
    cluster.nothing_left(job)


def test_a_head_that_stays_away_loses_the_gang(make_cluster, until):
    cluster = make_cluster()
    job = cluster.submit(WAIT)
    cluster.say(job, "up")
    cluster.client._channel.process.kill()
    cluster.head.kill_agent()
    until(lambda: not cluster.nodes[1].marked(job), "the peer's lease to end")
    assert cluster.head.marked(job)
    done = cluster.finished(job)
    assert (done.state, done.reason) == (
        JobState.GANG_LOST,
        "rank 1 (127.0.0.2): rank 0 was not heard of for 3 s",
    )
    cluster.nothing_left(job)


def test_a_silent_session_is_replaced(make_cluster, until, kill):
    cluster = make_cluster()
    job = cluster.submit(WAIT.replace("exit 7", "exit 0"))
    cluster.say(job, "up")
    (silent,) = cluster.front_ends(1)
    os.kill(silent, signal.SIGSTOP)
    until(lambda: set(cluster.front_ends(1)) - {silent}, "a new session")
    kill(silent)
    for node in cluster.nodes:
        (node.home / "go").touch()
    assert cluster.finished(job).state is JobState.SUCCEEDED
