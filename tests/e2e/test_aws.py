"""Launches of the installed command on the simulated AWS, whose machines are real SSH nodes.

Time is the cloud's: where ``arb`` would sleep it passes at once, for both.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import pytest
from clouds.aws import OWN_KEY, SECRET
from clouds.command import CloudArb
from clouds.fixtures import aws as cloud  # noqa: F401 - a fixture, used by name
from clouds.ledger import claims
from support.command import eventually

L4 = ("--infra", "aws", "--gpus", "L4:1")
SAY = "nvidia=1; echo ran here"
RUN = "RunInstances"


@pytest.fixture
def arb(cloud):  # noqa: F811 - the fixture above
    """A home with a key; at the end everything is given back, and the cloud must agree."""
    cloud.configure(boot_delay_s=0.3, regions=("us-east-1", "us-east-2"))
    root = Path(tempfile.mkdtemp(prefix="arb-e2e-"))
    key = {"AWS_ACCESS_KEY_ID": OWN_KEY, "AWS_SECRET_ACCESS_KEY": SECRET}
    off = {"AWS_EC2_METADATA_DISABLED": "true"}
    command = CloudArb(root, cloud.clock.path, "aws", **key, **off)
    command.home.mkdir()
    where = f"endpoint_url: '{cloud.url}', metadata_url: '{cloud.url}'"
    options = f"{{ssh_port: {cloud.nodes.port}, {where}}}"
    (command.home / "config.yaml").write_text(f"provider_options: {{aws: {options}}}\n")
    yield command
    command.close()
    command("down", "--all", "--yes")
    assert cloud.ledger().alive() == []
    assert cloud.ledger().harmed() == []
    shutil.rmtree(root)


def launch(arb, name, *wish, job=SAY, code=0):
    return arb("launch", "-y", "-c", name, *wish, job, code=code)


def orders(cloud):  # noqa: F811 - not the fixture
    """Return type and status of every order."""
    calls = [call for call in cloud.ledger().calls if call.operation == RUN]
    return [(_kind(call.body), call.status) for call in calls]


def _kind(body):
    return body.partition("InstanceType=")[2].partition("&")[0]


@pytest.mark.slow
def test_no_stock_in_a_zone_falls_through_to_the_next_zone_and_then_to_the_next_type(arb, cloud):  # noqa: F811
    cloud.configure(end_delay_s=0.3)
    cloud.add_foreign("web-1")
    cloud.add_foreign("web", "security-group")
    for zone in ("us-east-1/use1-az1", "us-east-1/use1-az2"):
        cloud.set_capacity(f"g6.xlarge@{zone}#on-demand", 0)
    done = launch(arb, "x", *L4)
    assert "do not have sufficient g6.xlarge capacity" in done.stderr
    assert "trusted from now on" not in done.stderr  # its host key was known
    assert done.stdout == "ran here\n"
    assert orders(cloud) == [("g6.xlarge", 500), ("g6.xlarge", 500), ("g6.xlarge", 200)]
    assert "here" in arb("exec", "x", "echo here").stdout
    things = {entry.kind for entry in cloud.ledger().alive()}
    assert things == {"machine", "volume", "network-interface", "security-group"}
    cloud.advance(300)  # past the minute that is paid at least
    arb("down", "-y", "x")
    assert cloud.ledger().alive() == []
    paid, billed = arb.json("cost")["usd"], cloud.ledger().usd()
    assert paid == pytest.approx(billed, abs=0.01)
    cloud.set_capacity("g6.xlarge", 0)
    task = arb.write(
        "t.yaml", f"resources: {{infra: aws, accelerators: {{L4: 1, A10G: 1}}}}\nrun: {SAY}\n"
    )
    arb("launch", "-y", "-c", "y", task)
    (view,) = arb.json("status")
    assert view["offer"]["instance_type"] == "g5.xlarge"


@pytest.mark.slow
def test_a_quota_blocks_its_family_and_nothing_else(arb, cloud):  # noqa: F811
    for region in ("us-east-1", "us-east-2"):
        cloud.set_quota(f"L-DB2E81BA@{region}", 0)
    told = launch(arb, "x", *L4, code=3).stderr
    assert "vCPU limit" in told
    assert orders(cloud) == [("g6.xlarge", 400)] * 2  # one a region
    launch(arb, "y", *L4, "--use-spot")  # spot has a quota of its own
    launch(arb, "z", "--infra", "aws", "--cpus", "2", job="echo ran here")
    kinds = {entry.instance_type for entry in cloud.ledger().alive("machine")}
    assert "g6.xlarge" in kinds
    assert len(kinds) == 2


@pytest.mark.slow
def test_an_interrupted_spot_machine_is_recognised_and_replaced(arb, cloud):  # noqa: F811
    launch(arb, "x", *L4, "--use-spot")
    (machine,) = cloud.machines()
    assert machine["spot"]
    cloud.preempt(machine["id"], notice_s=120)
    home = cloud.nodes.home(machine["node"]) / ".arb" / "events.jsonl"
    eventually(lambda: home.exists() and '"notice"' in home.read_text(), what="the notice")
    cloud.advance(130)
    told = arb.notes("status", "--refresh")
    assert "x is gone" in told
    again = launch(arb, "x", *L4, "--use-spot")
    assert again.stdout == "ran here\n"
    assert [e.reason for e in cloud.ledger().of("machine")] == ["preempted", ""]


@pytest.mark.slow
def test_a_gang_is_one_order_whose_answer_may_be_lost(arb, cloud):  # noqa: F811
    cloud.fault("drop", match=RUN)  # the order is found by its token
    done = launch(arb, "x", *L4, "--num-nodes", "2", job="nvidia=1; echo rank $ARB_NODE_RANK")
    assert "rank 0" in done.stdout
    assert "rank 1" in done.stdout
    assert len(orders(cloud)) == 1
    assert len(cloud.ledger().alive("machine")) == 2


@pytest.mark.slow
def test_without_credentials_prices_are_shown_and_buying_says_what_to_do(arb, cloud):  # noqa: F811
    del arb.env["AWS_ACCESS_KEY_ID"]
    assert "p5.48xlarge" in arb("gpus", "H100:8").stdout
    assert "not-configured" in arb("check", "aws", code=4).stdout
    refused = launch(arb, "x", *L4, code=4)
    assert "aws configure" in refused.stderr
    assert orders(cloud) == []
    assert arb.json("status") == []


@pytest.mark.slow
def test_a_price_that_rose_since_it_was_read_loses_its_place(arb, cloud):  # noqa: F811
    (cheapest, *_) = arb.json("gpus", "L4:1", "--all-regions")["offers"]
    assert cheapest["spot"]
    cloud.set_spot_price(cheapest["instance_type"], cheapest["zone"], 5.0)
    launch(arb, "x", *L4, "--use-spot")
    (view,) = arb.json("status")
    assert view["offer"]["zone"] != cheapest["zone"]
    (machine,) = cloud.ledger().alive("machine")
    assert machine.price_usd_hour == pytest.approx(view["offer"]["price_usd_hour"])


@pytest.mark.slow
def test_a_gang_is_whole_or_not_at_all(arb, cloud):  # noqa: F811
    for zone in range(1, 7):
        cloud.set_capacity(f"g6.xlarge@us-east-1/use1-az{zone}#on-demand", 1)
    launch(arb, "x", *L4, "--num-nodes", "2")
    (view,) = arb.json("status")
    assert view["offer"]["region"] == "us-east-2"
    assert len(cloud.ledger().of("machine")) == 2
    assert cloud.ledger().unclaimed(claimed(arb)) == []


@pytest.mark.slow
def test_an_order_that_is_taken_and_then_refused_falls_through(arb, cloud):  # noqa: F811
    cloud.configure(boots="fail", boot_delay_s=5)
    told = launch(arb, "x", *L4, code=3).stderr
    assert "Server.InsufficientInstanceCapacity" in told
    assert cloud.ledger().alive("machine") == []


@pytest.mark.slow
def test_a_missing_permission_names_the_policy_to_give(arb, cloud):  # noqa: F811
    cloud.deny("ec2:RunInstances")
    refused = launch(arb, "x", *L4, code=4)
    assert "may not ec2:RunInstances" in refused.stderr
    checked = arb("check", "aws", "--policy").stdout
    assert "ec2:RunInstances" in checked
    assert cloud.ledger().alive() == []


def claimed(arb):
    from arb.state.store import open_store

    store = open_store(f"sqlite:///{arb.home}/state.db")
    try:
        return claims(store)
    finally:
        store.close()
