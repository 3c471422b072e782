"""Jobs fill disks. What keeps track of them goes on."""

from __future__ import annotations

import contextlib
import subprocess

import pytest

from arb.errors import NodeError
from arb.nodes.agent import files
from arb.nodes.agent_client import JobState

FILL = "head -c 9000000 /dev/zero"


@pytest.fixture
def small(node):
    """A node whose jobs lie on a disk of half a megabyte."""
    disk = node.arb / "jobs"
    disk.mkdir(mode=0o700)
    mount = ["mount", "-t", "tmpfs", "-o", "size=512k,mode=700", "none", str(disk)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("no file system can be mounted here")
    yield node
    node.end()
    subprocess.run(["umount", "-l", str(disk)], check=True)


def _fill(node):
    with contextlib.suppress(OSError):
        (node.arb / "jobs" / "filler").write_bytes(bytes(9_000_000))


def test_a_job_that_fills_the_disk_ends_as_it_ended(small, finished):
    client, job = small.run(f"{FILL}; exit 3")
    daemon = client.call("status")["pid"]
    done = finished(client, job)
    assert (done.state, done.exit_code, done.reason) == (JobState.FAILED, 3, "")
    assert client.call("status")["pid"] == daemon
    assert [path.name for path in (small.arb / "jobs" / "1").glob("*.tmp")] == []
    with pytest.raises(NodeError, match="No space left on device"):
        client.submit(token="next", run="echo next")
    log = client.logs(job, follow=True)
    assert sum(map(len, log)) == small.job_file(job, "log").stat().st_size
    assert (log.state, log.exit_code) == (JobState.FAILED, 3)
    small.job_file(job, "log").write_bytes(b"")
    assert finished(client, client.submit(token="next", run="exit 4")).exit_code == 4


def test_a_job_that_cannot_be_started_says_why_and_holds_up_nobody(small, configure, finished):
    configure([small], 15000, gpus_per_node=1)
    client, job = small.run("echo up; while [ ! -e ~/go ]; do sleep 0.02; done", gpus=1)
    small.says(job, "up")
    queued = client.submit(token="queued", run="echo never", gpus=1)
    _fill(small)
    (small.home / "go").touch()
    assert finished(client, job).state is JobState.SUCCEEDED
    done = finished(client, queued)
    assert done.state is JobState.LOST
    assert done.reason == "it could not be started: No space left on device"


def test_a_disk_without_room_for_a_file_s_text_keeps_the_old_one(tmp_path, monkeypatch):
    def full(*_names):
        raise OSError(28, "No space left on device")

    path = tmp_path / "state.json"
    files.write(str(path), "a" * 100)
    monkeypatch.setattr(files.os, "replace", full)
    files.write(str(path), "b" * 90)
    assert path.read_text() == "b" * 90
    with pytest.raises(OSError, match="No space"):
        files.write(str(path), "c" * 10_000_000)
    assert path.read_text() == "b" * 90
    assert [found.name for found in tmp_path.iterdir()] == ["state.json"]
