"""Launches of the installed command on the simulated Lambda, whose machines are real SSH nodes.

Time is the cloud's: where ``arb`` would sleep it passes at once, for both. So the seconds between launches
are there, and cost none.
"""

from __future__ import annotations

import shutil
import tempfile
from itertools import pairwise
from pathlib import Path

import pytest
from clouds.command import CloudArb, clocked
from clouds.fixtures import lambda_cloud as cloud  # noqa: F401 - a fixture, used by name
from clouds.lambda_cloud import KEY
from clouds.ledger import claims
from support.command import eventually

A10 = ("--infra", "lambda", "--gpus", "A10:1")
H100 = ("--infra", "lambda", "--gpus", "H100:1")
LAUNCH = "POST /instance-operations/launch"
RULES = "POST /firewall-rulesets"


@pytest.fixture
def arb(cloud):  # noqa: F811 - the fixture above
    """A home with a key; at the end everything is given back, and the cloud must agree."""
    cloud.configure(boot_delay_s=60, end_delay_s=20, retry_after=True)
    root = Path(tempfile.mkdtemp(prefix="arb-e2e-"))
    drivers = {"CLOUDS_DRIVERS": "arb-plugin:lambda.,Thread-"}
    command = CloudArb(root, cloud.clock.path, "lambda", LAMBDA_API_KEY=KEY, **drivers)
    command.command = clocked(cloud.clock.path, sleep_s=0.03)  # there are many short waits
    command.home.mkdir()
    options = f"{{api_url: {cloud.url}, ssh_port: {cloud.nodes.port}}}"
    (command.home / "config.yaml").write_text(f"provider_options: {{lambda: {options}}}\n")
    yield command
    command.close()
    command("down", "--all", "--yes")
    assert left(cloud) == {"key"}  # the owner's, which all clusters share
    shutil.rmtree(root)


def left(cloud):  # noqa: F811 - not the fixture
    """Return the kinds of what is there and not somebody else's."""
    return {entry.kind for entry in cloud.ledger().alive()} | {"key"}


def launch(arb, name, *wish, job="echo ran here", code=0):
    return arb("launch", "-y", "-c", name, *wish, job, code=code)


def launches(cloud):  # noqa: F811 - not the fixture
    """Return the calls that ordered machines."""
    return [call for call in cloud.ledger().calls if call.operation == LAUNCH]


def places(cloud):  # noqa: F811 - not the fixture
    """Return type and region of every launch that was tried."""
    return [(c.body["instance_type_name"], c.body["region_name"]) for c in launches(cloud)]


def claimed(arb):
    from arb.state.store import open_store

    store = open_store(f"sqlite:///{arb.home}/state.db")
    try:
        return claims(store, f"arb-{store.owner()}")
    finally:
        store.close()


def test_a_launch_is_reached_verified_priced_and_leaves_nothing(arb, cloud):  # noqa: F811
    cloud.configure(strange=True)  # whatever may be in an answer is in it, or is not
    done = launch(arb, "x", *A10)
    assert done.stdout == "ran here\n"
    assert "trusted from now on" not in done.stderr  # its host key was known
    (view,) = arb.json("status")
    assert (view["offer"]["instance_type"], view["region"]) == ("gpu_1x_a10", "europe-central-1")
    assert "here" in arb("exec", "x", "echo here").stdout
    cloud.advance(1800)
    arb("down", "-y", "x")
    assert left(cloud) == {"key"}
    assert arb.json("status") == []
    paid, billed = arb.json("cost")["usd"], cloud.ledger().usd()
    assert paid == pytest.approx(billed, abs=0.02)
    assert billed > 0.6


@pytest.mark.slow
def test_out_of_stock_is_fallen_through_region_by_region_and_then_to_another_type(arb, cloud):  # noqa: F811
    cloud.configure(phantom=True)  # it is told to be there, and is not
    for place in ("gpu_1x_h100_pcie@us-east-1", "gpu_1x_h100_pcie@us-west-1"):
        cloud.set_capacity(place, 0)
    told = launch(arb, "x", *H100).stderr
    assert "lambda has no gpu_1x_h100_pcie in us-east-1 now" in told
    assert "lambda has no gpu_1x_h100_pcie in us-west-1 now" in told
    assert places(cloud) == [
        ("gpu_1x_h100_pcie", "us-east-1"),
        ("gpu_1x_h100_pcie", "us-west-1"),
        ("gpu_1x_h100_sxm5", "us-east-1"),
    ]
    rulesets = cloud.ledger().alive("ruleset")
    assert len(rulesets) == 1  # those of the refused launches are gone already
    why = arb("why", "x").stdout
    assert why.count("gpu_1x_h100_pcie") >= 2


@pytest.mark.slow
def test_what_lambda_says_is_sold_out_is_not_even_tried(arb, cloud):  # noqa: F811
    cloud.set_capacity("gpu_1x_h100_pcie", 0)
    launch(arb, "x", *H100)
    assert places(cloud) == [("gpu_1x_h100_sxm5", "us-east-1")]


@pytest.mark.slow
def test_a_gang_of_four_whose_third_is_out_of_stock_ends_whole_elsewhere(arb, cloud):  # noqa: F811
    cloud.configure(phantom=True)
    cloud.set_capacity("gpu_1x_a10@europe-central-1", 2)
    task = arb.write(
        "task.yaml",
        "num_nodes: 4\n"
        "resources: {infra: lambda, accelerators: A10:1, ports: 8080}\n"
        "run: echo rank $SKYPILOT_NODE_RANK of $SKYPILOT_NUM_NODES\n",
    )
    done = arb("launch", "-y", "-c", "x", task)
    assert {f"rank {rank} of 4" for rank in range(4)} <= {
        line.rpartition(") ")[2] for line in done.stdout.splitlines()
    }
    regions = [region for _, region in places(cloud)]
    assert regions == ["europe-central-1"] * 3 + ["us-east-1"] * 4
    at = [call.at for call in launches(cloud)]
    assert all(later - earlier >= 12 for earlier, later in pairwise(at))
    assert {call.status for call in launches(cloud)} == {200, 400}  # a queue: no limit was met
    alive = cloud.ledger().alive("machine")
    assert {(entry.region, len(alive)) for entry in alive} == {("us-east-1", 4)}
    assert all(cloud.lets_in(entry.id, 8080) for entry in alive)
    assert cloud.ledger().unclaimed(claimed(arb)) == []
    arb("down", "-y", "x")
    ended = cloud.ledger().of("machine")
    assert len(ended) == 6
    assert all(entry.usd(cloud.clock.now()) > 0 for entry in ended)
    assert arb.json("cost")["usd"] == pytest.approx(cloud.ledger().usd(), abs=0.04)


@pytest.mark.slow
def test_a_gang_that_cannot_be_whole_anywhere_leaves_nothing_but_its_bill(arb, cloud):  # noqa: F811
    cloud.change_type("gpu_1x_a10", regions=("us-east-1",))
    cloud.set_capacity("gpu_1x_a10", 2)
    refused = launch(arb, "x", *A10, "--num-nodes", "4", code=3)
    assert "lambda has no gpu_1x_a10 in us-east-1 now" in refused.stderr
    assert left(cloud) == {"key"}
    assert len(cloud.ledger().of("machine")) == 2
    assert arb.json("cost")["usd"] == pytest.approx(cloud.ledger().usd(), abs=0.02)


@pytest.mark.slow
def test_without_a_key_prices_are_shown_and_buying_says_how_to_get_one(arb, cloud):  # noqa: F811
    del arb.env["LAMBDA_API_KEY"]
    assert "gpu_8x_h100_sxm5" in arb("gpus", "H100:8").stdout
    assert "not-configured" in arb("check", "lambda", code=4).stdout
    refused = launch(arb, "x", *A10, code=4)
    assert "LAMBDA_API_KEY" in refused.stderr
    assert launches(cloud) == []
    assert arb.json("status") == []


@pytest.mark.slow
def test_a_key_that_is_refused_or_an_account_that_is_inactive_buys_nothing(arb, cloud):  # noqa: F811
    arb("refresh", "lambda")
    cloud.configure(account="inactive")
    refused = launch(arb, "x", *A10, code=4)
    assert "the account is inactive" in refused.stderr
    assert "refused" in arb("check", "lambda", code=4).stdout
    assert KEY not in refused.stderr
    cloud.configure(account="active")
    assert "1 machine in the account" in arb("check", "lambda").stdout


@pytest.mark.slow
def test_a_quota_ends_the_walk_over_lambda(arb, cloud):  # noqa: F811
    cloud.set_quota("instances", 0)
    refused = launch(arb, "x", *H100, code=3)
    assert "the account's quota is used up" in refused.stderr
    assert len(launches(cloud)) == 1


@pytest.mark.slow
def test_a_lost_answer_is_found_again_by_its_name(arb, cloud):  # noqa: F811
    cloud.fault("drop", match=LAUNCH)
    told = launch(arb, "x", *A10).stderr
    assert "looking for what it may have made" in told
    assert len(cloud.ledger().of("machine")) == 1


@pytest.mark.slow
def test_a_machine_that_appears_long_after_its_order_is_given_back(arb, cloud):  # noqa: F811
    cloud.fault("late", match=LAUNCH, delay_s=600)
    launch(arb, "x", *A10)
    cloud.advance(900)
    assert len(cloud.ledger().alive("machine")) == 2
    for _ in range(2):
        arb("status")
        cloud.advance(700)
    assert len(cloud.ledger().alive("machine")) == 1


@pytest.mark.slow
@pytest.mark.parametrize("at", [RULES, LAUNCH], ids=["rule set", "machine"])
def test_a_killed_launch_is_given_back_by_the_next_command(arb, cloud, at):  # noqa: F811
    cloud.configure(boot_delay_s=3600)
    process = arb.start("launch", "-y", "-c", "x", *A10, "true")
    eventually(lambda: cloud.ledger().count(at), what="the call")
    process.kill()
    process.wait()
    assert cloud.ledger().unclaimed(claimed(arb)) == []
    cloud.configure(boot_delay_s=0, booting_can_end=True)
    arb("down", "--all", "--yes")
    cloud.advance(3700)
    arb("status")
    assert left(cloud) == {"key"}


@pytest.mark.slow
def test_a_preempted_machine_is_told_and_given_back(arb, cloud):  # noqa: F811
    launch(arb, "x", *A10)
    (machine,) = cloud.ledger().alive("machine")
    cloud.preempt(machine.id)
    arb("status", "--refresh")
    (view,) = arb.json("status")
    assert [(n["state"], n["detail"]) for n in view["nodes"]] == [("terminating", "preempted")]
    arb("down", "-y", "x")
    assert left(cloud) == {"key"}
