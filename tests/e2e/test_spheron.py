"""The guide's stories of Spheron, with the installed command against the simulated one.

Time is the cloud's: where ``arb`` would sleep it passes at once, for both.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import pytest
from clouds.command import CloudArb
from clouds.http import CloudServer
from clouds.ledger import claims
from clouds.spheron import KEY, Spheron
from support.command import eventually

H100 = ("--infra", "spheron", "--gpus", "H100:1")
ORDER = "POST /api/deployments"


@pytest.fixture
def cloud(tmp_path):
    server = CloudServer(Spheron(tmp_path / "spheron"))
    server.cloud.configure(boot_delay_s=45)
    yield server.cloud
    server.close()


@pytest.fixture
def arb(cloud):
    """A home with a key; at the end everything is given back, and the cloud must agree."""
    root = Path(tempfile.mkdtemp(prefix="arb-e2e-"))
    where = {"SPHERON_API_BASE": cloud.url, "SPHERON_API_KEY": KEY}
    command = CloudArb(root, cloud.clock.path, "spheron", **where)
    yield command
    command.close()
    command("down", "--all", "--yes")
    cloud.advance(1300)
    command("down", "--all", "--yes")
    assert cloud.ledger().unclaimed() == []
    assert cloud.ledger().harmed() == []
    shutil.rmtree(root)


def launch(arb, name, *wish, job="echo ran here", code=0):
    return arb("launch", "-y", "-c", name, *wish, job, code=code)


def offers(arb):
    return {view["name"]: view["offer"]["instance_type"] for view in arb.json("status")}


def orders(cloud):
    return [call for call in cloud.ledger().calls if call.operation == ORDER]


@pytest.mark.slow
def test_prices_need_no_key_and_buying_says_how_to_get_one(arb, cloud):
    del arb.env["SPHERON_API_KEY"]
    table = arb("gpus", "H100").stdout
    assert "n3-H100x1__CANADA-1" in table
    assert "spheron" in arb("check", "spheron", code=4).stdout
    refused = launch(arb, "x", *H100, code=4)
    assert "SPHERON_API_KEY" in refused.stderr
    assert orders(cloud) == []
    assert arb.json("status") == []


@pytest.mark.slow
def test_down_at_minute_three_exits_and_the_next_command_finds_it_gone(arb, cloud):
    done = launch(arb, "x", *H100)
    assert done.stdout == "ran here\n"
    assert offers(arb) == {"x": "n3-H100x1__CANADA-1"}
    assert "trusted from now on" not in done.stderr  # its host key was known
    cloud.advance(120)
    told = arb.notes("down", "-y", "x")
    assert "minimum run time" in told
    (view,) = arb.json("status")
    assert (view["status"], len(view["nodes"])) == ("terminating", 1)
    assert len(cloud.ledger().alive("machine")) == 1
    cloud.advance(23 * 60)
    assert arb.json("status") == []
    assert cloud.ledger().alive() == []
    paid, billed = arb.json("cost")["usd"], cloud.ledger().usd()
    assert paid == pytest.approx(billed, abs=0.02)
    assert billed >= 2.01 / 3  # twenty minutes at least


@pytest.mark.slow
def test_spot_is_bought_as_spot_and_a_reclaim_is_told(arb, cloud):
    launch(arb, "x", *H100, "--use-spot")
    assert offers(arb) == {"x": "1H100.80S.32V_FIN-03_500"}
    assert [call.body["instanceType"] for call in orders(cloud)] == ["SPOT"]
    (machine,) = cloud.machines()
    cloud.preempt(machine["id"])
    assert "cluster x is gone" in arb.notes("status", "--refresh")
    again = launch(arb, "x", *H100, "--use-spot")
    assert again.stdout == "ran here\n"
    assert len(cloud.ledger().of("machine")) == 2


def test_phantom_stock_falls_through_to_the_next_offers_and_then_to_this_machine(arb, cloud):
    cloud.set_capacity("n3-H100x1__CANADA-1", 0)
    told = launch(arb, "x", *H100).stderr
    assert "spheron has no n3-H100x1__CANADA-1 in CANADA-1 now" in told
    assert offers(arb) == {"x": "1H100.80S.32V_FIN-03_500"}
    cloud.set_capacity("1H100.80S.32V_FIN-03_500", 0)
    simulated = "[{instance_type: sim, accelerator: H100, price_usd_hour: 60, regions: [here]}]"
    arb("config", "set", "provider_options.local.simulated", simulated)
    task = arb.write(
        "task.yaml",
        "resources: {accelerators: H100:1, any_of: [{infra: spheron}, {infra: local}]}\n"
        "run: echo ran here\n",
    )
    told = arb("launch", "-y", "-c", "y", task).stderr
    assert offers(arb)["y"] == "sim"
    assert len(cloud.ledger().alive("machine")) == 1


@pytest.mark.slow
def test_a_gang_ends_whole_when_its_third_machine_is_out_of_stock(arb, cloud):
    cloud.set_capacity("n3-RTX-A4000x1__NORWAY-1", 2)
    wish = ("--infra", "spheron", "--gpus", "A4000:1", "--num-nodes", "3")
    told = launch(arb, "x", *wish, code=3).stderr
    assert "spheron has no n3-RTX-A4000x1__NORWAY-1" in told
    assert len(cloud.ledger().alive("machine")) == 2  # the floor
    cloud.advance(1300)
    arb("status")
    assert cloud.ledger().alive() == []
    assert arb.json("cost")["usd"] == pytest.approx(cloud.ledger().usd(), abs=0.02)


@pytest.mark.slow
def test_a_lost_answer_is_found_again_by_its_name(arb, cloud):
    cloud.fault("drop", match=ORDER)
    told = launch(arb, "x", *H100).stderr
    assert "looking for what it may have made" in told
    assert len(cloud.ledger().of("machine")) == 1


@pytest.mark.slow
def test_a_machine_that_appears_long_after_its_order_is_given_back(arb, cloud):
    cloud.fault("late", match=ORDER, delay_s=600)
    launch(arb, "x", *H100)
    assert offers(arb) == {"x": "1H100.80S.32V_FIN-03_500"}
    cloud.advance(700)
    assert len(cloud.ledger().alive("machine")) == 2
    arb("status")
    cloud.advance(1300)
    arb("status")
    (left,) = cloud.ledger().alive("machine")
    assert left.instance_type == "1H100.80S.32V_FIN-03_500"


@pytest.mark.slow
def test_a_launch_waits_out_a_limit(arb, cloud):
    cloud.fault("status", match=ORDER, status=429, headers={"Retry-After": "60"})
    before = cloud.clock.now()
    launch(arb, "x", *H100)
    assert cloud.clock.now() - before > 100


@pytest.mark.slow
def test_a_gang_of_both_kinds_of_servers_on_an_offer_without_user_data(arb, cloud):
    task = arb.write(
        "task.yaml",
        "num_nodes: 2\n"
        "resources: {infra: spheron, instance_type: A100_sxm4_80G_0001_desmoines-usa-1}\n"
        "run: echo rank $SKYPILOT_NODE_RANK of $SKYPILOT_NUM_NODES\n",
    )
    done = arb("launch", "-y", "-c", "x", task)
    assert "trusted from now on" in done.stderr
    assert "over the internet" in done.stderr
    assert "rank 0 of 2" in done.stdout
    assert "rank 1 of 2" in done.stdout


@pytest.mark.slow
def test_a_killed_launch_is_given_back_by_the_next_command(arb, cloud):
    from arb.state.store import open_store

    process = arb.start("launch", "-y", "-c", "x", *H100, "true")
    eventually(lambda: cloud.ledger().alive("machine"), what="a machine")
    process.kill()
    process.wait()
    store = open_store(f"sqlite:///{arb.home / 'state.db'}")
    try:
        assert cloud.ledger().unclaimed(claims(store)) == []
    finally:
        store.close()
    arb("down", "--all", "--yes")
    cloud.advance(1300)
    arb("status")
    assert cloud.ledger().alive() == []
