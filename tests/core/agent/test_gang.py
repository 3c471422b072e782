from __future__ import annotations

import re
import time

import pytest

from arb.nodes.agent_client import JobState


def test_all_ranks_run_and_every_log_is_on_its_node(make_cluster):
    cluster = make_cluster(3)
    job = cluster.submit("echo rank $SKYPILOT_NODE_RANK of $ARB_NUM_NODES; echo $SKYPILOT_NODE_IPS")
    done = cluster.finished(job)
    assert (done.state, done.exit_code, done.reason) == (JobState.SUCCEEDED, 0, "")
    assert [(r.rank, r.state, r.exit_code) for r in done.ranks] == [
        (n, JobState.SUCCEEDED, 0) for n in range(3)
    ]
    for rank, node in enumerate(cluster.nodes):
        assert node.log(job) == f"rank {rank} of 3\n127.0.0.1 127.0.0.2 127.0.0.3\n"


def test_no_rank_runs_before_all_are_set_up(make_cluster, until):
    cluster = make_cluster()
    slow = "echo setup; while [ $SKYPILOT_SETUP_NODE_RANK = 1 -a ! -e ~/go ]; do sleep 0.02; done"
    job = cluster.submit("echo run", setup=slow)
    cluster.say(job, "setup")
    until(lambda: cluster.client.job(job).ranks[0].state is JobState.PREPARED)
    assert cluster.client.job(job).state is JobState.SETTING_UP
    assert "run" not in cluster.head.log(job)
    (cluster.nodes[1].home / "go").touch()
    assert cluster.finished(job).state is JobState.SUCCEEDED
    cluster.say(job, "run")


@pytest.mark.parametrize("bad", [0, 1], ids=["head", "peer"])
def test_a_failing_rank_stops_the_others(make_cluster, bad):
    cluster = make_cluster()
    job = cluster.submit(f"echo up; [ $ARB_NODE_RANK = {bad} ] && sleep 0.2 && exit 9; sleep 600")
    done = cluster.finished(job)
    assert (done.state, done.exit_code) == (JobState.FAILED, 9)
    assert done.reason == f"rank {bad} (127.0.0.{bad + 1}): ended with exit code 9"
    assert done.ranks[1 - bad].state is JobState.CANCELLED
    cluster.nothing_left(job)


@pytest.mark.parametrize("bad", [0, 1], ids=["head", "peer"])
def test_a_failing_setup_stops_all_before_they_run(make_cluster, bad):
    cluster = make_cluster()
    job = cluster.submit("echo run", setup=f"[ $ARB_NODE_RANK = {bad} ] && exit 4; sleep 0.2")
    done = cluster.finished(job)
    assert (done.state, done.exit_code) == (JobState.FAILED_SETUP, 4)
    assert done.reason == f"rank {bad} (127.0.0.{bad + 1}): setup ended with exit code 4"
    assert cluster.head.log(job) == cluster.nodes[1].log(job) == ""


def test_a_rank_that_ends_well_does_not_stop_the_others(make_cluster):
    cluster = make_cluster()
    job = cluster.submit("[ $ARB_NODE_RANK = 1 ] || { sleep 0.5; echo late; }")
    assert cluster.finished(job).state is JobState.SUCCEEDED
    assert cluster.head.log(job) == "late\n"


def test_cancel_stops_all_ranks(make_cluster):
    cluster = make_cluster()
    job = cluster.submit("echo up; setsid sleep 600")
    cluster.say(job, "up")
    cluster.client.cancel([job])
    done = cluster.finished(job)
    assert (done.state, done.reason) == (JobState.CANCELLED, "cancelled on request")
    cluster.nothing_left(job)


def test_cancel_does_not_wait_for_a_peer_that_was_never_reached(make_cluster, until):
    cluster = make_cluster()
    (cluster.folder / "rank-1.down").touch()
    job = cluster.submit("echo never")
    until(lambda: cluster.client.job(job).ranks)
    cluster.client.cancel([job])
    done = cluster.finished(job, patience_s=2)
    assert done.state is JobState.CANCELLED
    assert [rank.state for rank in done.ranks] == [JobState.CANCELLED] * 2
    assert cluster.head.log(job) == ""


def test_the_gang_goes_on_without_the_client(make_cluster):
    cluster = make_cluster()
    job = cluster.submit("echo up; sleep 0.5; [ $ARB_NODE_RANK = 1 ] && exit 5; sleep 600")
    cluster.client._channel.process.kill()
    done = cluster.finished(job)
    assert (done.state, done.exit_code) == (JobState.FAILED, 5)


def test_the_pair_that_cannot_meet_is_named(make_cluster, configure, free_port):
    cluster = make_cluster(2)
    # Reserved for documentation: no packet to it is ever answered.
    configure(cluster.nodes, free_port, ips=["192.0.2.1", "127.0.0.2"])
    done = cluster.finished(cluster.submit("echo never"))
    assert done.state is JobState.FAILED_PRECHECK
    pair = "rank 1 (127.0.0.2) does not reach rank 0 (192.0.2.1)"
    assert re.match(rf"{re.escape(pair)} on port \d+: \w", done.reason)
    assert cluster.head.log(1) == cluster.nodes[1].log(1) == ""


def test_two_gangs_beside_each_other_get_ports_of_their_own(make_cluster):
    cluster = make_cluster()
    script = "echo port=$ARB_RENDEZVOUS_PORT; sleep 600"
    first, second = cluster.submit(script), cluster.submit(script)
    cluster.say(first, "port=")
    cluster.say(second, "port=")
    assert cluster.head.log(first) == cluster.nodes[1].log(first)
    assert cluster.head.log(second) == cluster.nodes[1].log(second)
    assert cluster.head.log(first) != cluster.head.log(second)


def test_a_node_without_ssh_says_so_at_once(make_cluster, tmp_path):
    cluster = make_cluster()
    (tmp_path / "bin" / "ssh").unlink()
    for node in cluster.nodes:
        node.env["PATH"] = f"{tmp_path / 'tools' / node.home.name}:{_bare(tmp_path)}"
    cluster.head.kill_agent()
    job = cluster.submit("echo never")
    done = cluster.finished(job)
    assert done.state is JobState.FAILED_PRECHECK
    assert done.reason == "rank 0 (127.0.0.1): there is no ssh command"


def _bare(tmp_path):
    """Return a folder with the few tools that the agent itself needs, and no ssh."""
    folder = tmp_path / "bare"
    folder.mkdir(exist_ok=True)
    for name in ("sh", "bash", "mv", "rm", "sleep", "cat"):
        if not (folder / name).exists():
            (folder / name).symlink_to(f"/bin/{name}")
    return folder


def test_a_peer_that_is_never_reached_is_named(make_cluster):
    cluster = make_cluster()
    (cluster.folder / "rank-1.down").touch()
    done = cluster.finished(cluster.submit("echo never"))
    assert done.state is JobState.FAILED_PRECHECK
    assert done.reason == (
        "rank 0 (127.0.0.1) does not reach rank 1 (127.0.0.2): "
        "ssh: connect to host rank-1 port 22: No route to host"
    )
    assert cluster.head.log(1) == ""


@pytest.mark.parametrize("when", ["before-go", "at-go"])
def test_messages_that_are_lost_around_the_start_are_said_again(make_cluster, until, when, kill):
    cluster = make_cluster()
    gate = "echo setup; while [ $SKYPILOT_SETUP_NODE_RANK = 1 -a ! -e ~/go ]; do sleep 0.01; done"
    job = cluster.submit("echo run", setup=gate)
    cluster.say(job, "setup")
    if when == "at-go":
        (cluster.nodes[1].home / "go").touch()
    kill(*cluster.front_ends(1))
    (cluster.nodes[1].home / "go").touch()
    assert cluster.finished(job).state is JobState.SUCCEEDED
    for node in cluster.nodes:
        assert node.log(job) == "setup\nrun\n"


def test_nodes_of_different_pythons_form_a_gang(make_node, python, tmp_path, make_cluster):
    cluster = make_cluster()
    tool = tmp_path / "tools" / "rank-1" / "python3"
    with cluster.nodes[1].connect() as client:
        client.hello()
    cluster.nodes[1].end()
    tool.unlink()
    tool.symlink_to(python)
    for file in cluster.nodes[1].arb.glob("agent/*/ready"):
        file.unlink()
    assert cluster.finished(cluster.submit("echo both")).state is JobState.SUCCEEDED


def test_a_short_cut_is_survived(make_cluster, until):
    cluster = make_cluster()
    job = cluster.submit("echo up; while [ ! -e ~/go ]; do sleep 0.05; done; echo end")
    cluster.say(job, "up")
    cluster.cut(1)
    time.sleep(0.3)
    cluster.mend(1)
    until(lambda: cluster.front_ends(1), "a new session")
    for node in cluster.nodes:
        (node.home / "go").touch()
    assert cluster.finished(job).state is JobState.SUCCEEDED


def test_a_lost_lease_stops_both_sides_as_gang_lost(make_cluster, until):
    cluster = make_cluster()
    job = cluster.submit("echo up; sleep 600")
    cluster.say(job, "up")
    cluster.cut(1)
    done = cluster.finished(job)
    assert done.state is JobState.GANG_LOST
    assert done.reason.startswith("rank 1 (127.0.0.2) was not heard of for 3 s: ssh: connect to")
    cluster.nothing_left(job)
    with cluster.nodes[1].connect() as client:
        peer = client.job(job)
    assert (peer.state, peer.reason) == (
        JobState.GANG_LOST,
        "rank 0 was not heard of for 3 s",
    )
    # Nobody was terminated: the same nodes take the next job.
    cluster.mend(1)
    assert cluster.finished(cluster.submit("echo next")).state is JobState.SUCCEEDED
