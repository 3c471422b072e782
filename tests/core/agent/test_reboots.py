from __future__ import annotations

import subprocess

from arb.nodes.agent_client import JobState

WAIT = "echo up; while [ ! -e ~/go ]; do sleep 0.05; done"


def test_running_jobs_are_lost_and_queued_ones_start(make_cluster, finished):
    cluster = make_cluster(1, gpus_per_node=1)
    running = cluster.submit(WAIT, gpus=1, secrets={"S": "gone"})
    queued = cluster.submit("echo $S", gpus=1, secrets={"S": "kept"})
    cluster.head.says(running, "up")
    cluster.head.reboot()
    with cluster.head.connect() as client:
        lost = finished(client, running)
        assert (lost.state, lost.reason) == (JobState.LOST, "reboot")
        assert finished(client, queued).state is JobState.SUCCEEDED
    assert cluster.head.log(queued) == "kept\n"
    assert not list(cluster.head.arb.glob("jobs/*/secrets*"))


def test_a_reboot_that_left_the_record_of_the_end_is_believed(node, until):
    _client, job = node.run(WAIT + "; exit 5")
    node.says(job, "up")
    node.kill_agent()
    (node.home / "go").touch()
    until(lambda: node.job_file(job, "run.exit").exists())
    node.reboot()
    done = node.connect().job(job)
    assert (done.state, done.exit_code) == (JobState.FAILED, 5)


def test_the_agent_starts_with_the_machine(make_node, tmp_path, until):
    boot = tmp_path / "boot.d"
    node = make_node(ARB_BOOT_DIR=str(boot))
    _client, job = node.run(WAIT)
    node.says(job, "up")
    launcher = node.arb / "bin" / "arb-agent"
    said = subprocess.check_output([launcher, "install-boot"], env=node.env, text=True)
    assert said == f"arb: the agent starts at boot: {boot}/arb-agent\n"
    node.reboot()
    subprocess.check_call([boot / "arb-agent"], env={**node.env, "HOME": "/nonexistent"})
    until(lambda: '"LOST"' in node.job_file(job, "state.json").read_text())
    assert node.keeper()


def test_a_rebooted_peer_ends_the_gang(make_cluster):
    cluster = make_cluster()
    job = cluster.submit(WAIT)
    cluster.say(job, "up")
    cluster.nodes[1].reboot()
    done = cluster.finished(job)
    assert (done.state, done.reason) == (JobState.LOST, "rank 1 (127.0.0.2): reboot")
    cluster.nothing_left(job)


def test_a_rebooted_head_ends_the_gang(make_cluster):
    cluster = make_cluster()
    job = cluster.submit(WAIT)
    cluster.say(job, "up")
    cluster.head.reboot()
    done = cluster.finished(job)
    assert (done.state, done.reason) == (JobState.LOST, "rank 0 (127.0.0.1): reboot")
    cluster.nothing_left(job)
