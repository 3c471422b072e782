from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from arb.errors import UsageError
from arb_local.cli import app
from arb_local.room import MachineSpec, MachineState, Place


@pytest.fixture
def run(room, tmp_path):
    """Run one command on the test's room; errors come out as the core would catch them."""

    def run_command(*arguments):
        env = {"ARB_HOME": str(tmp_path / "home"), "ARB_LOCAL_ROOM": str(room.path)}
        result = CliRunner().invoke(app, list(arguments), env=env)
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert result.exit_code == 0, result.output
        return result.stdout

    return run_command


@pytest.fixture
def cluster(room):
    """Two nodes of a cluster, as the provider names them."""
    specs = [
        MachineSpec(
            f"arb-ownerabc-cluster1-000-000{rank}",
            kind="big",
            tags={"cluster": "mine", "rank": str(rank)},
        )
        for rank in range(2)
    ]
    machines = room.make_all(specs)
    return [room.wait(m.id, MachineState.RUNNING) for m in machines]


def test_nodes_are_listed(run, cluster):
    lines = run("list").splitlines()
    assert lines[0].split() == ["id", "cluster", "rank", "type", "place", "state", "address"]
    assert [line.split()[1:3] for line in lines[1:]] == [["mine", "0"], ["mine", "1"]]
    assert [m["state"] for m in json.loads(run("list", "--json"))] == ["running", "running"]


def test_an_empty_room_prints_no_rows(run):
    assert run("list") == ""
    assert json.loads(run("list", "--json")) == []


@pytest.mark.parametrize("name", ["id", "token", "cluster-and-rank"])
def test_a_node_is_preempted_by_any_of_its_names(run, room, cluster, name):
    node = cluster[1]
    names = {"id": node.id, "token": node.token, "cluster-and-rank": "mine-1"}
    assert run("preempt", names[name]) == "mine-1 is gone\n"
    assert [m.id for m in room.list()] == [cluster[0].id]


def test_a_notice_leaves_the_node_for_a_while(run, room, cluster):
    answer = json.loads(run("preempt", "mine-0", "--notice", "60", "--json"))
    assert answer == {
        "id": cluster[0].id,
        "token": cluster[0].token,
        "gone": False,
        "notice_s": 60.0,
    }
    assert room.get(cluster[0].id).state is MachineState.RUNNING


def test_a_node_is_rebooted(run, room, cluster):
    before = room.get(cluster[0].id).boot_id
    run("reboot", "mine-0")
    assert room.wait(cluster[0].id, MachineState.RUNNING).boot_id != before


def test_stopped_nodes_are_started_and_the_others_left_alone(run, room, cluster):
    room.stop(cluster[1].id)
    before = room.get(cluster[0].id).boot_id
    assert run("start") == "mine-1 boots\n"
    assert room.wait(cluster[1].id, MachineState.RUNNING).boot_id
    assert room.get(cluster[0].id).boot_id == before
    assert run("start") == ""


def test_one_stopped_node_is_started_by_its_name(run, room, cluster):
    for machine in cluster:
        room.stop(machine.id)
    assert [m["id"] for m in json.loads(run("start", "mine-0", "--json"))] == [cluster[0].id]
    assert room.get(cluster[1].id).state is MachineState.STOPPED


def test_a_broken_node_is_in_the_ledger(run, cluster):
    run("fail", "mine-0")
    documents = json.loads(run("list", "--all", "--json"))
    assert [d["reason"] for d in documents] == ["hardware", None]
    lines = run("list", "--all").splitlines()
    assert lines[1].split()[-1] == "hardware"
    assert lines[2].endswith("is there")


def test_a_cluster_with_several_nodes_needs_a_rank(run, cluster):
    with pytest.raises(UsageError) as caught:
        run("fail", "mine")
    assert caught.value.hint == "name one: mine-0, mine-1"


def test_an_unknown_node_gets_the_closest_name(run, cluster):
    with pytest.raises(UsageError, match="unknown node 'min-0': did you mean 'mine-0'"):
        run("fail", "min-0")


def test_capacity_is_set_and_shown(run, room):
    run("capacity", "big@east/a", "2", "--spot")
    run("capacity", "big", "unlimited")
    assert run("capacity").splitlines()[1:] == [
        "big              unlimited",
        "big@east/a#spot          2",
    ]
    assert json.loads(run("capacity", "--json")) == [
        {"place": "big", "limit": None},
        {"place": "big@east/a#spot", "limit": 2},
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(["big"], "needs a number"), (["big", "many"], "number"), (["@", "1"], "not a place")],
    ids=["no-number", "no-digits", "no-place"],
)
def test_a_wrong_capacity_is_refused(run, arguments, message):
    with pytest.raises(UsageError, match=message):
        run("capacity", *arguments)


def test_the_room_of_the_configuration_is_used(room, tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    (home / "config.yaml").write_text(f"provider_options: {{local: {{room: {room.path}}}}}\n")
    room.set_capacity(Place("here"), 1)
    result = CliRunner().invoke(app, ["capacity", "--json"], env={"ARB_HOME": str(home)})
    assert json.loads(result.stdout) == [{"place": "here", "limit": 1}]
