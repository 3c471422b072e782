from __future__ import annotations


def ends(node, tmp_path, idle_s=0):
    """Let a node write a file instead of ending; return the client and the file."""
    ended = tmp_path / "ended"
    client = node.connect()
    client.call("end_when_idle", command=f"echo $HOME >> {ended}", idle_s=idle_s)
    return client, ended


def test_a_node_ends_itself_after_its_last_job(make_node, tmp_path, until):
    node = make_node(ARB_AGENT_END_GRACE_S="0.3")
    client, ended = ends(node, tmp_path)
    client.submit(token="a", run="sleep 0.5")
    client.submit(token="b", run="sleep 1")
    until(lambda: not client.jobs()[0].state.is_final or client.jobs()[1].state.is_final)
    assert not ended.exists()
    until(ended.exists, "the end")
    assert all(job.state.is_final for job in client.jobs())


def test_a_node_that_has_run_no_job_stays(make_node, tmp_path, finished):
    node = make_node(ARB_AGENT_END_GRACE_S="0.1")
    _, ended = ends(node, tmp_path)
    other = make_node("other", ARB_AGENT_END_GRACE_S="0.1")
    client, other_ended = other.run("sleep 1")[0], tmp_path / "other-ended"
    finished(client, 1)
    assert not ended.exists()
    assert not other_ended.exists()


def test_the_rule_outlives_the_daemon(make_node, tmp_path, until):
    node = make_node(ARB_AGENT_END_GRACE_S="0.3")
    client, ended = ends(node, tmp_path)
    client.submit(token="a", run="sleep 1")
    node.kill_agent()
    node.connect()
    until(ended.exists, "the end")


def test_a_rule_can_be_taken_back(make_node, tmp_path, finished):
    node = make_node(ARB_AGENT_END_GRACE_S="0.5")
    client, ended = ends(node, tmp_path)
    job = client.submit(token="a", run="true")
    client.call("end_when_idle", command="", idle_s=0)
    finished(client, job)
    other = client.submit(token="b", run="sleep 1.5")
    finished(client, other)
    assert not ended.exists()
