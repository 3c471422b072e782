"""Taking the agent off a machine that goes on without it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from arb.errors import NodeError
from arb.nodes.agent import boot, configure
from arb.nodes.agent import remove as agent_removal
from arb.nodes.agent_build import agent_payload
from arb.nodes.removal import remove_agent

IGNORES = "trap '' TERM; echo up; while :; do sleep 0.1; done"
GANG = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGdhbmc"


@pytest.fixture(scope="module")
def agents():
    """Nothing: nodes begin bare here."""


@pytest.fixture
def ssh_to(process_channel):
    """Return what a removal uses of a connection; it runs ``command``, or what it is given."""

    class Channel(process_channel):
        def last_words(self):
            return "no logins today"

        def send(self, data, timeout=None):
            super().send(data)

        def wait(self, timeout):
            return self.process.wait(timeout)

        def __enter__(self):
            return self

        def __exit__(self, *_):
            self.close()

    def connect(node, command=""):
        def open_channel(given):
            return Channel(["/bin/sh", "-c", command or given], node.env)

        return SimpleNamespace(name="node-0", open_channel=open_channel)

    return connect


@pytest.fixture
def remove(ssh_to):
    """Take the agent off a node, as over SSH; return what the node said."""
    return lambda node: remove_agent(ssh_to(node))


def configured(node, **more):
    client = node.connect()
    client.call("configure", cluster="c", cluster_id="c1", rank=0, num_nodes=1, **more)
    return client


def left_of(node, processes_with):
    return processes_with(f"HOME={node.home}\0")


def test_nothing_runs_and_nothing_lies_there_afterwards(make_node, python, processes_with, remove):
    node = make_node(python=python, ARB_BOOT_DIR=str(make_node("other").home / "boot"))
    configured(node, gang_public_key=GANG)
    subprocess.run([node.arb / "bin" / "arb-agent", "install-boot"], env=node.env, check=True)
    client, job = node.run(IGNORES, setup="sleep 1000 & disown")
    node.says(job, "up")
    (node.home / "sky_workdir").mkdir()
    (node.home / "sky_workdir" / "file").touch()
    assert remove(node) == []
    client._channel.process.wait(10)
    assert left_of(node, processes_with) == []
    assert [path.name for path in node.home.iterdir()] == [".ssh"]
    assert (node.home / ".ssh" / "authorized_keys").read_text() == ""
    assert list(Path(node.env["ARB_BOOT_DIR"]).iterdir()) == []


def test_another_home_s_agent_and_jobs_are_left_alone(make_node, node, until, remove):
    other = make_node("other")
    client, job = other.run("echo up; sleep 1000")
    other.says(job, "up")
    configured(node)
    assert remove(node) == []
    assert client.job(job).state == "RUNNING"
    assert len(other.marked(job)) > 1


def test_a_machine_without_the_agent_stays_as_it_is(node, remove):
    assert remove(node) == []
    assert list(node.home.iterdir()) == []


def test_removing_twice_is_no_error(node, remove):
    configured(node)
    assert remove(node) == []
    assert remove(node) == []


def test_a_removal_that_was_cut_off_is_done_again(node, processes_with, remove):
    configured(node)
    node.kill_agent()
    for path in (node.arb / "agent").glob("*/ready"):
        path.unlink()
    assert remove(node) == []
    assert left_of(node, processes_with) == []
    assert list(node.home.iterdir()) == []


def test_a_workdir_that_was_there_before_is_left_and_that_is_said(node, remove):
    (node.home / "sky_workdir").mkdir()
    (node.home / "sky_workdir" / "thesis").touch()
    configured(node)
    configured(node)
    assert remove(node) == [f"{node.home}/sky_workdir was there before and is left"]
    assert (node.home / "sky_workdir" / "thesis").exists()


def test_other_keys_and_the_form_of_their_file_are_kept(node, remove):
    real = node.home / "keys"
    real.write_text("ssh-ed25519 AAAA me@home\n")
    real.chmod(0o644)
    (node.home / ".ssh").mkdir()
    (node.home / ".ssh" / "authorized_keys").symlink_to(real)
    configured(node, gang_public_key=GANG)
    assert f"{GANG} arb-gang-c1" in real.read_text()
    assert remove(node) == []
    assert real.read_text() == "ssh-ed25519 AAAA me@home\n"
    assert real.stat().st_mode & 0o777 == 0o644
    assert (node.home / ".ssh" / "authorized_keys").is_symlink()


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A home in which the removal runs within this process, whose processes do not end."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(agent_removal, "GRACE_S", 0.05)
    monkeypatch.setattr(agent_removal, "KILL_WAIT_S", 0.1)
    monkeypatch.setattr(boot, "SYSTEMD", str(tmp_path / "no-systemd"))
    monkeypatch.setattr(agent_removal, "_agents", lambda: {2**22 + 1: 2**22 + 1})
    (tmp_path / ".arb" / "jobs").mkdir(parents=True)
    return tmp_path


def test_processes_that_do_not_end_are_named_and_the_files_stay(home, monkeypatch, capsys):
    as_root = []
    monkeypatch.setattr(boot, "as_root", lambda *words: as_root.append(words))
    monkeypatch.setattr(agent_removal, "_jobs", dict)
    assert agent_removal.main() == 1
    assert capsys.readouterr().out == "arb: processes do not end: 4194305\n"
    assert as_root[0] == ("kill", "-9", "4194305")  # a job may have become another user
    assert (home / ".arb").exists()


def test_a_shell_that_runs_nothing_has_removed_nothing(node, ssh_to):
    """As where a login script ends every session at once."""
    with pytest.raises(NodeError, match="node-0: no logins today"):
        remove_agent(ssh_to(node, "cat >/dev/null & wait"))


def test_a_machine_that_cannot_let_go_is_an_error_with_its_own_words(node, remove):
    configured(node)
    broken = node.arb / "agent" / agent_payload().digest / "arb_agent" / "remove.py"
    broken.write_text("import sys\ndef main():\n  print('arb: no way')\n  return 1\n")
    with pytest.raises(NodeError, match="could not be taken off node-0: no way") as caught:
        remove(node)
    assert caught.value.code == "not-removed"


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_the_daemon_is_told_to_end_before_it_is_killed(node, until, alive, remove):
    configured(node)
    daemon = node.daemon()
    os.kill(daemon, signal.SIGSTOP)  # it cannot follow: the kill is what ends it
    assert remove(node) == []
    assert not alive(daemon)


def test_the_workdir_is_the_one_that_tasks_are_copied_to(monkeypatch):
    from arb.clusters.jobs import WORKDIR

    monkeypatch.setenv("HOME", "/home/me")
    assert configure.workdir() == WORKDIR.replace("~", "/home/me")
