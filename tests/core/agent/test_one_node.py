from __future__ import annotations

import json
import time
import uuid

import pytest

from arb.errors import NodeError
from arb.nodes.agent_client import JobState


def _log(client, job, **more):
    log = client.logs(job, follow=True, **more)
    return b"".join(log), log


def test_a_job_runs_and_its_exit_code_and_log_come_back(make_node, python):
    node = make_node(python=python)
    client, job = node.run("echo out; echo err >&2; exit 7")
    data, log = _log(client, job)
    assert data == b"out\nerr\n"
    assert (log.state, log.exit_code) == (JobState.FAILED, 7)


def test_setup_runs_first_in_the_same_place(make_node, python):
    node = make_node(python=python)
    (node.home / "sky_workdir").mkdir()
    client, job = node.run("pwd; cat made", setup="echo by setup > made")
    data, log = _log(client, job)
    assert data.decode() == f"{node.home}/sky_workdir\nby setup\n"
    assert log.state is JobState.SUCCEEDED


def test_a_failing_setup_never_runs_the_job(node):
    client, job = node.run("echo never", setup="exit 3")
    data, log = _log(client, job)
    assert data == b""
    assert (log.state, log.exit_code) == (JobState.FAILED_SETUP, 3)
    assert log.reason == "setup ended with exit code 3"


def test_what_the_system_refuses_the_agent_is_told(node):
    client, job = node.run("true")
    _log(client, job)
    jobs = node.home / ".arb" / "jobs"
    jobs.rename(node.home / ".arb" / "old-jobs")
    jobs.touch()  # as with a full disk: nothing can be made in it
    with pytest.raises(NodeError, match=r"could not serve 'submit': \w+"):
        client.submit(token="another", run="true")


def test_ranks_know_where_they_are(make_cluster):
    cluster = make_cluster(1)
    script = "env | grep -E '^(SKYPILOT|ARB)_' | sort"
    job = cluster.submit(script, task_id="task-9", user="ann", envs={"SKYPILOT_X": "1"})
    data, _ = _log(cluster.client, job)
    seen = dict(line.split("=", 1) for line in data.decode().splitlines())
    for prefix in ("SKYPILOT_", "ARB_"):
        assert seen[prefix + "NODE_IPS"] == "127.0.0.1"
        assert seen[prefix + "NODE_RANK"] == "0"
        assert seen[prefix + "NUM_NODES"] == "1"
        assert seen[prefix + "NUM_GPUS_PER_NODE"] == "0"
        assert seen[prefix + "TASK_ID"] == "task-9"
        assert seen[prefix + "INTERNAL_JOB_ID"] == "1"
        assert seen[prefix + "USER"] == "ann"
        assert json.loads(seen[prefix + "CLUSTER_INFO"])["cluster_name"] == "trial"
    assert seen["SKYPILOT_SETUP_NODE_IPS"] == "127.0.0.1"
    assert seen["SKYPILOT_SETUP_NODE_RANK"] == "0"
    assert seen["SKYPILOT_X"] == "1"


@pytest.mark.parametrize(
    "value",
    ["it's", 'a "b" $HOME `x` \\', "two\nlines", "", "grün 🌍"],
    ids=["quote", "shell", "lines", "empty", "unicode"],
)
def test_values_reach_the_job_unchanged(node, value):
    client, job = node.run('printf %s "$A|$B"', envs={"A": value}, secrets={"B": value})
    assert _log(client, job)[0].decode() == f"{value}|{value}"


@pytest.mark.parametrize("names", [{"A B": "x"}, {"1A": "x"}, {"A": 1}, {"A": "x\0"}])
def test_variables_that_cannot_be_are_refused(node, names):
    with pytest.raises(NodeError) as error:
        node.run("true", envs=names)
    assert error.value.code == "bad-env"


def test_the_same_token_is_the_same_job(node):
    client = node.connect()
    first = client.submit(token="once", run="true")
    assert client.submit(token="once", run="true") == first
    assert node.connect().submit(token="once", run="true") == first
    assert client.submit(token="twice", run="true") == first + 1


def test_numbers_count_from_one_and_jobs_are_listed_in_order(node, finished):
    client = node.connect()
    numbers = [client.submit(token=uuid.uuid4().hex, run="true", name=n) for n in "abc"]
    assert numbers == [1, 2, 3]
    for number in numbers:
        finished(client, number)
    assert [(j.id, j.name, j.state) for j in client.jobs()] == [
        (1, "a", JobState.SUCCEEDED),
        (2, "b", JobState.SUCCEEDED),
        (3, "c", JobState.SUCCEEDED),
    ]


def test_unknown_jobs_and_operations_say_so(node):
    client = node.connect()
    for call, code in [
        (lambda: client.job(5), "no-such-job"),
        (lambda: list(client.logs(5)), "no-such-job"),
        (lambda: client.cancel([5]), "no-such-job"),
        (lambda: client.call("dance"), "unknown-op"),
    ]:
        with pytest.raises(NodeError) as error:
            call()
        assert error.value.code == code


def test_jobs_that_fit_on_no_node_are_refused(make_cluster):
    cluster = make_cluster(1, gpus_per_node=2)
    for fields, code in [({"gpus": 3}, "too-many-gpus"), ({"num_nodes": 2}, "too-many-nodes")]:
        with pytest.raises(NodeError) as error:
            cluster.submit("true", **fields)
        assert error.value.code == code


def test_gpu_jobs_wait_for_free_gpus_and_see_only_theirs(make_cluster, until):
    cluster = make_cluster(1, gpus_per_node=2)
    show = 'echo "gpus=[$CUDA_VISIBLE_DEVICES]"; '
    first = cluster.submit(show + "sleep 60", gpus=1)
    second = cluster.submit(show + "sleep 60", gpus=1)
    both = cluster.submit(show, gpus=2)
    none = cluster.submit("echo free")
    cluster.head.says(first, "gpus=[0]")
    cluster.head.says(second, "gpus=[1]")
    cluster.head.says(none, "free")
    assert cluster.client.job(both).state is JobState.PENDING
    cluster.client.cancel([first])
    until(lambda: cluster.client.job(first).state.is_final)
    assert cluster.client.job(both).state is JobState.PENDING
    cluster.client.cancel([second])
    cluster.head.says(both, "gpus=[]")


def test_cancel_ends_daemonised_children_too(node, until, finished):
    script = """
    setsid sh -c 'trap "" TERM; echo stubborn; while :; do sleep 1; done' &
    (setsid sleep 600 >/dev/null 2>&1 </dev/null &)
    echo started; wait
    """
    client, job = node.run(script)
    node.says(job, "stubborn")
    node.says(job, "started")
    assert client.cancel([job]) == [job]
    done = finished(client, job)
    assert (done.state, done.reason) == (JobState.CANCELLED, "cancelled on request")
    assert node.marked(job) == []


def test_cancel_lets_a_job_clean_up(node, finished):
    client, job = node.run(
        "trap 'echo saved; exit 0' TERM; echo up; while :; do sleep 0.05; done", grace_s=15
    )
    node.says(job, "up")
    client.cancel([job])
    finished(client, job)
    # In between bash may say that its sleep was terminated.
    assert node.log(job).splitlines()[-1] == "saved"


def test_pending_jobs_are_cancelled_at_once(make_cluster, finished):
    cluster = make_cluster(1, gpus_per_node=1)
    first = cluster.submit("sleep 60", gpus=1)
    waiting = cluster.submit("echo never", gpus=1, secrets={"S": "hidden"})
    assert cluster.client.cancel(everything=True) == [first, waiting]
    assert finished(cluster.client, waiting).state is JobState.CANCELLED
    finished(cluster.client, first)
    assert cluster.head.log(waiting) == ""
    assert not cluster.head.job_file(waiting, "secrets.json").exists()


def test_what_a_run_leaves_behind_is_ended_with_it(node, finished):
    client, job = node.run("(setsid sleep 600 </dev/null >/dev/null 2>&1 &) ; exit 0")
    assert finished(client, job).state is JobState.SUCCEEDED
    assert node.marked(job) == []


def test_what_setup_leaves_running_serves_the_run_and_later_jobs(node, finished):
    client, job = node.run("true", setup="(setsid sleep 600 </dev/null >/dev/null 2>&1 &)")
    assert finished(client, job).state is JobState.SUCCEEDED
    assert len(node.marked(job)) == 1


def test_logs_start_at_an_offset_or_some_lines_before_the_end(node, finished):
    client, job = node.run("seq 1 2000")
    finished(client, job)
    whole = "".join(f"{n}\n" for n in range(1, 2001)).encode()
    log = client.logs(job)
    assert b"".join(log) == whole
    assert log.offset == len(whole)
    assert b"".join(client.logs(job, offset=1000)) == whole[1000:]
    assert b"".join(client.logs(job, tail=3)) == b"1998\n1999\n2000\n"
    assert b"".join(client.logs(job, tail=5000)) == whole
    assert b"".join(client.logs(job, tail=0)) == b""


def test_binary_output_comes_back_byte_for_byte(node):
    client, job = node.run("head -c 300000 /dev/urandom | tee copy")
    data, _ = _log(client, job)
    assert data == (node.home / "copy").read_bytes()


def test_a_log_is_followed_while_it_grows(node):
    client, job = node.run("echo one; while [ ! -e go ]; do sleep 0.01; done; echo two")
    chunks = iter(client.logs(job, follow=True))
    assert next(chunks) == b"one\n"
    (node.home / "go").touch()
    assert next(chunks) == b"two\n"


def test_calls_are_answered_while_a_log_is_followed(node):
    # One process: bash would tell the log that a child of it was terminated.
    client, job = node.run("echo one; exec sleep 60")
    log = client.logs(job, follow=True)
    chunks = iter(log)
    next(chunks)
    client.cancel([job])
    assert list(chunks) == []
    assert log.state is JobState.CANCELLED


def test_a_log_can_be_waited_for_before_the_job_is_known(make_cluster):
    cluster = make_cluster()
    job = 1
    client = cluster.nodes[1].connect()
    log = client.logs(job, follow=True, wait=True)
    chunks = iter(log)
    with pytest.raises(NodeError):
        client.job(job)
    assert cluster.submit("echo rank $ARB_NODE_RANK") == job
    assert list(chunks) == [b"rank 1\n"]
    assert log.state is JobState.SUCCEEDED


def test_the_log_of_another_rank_is_elsewhere(node, finished):
    client, job = node.run("true")
    finished(client, job)
    assert len(list(client.stream("logs", job=job, rank=0))) == 1
    with pytest.raises(NodeError) as error:
        list(client.stream("logs", job=job, rank=1))
    assert error.value.code == "wrong-node"


def test_a_job_may_choose_its_grace(node, finished):
    node.env["ARB_AGENT_GRACE_S"] = "60"
    client, job = node.run("trap '' TERM; echo up; while :; do sleep 1; done", grace_s=0)
    node.says(job, "up")
    client.cancel([job])
    assert finished(client, job, 5).state is JobState.CANCELLED


def test_a_log_of_50_megabytes_streams_fast(node):
    client, job = node.run("yes 0123456789abcdef0123456789abcdef | head -c 50000000")
    began = time.monotonic()
    total = sum(len(chunk) for chunk in client.logs(job, follow=True))
    assert total == 50_000_000
    assert time.monotonic() - began < 10


def test_a_node_that_changes_clusters_forgets_the_old_jobs(make_cluster, until, finished):
    cluster = make_cluster(1)
    job = cluster.submit("sleep 60")
    other = {"cluster": "next", "cluster_id": "zzzzzzzz", "rank": 0, "num_nodes": 1}
    with pytest.raises(NodeError) as error:
        cluster.client.call("configure", **other)
    assert error.value.code == "busy"
    cluster.client.cancel([job])
    finished(cluster.client, job)
    cluster.client.call("configure", **other)
    assert cluster.client.jobs() == []
    assert cluster.client.call("status")["cluster"] == "next"


def test_status_tells_when_nothing_happens(node, until, finished):
    client, job = node.run("sleep 60")
    assert client.call("status")["jobs_active"] == 1
    assert client.call("status")["idle_s"] < 0.01
    client.cancel([job])
    finished(client, job)
    assert client.call("status")["jobs_active"] == 0
    until(lambda: client.call("status")["idle_s"] > 0.1)


def test_a_node_that_owns_some_gpus_of_a_machine_hands_out_those(make_node, configure, until):
    node = make_node(CUDA_VISIBLE_DEVICES="4,GPU-abc")
    configure([node], 29500, gpus_per_node=2)
    client, first = node.run('echo "gpus=[$CUDA_VISIBLE_DEVICES]"; sleep 600', gpus=1)
    second = client.submit(token="2", run='echo "gpus=[$CUDA_VISIBLE_DEVICES]"', gpus=1)
    node.says(first, "gpus=[4]")
    node.says(second, "gpus=[GPU-abc]")
