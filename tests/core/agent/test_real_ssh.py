"""A gang over real sshd and OpenSSH, with the gang key, known hosts and the forced command."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
from pathlib import Path

import pytest

from arb.nodes.agent_client import JobState

SSHD = "/usr/sbin/sshd"

CONFIG = """
ListenAddress 127.0.0.1
Port {port}
HostKey {folder}/host
PidFile {folder}/pid
AuthorizedKeysFile {home}/.ssh/authorized_keys
PasswordAuthentication no
KbdInteractiveAuthentication no
UsePAM no
StrictModes no
SetEnv HOME={home} ARB_AGENT_LEASE_S=3 ARB_AGENT_GRACE_S=0.4
"""


@pytest.fixture
def sshd(tmp_path, until):
    """Start an sshd whose sessions live in a given home; return its port and host key."""
    if not Path(SSHD).exists() or not shutil.which("ssh"):
        pytest.skip("no OpenSSH server and client here")
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)
    running = []

    def start(home):
        folder = tmp_path / f"sshd-{home.name}"
        folder.mkdir()
        subprocess.check_call(["ssh-keygen", "-qt", "ed25519", "-N", "", "-f", folder / "host"])
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        config = folder / "config"
        config.write_text(CONFIG.format(port=port, folder=folder, home=home))
        log = folder / "log"
        server = subprocess.Popen([SSHD, "-D", "-E", log, "-f", config], cwd="/")
        running.append(server)
        until(lambda: _listens(port) or server.poll() is not None)
        assert server.poll() is None, log.read_text()
        return port, (folder / "host.pub").read_text()

    yield start
    for server in running:
        server.terminate()
        server.wait()


def _listens(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture
def gang_key(tmp_path):
    if not shutil.which("ssh-keygen"):
        pytest.skip("no ssh-keygen here")
    path = tmp_path / "gang"
    subprocess.check_call(["ssh-keygen", "-qt", "ed25519", "-N", "", "-f", path])
    return path.read_text(), path.with_suffix(".pub").read_text()


@pytest.fixture
def pair(make_node, sshd, gang_key, free_port):
    """Return a function that makes a configured head and peer; ``host_key`` replaces the peer's."""

    def make(host_key=None):
        head, peer = make_node("head"), make_node("peer")
        port, shown = sshd(peer.home)
        user = pwd.getpwuid(os.getuid()).pw_name
        nodes = [
            {"rank": 0, "host": "127.0.0.1", "port": 22, "user": user, "ip": "127.0.0.1"},
            {"rank": 1, "host": "127.0.0.1", "port": port, "user": user, "ip": "127.0.0.2"},
        ]
        nodes[1]["host_key"] = host_key or shown
        common = {
            "cluster": "c",
            "cluster_id": "c1",
            "num_nodes": 2,
            "nodes": nodes,
            "rendezvous_port": free_port,
        }
        private, public = gang_key
        head.connect().call("configure", rank=0, gang_private_key=private, **common)
        peer.connect().call("configure", rank=1, gang_public_key=public, **common)
        return head, peer, port

    return make


def test_a_gang_runs_over_real_ssh(pair, finished):
    head, peer, _ = pair()
    client, job = head.run("echo rank $SKYPILOT_NODE_RANK; exit $SKYPILOT_NODE_RANK", num_nodes=2)
    done = finished(client, job)
    assert (done.state, done.exit_code) == (JobState.FAILED, 1), done.reason
    assert head.log(job) == "rank 0\n"
    assert peer.log(job) == "rank 1\n"


def test_a_wrong_host_key_stops_the_gang_before_anything_is_sent(pair, gang_key, finished):
    head, peer, _ = pair(host_key=gang_key[1])
    client, job = head.run("echo never", num_nodes=2, secrets={"S": "x"})
    done = finished(client, job)
    assert done.state is JobState.FAILED_PRECHECK
    assert "Host key verification failed" in done.reason
    assert not peer.job_file(job, "spec.json").exists()


def test_the_gang_key_opens_no_shell(pair):
    head, _, port = pair()
    options = ["IdentitiesOnly=yes", "BatchMode=yes"]
    options.append(f"UserKnownHostsFile={head.arb}/gang/known_hosts")
    words = [word for option in options for word in ("-o", option)]
    key = head.arb / "gang" / "id"
    done = subprocess.run(
        ["ssh", "-i", key, *words, "-p", str(port), "127.0.0.1", "cat /etc/passwd"],
        env=head.env,
        input="",
        capture_output=True,
        text=True,
        check=False,
    )
    assert '"proto":1' in done.stdout
    assert "root:" not in done.stdout
