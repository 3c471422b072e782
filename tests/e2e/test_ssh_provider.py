"""A team's own machines, with the installed command: real sshd, real agents, homes to keep clean."""

from __future__ import annotations

import json
import os
import shutil
import signal
import tempfile
import time
from pathlib import Path

import pytest
from support.command import Arb, eventually
from support.team import processes_of, team_server

from arb.nodes.keys import generate_key

pytest.importorskip("arb_ssh")

FACTS = {"accelerators": "H100:8", "accelerator_gib": 80, "vcpus": 96, "memory_gib": 900}


@pytest.fixture(scope="module")
def servers(tmp_path_factory):
    with team_server(tmp_path_factory.mktemp("team"), 3) as team:
        yield team


@pytest.fixture
def team(servers):
    servers.reset()
    return servers


class Desk(Arb):
    """Somebody's computer: a home of its own, and a list of the team's hosts."""

    def __init__(self, root, team):
        super().__init__(root)
        self.team = team
        self.env["USER"] = root.name
        (self.user_home / ".ssh").mkdir()
        (self.user_home / ".ssh" / "known_hosts").write_text(team.known_hosts())
        self("config", "set", "provider_options.ssh.hosts", str(self.root / "hosts.yaml"))
        self.list(0, 1)

    def list(self, *numbers, **more):
        """Write the list of hosts."""
        hosts = [self.team.entry(n, **{**FACTS, **more}) for n in numbers]
        self.write("hosts.yaml", json.dumps({"lab": {"hosts": hosts}}))

    def launch(self, name, *more, job="echo ran on $HOME", code=0):
        return self("launch", "-y", "-c", name, "--infra", "ssh/lab", *more, job, code=code)


@pytest.fixture
def desks(team):
    """Computers, by name; at the end all is given back, and the team's hosts must be clean."""
    made = {}

    def desk(name="alice"):
        if name not in made:
            root = Path(tempfile.mkdtemp(prefix="arb-e2e-")) / name
            root.mkdir()
            made[name] = Desk(root, team)
        return made[name]

    yield desk
    for each in made.values():
        each.close()
        each.list(0, 1, 2)
        each("down", "--all", "--yes")
        shutil.rmtree(each.root.parent)
    for host in team.hosts:
        assert_clean(host)


@pytest.fixture
def arb(desks):
    return desks()


def assert_clean(host, *others):
    """No process, no file, no key of arb is left on a host."""
    eventually(lambda: not processes_of(host.home), what=f"no process on {host.name}")
    assert sorted(p.name for p in host.home.iterdir()) == sorted([".ssh", *others])
    assert [line.split()[-1] for line in host.authorized()] == ["the-team"]
    boot = host.folder / "boot"
    assert not boot.exists() or list(boot.iterdir()) == []


def test_a_host_is_checked_listed_used_and_given_back_clean(arb, team):
    (checked,) = arb.json("check", "ssh")
    assert checked["result"]["summary"] == "2 hosts in 1 pool, 2 free"
    assert checked["result"]["status"] == "ok"
    assert "lab-H100x8" in arb("gpus", "H100:8", "--infra", "ssh").stdout
    arb.write("work/data.txt", "of alice\n")
    work = ("--gpus", "H100:8", "--workdir", str(arb.root / "work"))
    done = arb.launch("train", *work, job="cat data.txt; pwd; sleep 600 & disown")
    assert done.stdout == f"of alice\n{team[0].home}/sky_workdir\n"
    assert "trusted" not in done.stderr  # its host key was known
    assert team[0].claim["cluster"] == "train"
    assert arb("exec", "train", "echo again").stdout == "again\n"
    assert "alice@" in arb("check", "ssh").stdout
    (view,) = arb.json("status")
    assert (view["offer"]["instance_type"], view["region"]) == ("lab-H100x8", "lab")
    arb("down", "-y", "train")
    assert_clean(team[0])
    assert team[0].claim is None
    assert arb.json("status") == []


@pytest.mark.slow
def test_two_nodes_on_two_hosts_know_each_other(arb, team):
    job = "echo rank $SKYPILOT_NODE_RANK of $SKYPILOT_NUM_NODES: $(echo $SKYPILOT_NODE_IPS)"
    done = arb.launch("gang", "--num-nodes", "2", job=job)
    ips = f"{team[0].address} {team[1].address}"
    lines = sorted(done.stdout.splitlines())
    assert lines == [f"(rank {n}) rank {n} of 2: {ips}" for n in range(2)]
    assert len(team[1].authorized()) == 3  # the team's, arb's, the gang's
    refused = arb.launch("more", code=3).stderr
    assert "sold out" in refused
    assert "more is told by: arb check ssh" in refused
    arb("down", "-y", "gang")
    assert_clean(team[0])
    assert_clean(team[1])


@pytest.mark.slow
def test_a_host_that_is_down_is_passed_over_and_the_list_is_read_anew(arb, team):
    down = {**team.entry(0, **FACTS), "port": 1}
    hosts = {"lab": {"hosts": [down, team.entry(1, **FACTS)]}}
    arb.write("hosts.yaml", json.dumps(hosts))
    assert arb.launch("one").stdout == f"ran on {team[1].home}\n"
    assert "gpu01: does not answer" in arb("check", "ssh").stdout
    hosts["lab"]["hosts"].append(team.entry(2, **FACTS))
    arb.write("hosts.yaml", json.dumps(hosts))
    assert arb.launch("two").stdout == f"ran on {team[2].home}\n"


@pytest.mark.slow  # and the package's own tests do it without the command
def test_two_computers_do_not_take_each_other_s_hosts(desks, team):
    alice, bob = desks("alice"), desks("bob")
    alice.list(0)
    bob.list(0)
    alice.launch("hers")
    refused = bob.launch("his", code=3)
    assert "sold out" in refused.stderr
    assert "more is told by: arb check ssh" in refused.stderr
    assert "gpu01 is taken by alice@" in bob("gpus", "H100", "--infra", "ssh").stdout
    assert "gpu01 is taken by alice@" in bob("check", "ssh").stdout
    bob("down", "--all", "--yes")
    assert alice("exec", "hers", "echo still mine").stdout == "still mine\n"
    alice("down", "-y", "hers")
    assert bob.launch("his").stdout == f"ran on {team[0].home}\n"


@pytest.mark.slow
def test_a_launch_says_why_no_host_can_be_had(arb, team):
    arb.list(0, host_key="SHA256:" + "A" * 43)
    refused = arb.launch("x", code=3).stderr
    assert "gpu01 shows the host key SHA256:" in refused
    assert "nothing was sent to it" in refused
    assert "nothing was sent to it" in arb("check", "ssh", code=1).stdout
    stranger = arb.write("stranger", generate_key().private)
    arb.list(0, identity_file=stranger)
    assert "gpu01 refused the key for user" in arb.launch("x", code=4).stderr
    assert team[0].claim is None


@pytest.mark.slow
def test_an_unknown_host_key_is_trusted_once_and_told(arb, team):
    (arb.user_home / ".ssh" / "known_hosts").unlink()
    told = arb.launch("x").stderr
    assert "the host key of gpu01 was not known; SHA256:" in told
    arb("down", "-y", "x")
    assert "was not known" not in arb.launch("x").stderr


@pytest.mark.slow
def test_a_silent_host_is_given_back_once_it_answers(arb, team):
    arb.launch("x", job="sleep 600 & disown")
    arb.list(0, port=1)
    begun = time.monotonic()
    told = arb("down", "-y", "x", code=1).stderr
    assert time.monotonic() - begun < 20
    assert "cannot connect to" in told
    assert "the next arb command carries on" in told
    assert team[0].claim["cluster"] == "x"
    arb.list(0)
    eventually(lambda: arb("status") and not team[0].claim, within_s=60, what="it is given back")
    assert_clean(team[0])


@pytest.mark.slow
def test_a_killed_launch_is_given_back_by_the_next_command(arb, team):
    process = arb.start("launch", "-y", "-c", "x", "--infra", "ssh", "sleep 600")
    eventually((team[0].home / ".arb" / "jobs" / "1").exists, what="a job on the host")
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    other = arb.start("launch", "-y", "-c", "y", "--infra", "ssh", "--detach", "true")
    eventually(lambda: team[1].claim, what="another claim")
    os.kill(other.pid, signal.SIGKILL)
    other.wait()
    arb("status")
    eventually(lambda: arb("status") and not team[1].claim, what="the second is given back")
    assert_clean(team[1])
    assert team[0].claim  # its job had begun: the cluster is up, and stays


@pytest.mark.slow
def test_a_workdir_that_was_there_before_stays(arb, team):
    (team[0].home / "sky_workdir").mkdir()
    (team[0].home / "sky_workdir" / "thesis").touch()
    arb.launch("x")
    told = arb("down", "-y", "x").stderr
    assert "sky_workdir was there before and is left" in told
    assert_clean(team[0], "sky_workdir")
    shutil.rmtree(team[0].home / "sky_workdir")


@pytest.mark.slow
def test_without_a_list_nobody_is_asked_and_nothing_is_sold(arb):
    arb("config", "set", "provider_options.ssh.hosts", "")
    (checked,) = arb.json("check", "ssh", code=4)
    assert checked["result"]["status"] == "not-configured"
    refused = arb("launch", "-y", "--infra", "ssh", "true", code=3)
    assert "error: ssh sells nothing now" in refused.stderr
    assert "arb check ssh" in refused.stderr
