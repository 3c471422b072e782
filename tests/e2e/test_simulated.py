"""Fall-through, preemption and reboot, tried on simulated instance types."""

from __future__ import annotations

import pytest
from support.command import eventually, read_until

MARKET = """
provider_options:
  local:
    simulated:
      - {instance_type: sim.cheap, accelerator: H100, accelerator_count: 8, price_usd_hour: 20,
         regions: {west: [a]}, capacity: 1}
      - {instance_type: sim.dear, accelerator: H100, accelerator_count: 8, price_usd_hour: 30,
         spot_price_usd_hour: 9, regions: {east: [a, b]}}
"""


def market(arb):
    arb.home.mkdir()
    (arb.home / "config.yaml").write_text(MARKET)
    return arb


def launch(arb, name, *more, **kwargs):
    wish = (
        "launch",
        "-y",
        "-c",
        name,
        "--infra",
        "local",
        "--gpus",
        "H100:8",
        *more,
        "nvidia=1; true",
    )
    return arb(*wish, **kwargs)


def test_the_cheapest_is_bought_and_the_next_one_when_it_is_sold_out(arb):
    market(arb)
    launch(arb, "first")
    second = launch(arb, "second")
    offers = {view["name"]: view["offer"]["instance_type"] for view in arb.json("status")}
    assert offers == {"first": "sim.cheap", "second": "sim.dear"}
    assert "sim.cheap (simulated) in west/a" in second.stderr
    assert "sim.dear (simulated) in east/a" in second.stderr


def test_a_dry_run_shows_the_offers_and_buys_nothing(arb):
    market(arb)
    plan = arb.json(
        "launch",
        "-c",
        "x",
        "--infra",
        "local",
        "--gpus",
        "H100:8",
        "--use-spot",
        "--dryrun",
        "true",
    )
    assert [offer["price_usd_hour"] for offer in plan["offers"]] == [9, 9]
    assert [offer["zone"] for offer in plan["offers"]] == ["a", "b"]
    assert arb.json("status") == []
    assert arb.machine_folders() == []


def test_money_is_not_spent_without_an_answer(arb):
    market(arb)
    wish = ("launch", "-c", "x", "--infra", "local", "--gpus", "H100:8", "true")
    done = arb(*wish, code=2)
    assert "--yes" in done.stderr
    assert arb.machine_folders() == []


def test_no_such_count_names_the_filter(arb):
    market(arb)
    wish = ("launch", "-y", "-c", "x", "--infra", "local", "--gpus", "H100:2", "true")
    assert "accelerators H100:2" in arb(*wish, code=3).stderr


def test_a_preempted_cluster_is_noticed_and_replaced_by_the_next_launch(arb):
    market(arb)
    launch(arb, "x", "--use-spot", "--num-nodes", "2")
    before = [node["instance_id"] for node in arb.json("status")[0]["nodes"]]
    arb("exec", "x", "--num-nodes", "2", "echo out")
    arb("local", "preempt", "x-1")
    assert " 1/2 " in arb("status", "--refresh").stdout
    left = arb("logs", "x")
    assert left.stdout == "out\n"
    assert "output of rank 1 is gone with the machine" in left.stderr
    assert [job["state"] for job in arb.json("queue", "x")] == ["SUCCEEDED", "SUCCEEDED"]
    nobody = arb("ssh", "--rank", "1", "x", code=125)
    assert "the machine of rank 1 of cluster x is gone" in nobody.stderr
    gone = arb("exec", "x", "--num-nodes", "2", "true", code=125)
    assert "x rank 1 is gone: preempted" in gone.stderr
    again = launch(arb, "x", "--use-spot", "--num-nodes", "2")
    after = [node["instance_id"] for node in arb.json("status")[0]["nodes"]]
    assert "lost rank 1 (preempted)" in again.stderr
    assert not set(before) & set(after)
    assert len(arb.machine_folders()) == 2


@pytest.mark.slow
def test_the_warning_of_a_preemption_reaches_the_agent(arb):
    arb("launch", "-c", "x", "--infra", "local/local", "true")
    arb("local", "preempt", "x", "--notice", "60")
    events = arb.machine_folders()[0] / "home" / ".arb" / "events.jsonl"
    eventually(lambda: events.exists() and '"notice"' in events.read_text(), what="the notice")


def test_following_a_job_on_a_preempted_node_says_so(arb):
    market(arb)
    wish = ("launch", "-y", "-c", "x", "--infra", "local", "--gpus", "H100:8", "--use-spot")
    follow = arb.start(*wish, "echo begun; sleep 300")
    read_until(follow, "begun")
    arb("local", "preempt", "x")
    output, _ = follow.communicate(timeout=60)
    assert follow.returncode == 125
    assert "is gone: preempted" in output


@pytest.mark.slow
def test_after_a_reboot_the_agent_is_back_and_knows_what_was_lost(arb):
    market(arb)
    arb("launch", "-c", "x", "--infra", "local/local", "-d", "echo begun; sleep 300")
    eventually(lambda: "begun" in arb("logs", "x", "1", "--no-follow").stdout, every_s=0.5)
    arb("local", "reboot", "x")
    home = arb.machine_folders()[0] / "home" / ".arb"
    log = eventually(lambda: (home / "agent.log").read_text().count(" boot ") == 2 and "again")
    assert log == "again"  # nobody asked for it: it started with the machine
    job = eventually(
        lambda: [j for j in arb.json("queue", "x") if j["state"] == "LOST"],
        what="the lost job",
        every_s=0.5,
    )[0]
    assert "reboot" in job["reason"]
    assert "alive" in arb("exec", "x", "echo alive").stdout


@pytest.mark.slow
def test_a_billing_floor_ends_later_through_another_command(arb):
    arb.home.mkdir()
    floor = "{instance_type: sim.floor, price_usd_hour: 3.6, regions: [west], minimum_s: 40}"
    (arb.home / "config.yaml").write_text(
        f"provider_options: {{local: {{simulated: [{floor}]}}}}\n"
    )
    arb("launch", "-y", "-c", "x", "--infra", "local/west", "true")
    done = arb("down", "-y", "x")
    assert "ends later" in done.stderr
    assert arb.json("status")[0]["status"] == "terminating"
    assert len(arb.machine_folders()) == 1
    eventually(lambda: arb.json("status") == [], within_s=60, what="the floor's end", every_s=2)
    assert arb.machine_folders() == []
    assert 0.04 <= arb.json("cost")["usd"] < 0.06


@pytest.mark.slow
def test_a_cluster_without_machines_is_let_go(arb):
    market(arb)
    launch(arb, "x", "--use-spot")
    arb("local", "preempt", "x")
    done = arb("status", "--refresh")
    assert "cluster x is gone" in done.stderr
    assert arb.json("status") == []


@pytest.mark.slow
def test_down_after_a_detached_launch_needs_nobody(arb):
    market(arb)
    arb("launch", "-c", "x", "--infra", "local/local", "--num-nodes", "2", "-d", "--down", "true")
    eventually(lambda: not arb.machine_folders(), within_s=40, what="the end of the nodes")
    assert "cluster x is gone" in arb("status", "--refresh").stderr
    assert arb.json("cost")["machines"][0]["running"] is False


def test_down_ends_the_cluster_after_the_job(arb):
    market(arb)
    done = arb("launch", "-c", "x", "--infra", "local/local", "--down", "exit 3", code=3)
    assert "Job 1 failed" in done.stderr
    assert arb.json("status") == []
    assert arb.machine_folders() == []
