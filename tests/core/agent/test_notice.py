from __future__ import annotations

import json


def test_a_notice_runs_the_hook_of_running_jobs_and_is_shown(make_cluster, tmp_path, until):
    notice = tmp_path / "notice"
    cluster = make_cluster(1, notice_probe={"path": str(notice), "interval_s": 0.05})
    job = cluster.submit(
        "echo up; sleep 600", hooks={"notice": "echo $ARB_HOOK on $ARB_NODE_RANK"}, envs={"A": "b"}
    )
    cluster.head.says(job, "up")
    assert cluster.client.call("status")["notice"] is None
    notice.write_text("terminate at noon")
    cluster.head.says(job, "notice on 0\n")
    assert cluster.client.call("status")["notice"]["text"] == "terminate at noon"
    events = (cluster.head.arb / "events.jsonl").read_text().splitlines()
    assert [json.loads(line)["kind"] for line in events] == ["notice"]
    assert cluster.client.job(job).state == "RUNNING"


def test_a_notice_that_is_taken_back_is_forgotten(make_cluster, tmp_path, until):
    notice = tmp_path / "notice"
    notice.write_text("")
    cluster = make_cluster(1, notice_probe={"path": str(notice), "interval_s": 0.05})
    client = cluster.head.connect()
    until(lambda: client.call("status")["notice"])
    notice.unlink()
    until(lambda: client.call("status")["notice"] is None)


def test_the_probe_is_watched_again_by_the_next_daemon(make_cluster, tmp_path, until):
    notice = tmp_path / "notice"
    cluster = make_cluster(1, notice_probe={"path": str(notice), "interval_s": 0.05})
    cluster.head.kill_agent()
    notice.write_text("soon")
    client = cluster.head.connect()
    until(lambda: (client.call("status")["notice"] or {}).get("text") == "soon")


def test_a_path_may_begin_at_the_home_of_the_nodes_user(make_cluster, until):
    cluster = make_cluster(1, notice_probe={"path": "~/warnings/notice", "interval_s": 0.05})
    folder = cluster.head.arb.parent / "warnings"
    folder.mkdir()
    (folder / "notice").write_text("soon")
    client = cluster.head.connect()
    until(lambda: (client.call("status")["notice"] or {}).get("text") == "soon")
