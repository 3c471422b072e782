from __future__ import annotations

import dataclasses
import hashlib
import io
import zipfile

import pytest

from arb.nodes.agent_build import agent_payload, build_zipapp
from arb.nodes.agent_client import JobState

WAIT = "echo up; while [ ! -e ~/go ]; do sleep 0.05; done"


def payload_of(version: str):
    """Return this agent under another version."""
    today = agent_payload()
    with zipfile.ZipFile(io.BytesIO(today.data)) as archive:
        sources = {name: archive.read(name) for name in archive.namelist()}
    init = "arb_agent/__init__.py"
    changed = sources[init].replace(today.version.encode(), version.encode())
    assert changed != sources[init]
    data = build_zipapp({**sources, init: changed})
    digest = hashlib.sha256(data).hexdigest()[:16]
    return dataclasses.replace(today, data=data, digest=digest, version=version)


@pytest.fixture(scope="module")
def newer():
    return payload_of("9.0.0")


def test_the_newer_agent_takes_over_after_the_last_job(node, newer, until, finished):
    old, job = node.run(WAIT)
    node.says(job, "up")
    daemon = old.call("status")
    new = node.connect(newer)
    assert new.hello().agent == "9.0.0"
    during = new.call("status")
    assert (during["agent"], during["pid"]) == (daemon["agent"], daemon["pid"])
    assert new.job(job).state is JobState.RUNNING
    (node.home / "go").touch()
    finished(new, job)
    until(lambda: new.call("status")["agent"] == "9.0.0")
    assert new.call("status")["pid"] == daemon["pid"]
    assert new.call("status")["digest"] == newer.digest
    for client in (old, new):
        assert client.job(job).state is JobState.SUCCEEDED


def test_a_job_that_waits_is_run_by_the_newer_agent(make_cluster, newer, finished):
    cluster = make_cluster(1, gpus_per_node=1)
    first = cluster.submit(WAIT, gpus=1)
    second = cluster.submit("echo $S", gpus=1, secrets={"S": "kept"})
    cluster.head.says(first, "up")
    new = cluster.head.connect(newer)
    assert new.job(second).state is JobState.PENDING
    (cluster.head.home / "go").touch()
    assert finished(new, second).state is JobState.SUCCEEDED
    assert new.call("status")["agent"] == "9.0.0"
    assert cluster.head.log(second) == "kept\n"


def test_an_older_client_does_not_bring_the_older_agent_back(node, newer, until):
    node.connect(newer).call("status")
    old = node.connect()
    assert old.hello().agent == agent_payload().version
    assert old.call("status")["agent"] == "9.0.0"
    assert "9.0.0" in (node.arb / "bin" / "arb-agent").read_text()
    assert newer.digest in (node.arb / "bin" / "arb-agent").read_text()


def test_the_newer_agent_is_the_one_that_is_started_again(node, newer, until, kill):
    node.connect().call("status")
    client = node.connect(newer)
    until(lambda: client.call("status")["agent"] == "9.0.0")
    kill(client.call("status")["pid"])
    old = node.connect()
    until(lambda: old.call("status")["agent"] == "9.0.0", "the keeper to start the newest")
    node.kill_agent()
    assert node.connect().call("status")["agent"] == "9.0.0"


def test_a_running_gang_keeps_its_agents(make_cluster, newer):
    cluster = make_cluster()
    job = cluster.submit(WAIT)
    cluster.say(job, "up")
    for node in cluster.nodes:
        assert node.connect(newer).call("status")["agent"] == agent_payload().version
    for node in cluster.nodes:
        (node.home / "go").touch()
    assert cluster.finished(job).state is JobState.SUCCEEDED


def test_head_and_peer_of_different_versions_work_together(make_cluster, newer, until):
    cluster = make_cluster()
    with cluster.nodes[1].connect(newer) as client:
        until(lambda: client.call("status")["agent"] == "9.0.0")
    assert cluster.finished(cluster.submit("echo both")).state is JobState.SUCCEEDED
