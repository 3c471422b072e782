"""What the agent costs a node while nothing happens."""

from __future__ import annotations

import os
import time
from pathlib import Path

from arb.nodes.agent_client import JobState


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _wakeups(pid: int) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("voluntary_ctxt_switches"):
            return int(line.split()[1])
    raise AssertionError("no such line")


def _resident_mib(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def test_an_idle_agent_sleeps_and_is_small(make_node, python):
    node = make_node(python=python)
    client = node.connect()
    pid = client.call("status")["pid"]
    before, wakeups = _cpu_s(pid), _wakeups(pid)
    time.sleep(1.5)  # the measure is time itself
    assert _cpu_s(pid) - before <= 0.015
    assert _wakeups(pid) - wakeups <= 3
    assert _resident_mib(pid) <= 20


def test_an_agent_with_an_adopted_job_stays_below_one_percent(node):
    _client, job = node.run("echo up; sleep 600")
    node.says(job, "up")
    node.kill_agent()
    pid = node.daemon()
    before = _cpu_s(pid)
    time.sleep(1.5)
    assert _cpu_s(pid) - before <= 0.03
    assert _resident_mib(pid) <= 20


def test_status_says_what_the_agent_itself_uses(node):
    status = node.connect().call("status")
    assert 0 < status["cpu_s"] < 5
    assert 5 < status["rss_mib"] <= 20


def test_submit_to_first_line_takes_tens_of_milliseconds(node):
    client = node.connect()
    client.call("status")
    times = []
    for number in range(7):
        began = time.monotonic()
        job = client.submit(token=f"t{number}", run="echo first; exit 0")
        log = client.logs(job, follow=True)
        assert next(iter(log)) == b"first\n"
        times.append(time.monotonic() - began)
        assert client.job(job).state in (JobState.RUNNING, JobState.SUCCEEDED)
    assert min(times) < 0.1
