from __future__ import annotations

import contextlib
import subprocess
from pathlib import Path

import pytest

from arb.nodes.agent_client import JobState

SECRET = "hunter2-never-write-this"
# The script itself may not hold it either: the comparison is with a digest.
SCRIPT = """
[ "$(printf %s "$TOKEN" | cksum)" = "$SUM" ] && echo has-it
while [ ! -e ~/go ]; do sleep 0.05; done
"""


@pytest.fixture(scope="module")
def agents():
    """Nothing: nodes begin bare here."""


def _sum() -> str:
    return subprocess.check_output(["cksum"], input=SECRET.encode()).decode().strip()


def _holders(*, what: str) -> dict[int, bytes]:
    """Return what holds the secret: environments or arguments, by process."""
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                held = (entry / what).read_bytes()
                if SECRET.encode() in held:
                    found[int(entry.name)] = held
    return found


def _are_of_the_job(holders: dict[int, bytes]) -> bool:
    """Say whether all have a job's mark: listing them a second time would find others."""
    return all(b"ARB_JOB_MARK=" in environment for environment in holders.values())


def _files(home: Path) -> list[str]:
    """Return the files of a home that hold the secret."""
    return sorted(
        path.name
        for path in home.rglob("*")
        if path.is_file() and SECRET.encode() in path.read_bytes()
    )


def test_only_the_job_has_the_secret_while_it_runs(node, until, finished):
    client, job = node.run(SCRIPT, secrets={"TOKEN": SECRET}, envs={"SUM": _sum()})
    node.says(job, "has-it")
    holders = _holders(what="environ")
    assert holders
    assert _are_of_the_job(holders)
    assert node.wrapper(job) not in holders
    assert _holders(what="cmdline") == {}
    assert _files(node.home) == []
    (node.home / "go").touch()
    finished(client, job)
    assert SECRET not in str(client.call("jobs")) + str(client.call("status"))
    assert _files(node.home) == []


def test_setup_and_run_both_have_it_and_it_waits_in_one_private_file(node, until, finished):
    client, job = node.run(
        SCRIPT, setup=SCRIPT.replace("go", "go1"), secrets={"TOKEN": SECRET}, envs={"SUM": _sum()}
    )
    node.says(job, "has-it")
    until(lambda: _files(node.home) == ["secrets.json"])
    assert node.job_file(job, "secrets.json").stat().st_mode & 0o777 == 0o600
    (node.home / "go1").touch()
    until(lambda: node.log(job).count("has-it") == 2)
    assert _files(node.home) == []
    (node.home / "go").touch()
    assert finished(client, job).state is JobState.SUCCEEDED


def test_all_ranks_have_it_and_nothing_of_the_gang_keeps_it(make_cluster, until):
    cluster = make_cluster()
    job = cluster.submit(SCRIPT, secrets={"TOKEN": SECRET}, envs={"SUM": _sum()})
    cluster.say(job, "has-it")
    assert _are_of_the_job(_holders(what="environ"))
    assert _holders(what="cmdline") == {}
    for node in cluster.nodes:
        assert _files(node.home) == []
        (node.home / "go").touch()
    assert cluster.finished(job).state is JobState.SUCCEEDED


@pytest.mark.parametrize("how", ["cancel", "fail", "kill"])
def test_it_is_gone_however_setup_ends(node, how, finished, kill):
    end = "exit 1" if how == "fail" else "sleep 600"
    client, job = node.run("true", setup=f"echo up; {end}", secrets={"TOKEN": SECRET})
    node.says(job, "up")
    if how == "cancel":
        client.cancel([job])
    elif how == "kill":
        kill(node.wrapper(job, "setup"))
    finished(client, job)
    assert _files(node.home) == []


def test_what_a_killed_daemon_left_of_secrets_is_removed_by_the_next(node, finished):
    client, job = node.run("true")
    finished(client, job)
    client.close()
    node.kill_agent()
    half_submitted = node.arb / "jobs" / "7"
    half_submitted.mkdir(mode=0o700)
    for folder in (half_submitted, node.arb / "jobs" / str(job)):
        (folder / "secrets.json").write_text(SECRET)
        (folder / "secrets.sh.123.tmp").write_text(SECRET)
    assert node.connect().call("status")["jobs_active"] == 0
    assert _files(node.home) == []


def test_everything_of_the_agent_is_private(node, finished):
    client, job = node.run("true")
    finished(client, job)
    assert node.arb.stat().st_mode & 0o777 == 0o700
    for path in node.arb.rglob("*"):
        if not path.is_symlink():
            assert path.stat().st_mode & 0o077 == 0, path


def test_the_gang_key_is_kept_private_and_never_shown(node):
    key = "-----BEGIN KEY-----\n" + SECRET + "\n-----END KEY-----\n"
    client = node.connect()
    answer = client.call(
        "configure", cluster="c", cluster_id="c1", rank=0, num_nodes=1, gang_private_key=key
    )
    assert SECRET not in str(answer) + str(client.call("status"))
    assert _files(node.home) == ["id"]
    assert (node.arb / "gang" / "id").stat().st_mode & 0o777 == 0o600


def test_the_gang_key_may_run_the_front_end_only(node):
    keys = node.home / ".ssh" / "authorized_keys"
    keys.parent.mkdir(mode=0o700)
    keys.write_text("ssh-ed25519 AAAAuser me@laptop\n")
    keys.chmod(0o640)
    fields = {"cluster": "c", "cluster_id": "c1", "rank": 1, "num_nodes": 2}
    client = node.connect()
    client.call("configure", **fields, gang_public_key="ssh-ed25519 AAAAold comment here")
    client.call("configure", **fields, gang_public_key="ssh-ed25519 AAAAnew")
    command = f"command=\"'{node.home}/.arb/bin/arb-agent' rpc\""
    assert keys.read_text().splitlines() == [
        "ssh-ed25519 AAAAuser me@laptop",
        f"restrict,{command} ssh-ed25519 AAAAnew arb-gang-c1",
    ]
    assert keys.stat().st_mode & 0o777 == 0o640, "as the user has it"
