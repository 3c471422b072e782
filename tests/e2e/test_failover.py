"""One task, all simulated clouds at once: the order that was asked for, else the cheapest that has room.

Time is the clouds': where ``arb`` would sleep it passes at once, for all. Machines are real SSH nodes.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from pathlib import Path

import pytest
from clouds.market import NAMES, Market
from support.acme import AcmeCloud

SERVE_70B = """\
name: serve-70b
resources:
  ordered:
    - {cloud: spheron, accelerators: "H100:2"}
    - {cloud: lambda, accelerators: "H100:2"}
    - {cloud: gcp, accelerators: "H100-80GB:2"}
    - {cloud: aws, accelerators: "H100:2"}
  use_spot: true
  cpus: 8+
  memory: 120+
envs:
  MODEL: meta-llama/Meta-Llama-3.1-70B-Instruct
setup: |
  echo set up >$HOME/set-up
run: |
  cat $HOME/set-up && echo "$MODEL runs"
"""
"""The guide's task, with a setup and a run that do no harm."""
OUTPUT = "set up\nmeta-llama/Meta-Llama-3.1-70B-Instruct runs\n"
DEADLINE_S = 20
"""Of ``arb_catalog``."""
IN_ORDER = ("spheron", "lambda", "gcp", "aws")
ONE = "resources: {accelerators: H100:1, any_of: [{infra: lambda}, {infra: spheron}]}\nrun: echo ran here\n"


@pytest.fixture
def market(tmp_path):
    pytest.importorskip("moto", reason="the simulated AWS stands on it")
    pytest.importorskip("googleapiclient", reason="its documents say what Google's API is")
    market = Market(tmp_path / "market")
    yield market
    market.close()


@pytest.fixture
def arb(market):
    """A home with all credentials; at the end everything is given back, and all clouds must agree."""
    root = Path(tempfile.mkdtemp(prefix="arb-e2e-"))
    command = market.arb(root)
    yield command
    command.close()
    market.give_back(command)
    shutil.rmtree(root)


def launch(arb, name, task, *wish, code=0):
    return arb("launch", "-y", "-c", name, arb.write("task.yaml", task), *wish, code=code)


def eight(task):
    return task.replace("H100:2", "H100:8").replace("80GB:2", "80GB:8")


def any_of(task):
    return task.replace("ordered:", "any_of:")


def bought(arb):
    """Return cluster -> provider and instance type of what is up."""
    return {
        view["name"]: (view["provider"], view["offer"]["instance_type"])
        for view in arb.json("status")
    }


def orders(market):
    """Return how often every provider was asked for machines."""
    calls = {
        "aws": "RunInstances",
        "gcp": "compute.instances.insert",
        "lambda": "POST /instance-operations/launch",
        "spheron": "POST /api/deployments",
    }
    return {name: market[name].ledger().count(calls[name]) for name in NAMES}


def sell_out(market, *names):
    for name in names:
        market[name].set_capacity("*", 0)


def tried(arb, cluster):
    """Return the providers of a cluster's attempts as ``arb why`` tells them, in their order."""
    lines = [line.split() for line in arb("why", cluster).stdout.splitlines()]
    return [words[2] for words in lines if len(words) > 2 and words[1].rstrip(".").isdigit()]


@pytest.mark.slow
def test_prices_of_all_clouds_are_merged_sorted_and_dated_and_a_broken_one_costs_a_line(
    arb, market
):
    for wish in (("H100",), ("H100:8", "--all-regions")):
        listed = arb.json("gpus", *wish, "--limit", "0")
        prices = [offer["price_usd_hour"] for offer in listed["offers"]]
        assert prices == sorted(prices)
        assert {offer["provider"] for offer in listed["offers"]} == set(NAMES)
        assert {offer["accelerator"] for offer in listed["offers"]} == {"H100"}
        dated = {row["provider"]: row for row in listed["providers"] if row["provider"] in NAMES}
        assert {row["source"] for row in dated.values()} == {"live"}
        assert all(row["as_of"] > market.clock.now() - 3600 for row in dated.values())
        assert len(dated) == len(NAMES)
    market["lambda"].fault("garbage", count=1_000)
    market.advance(3700)  # past what a plugin may know by heart
    told = arb("refresh", code=1)
    assert told.stdout.count("the answer is not JSON") == 1
    checked = arb("check", code=1).stdout
    states = dict(line.split()[:2] for line in checked.splitlines() if line.startswith(NAMES))
    assert states == {"aws": "ok", "gcp": "ok", "lambda": "unreachable", "spheron": "ok"}
    plan = arb.json("plan", arb.write("task.yaml", any_of(eight(SERVE_70B))), "--limit", "0")
    prices = [offer["price_usd_hour"] for offer in plan["offers"]]
    assert prices == sorted(prices)
    assert {offer["provider"] for offer in plan["offers"]} == set(NAMES)
    assert {row["provider"] for row in plan["prices"]} == set(NAMES)
    market["lambda"].clear_faults()


def test_the_guides_task_lands_on_each_cloud_in_turn_and_then_ends_with_the_reason(arb, market):
    for name in IN_ORDER[:3]:
        done = launch(arb, name, SERVE_70B)
        assert done.stdout == OUTPUT
        assert "lambda has no spot market: offered on demand, from $8.38 an hour" in done.stderr
        sell_out(market, name)
    assert bought(arb) == {
        "spheron": ("spheron", "2H100.80S.80V_FIN-03_500"),
        "lambda": ("lambda", "gpu_2x_h100_sxm5"),
        "gcp": ("gcp", "a3-highgpu-2g"),
    }
    assert sorted((name, entry.spot) for name, entry in market.alive()) == [
        ("gcp", True),
        ("lambda", False),
        ("spheron", True),
    ]
    refused = launch(arb, "none", SERVE_70B, "--try-blocked", code=3)
    assert "aws sells 1 and 8: write H100:8, or H100:2+ to allow more" in refused.stderr
    assert tried(arb, "none") == ["spheron", "lambda", "gcp", "gcp", "gcp", "gcp"]
    assert orders(market)["aws"] == 0


@pytest.mark.slow
def test_a_price_that_rose_since_it_was_read_loses_its_place(arb, market):
    arb("refresh", "lambda", "spheron")
    market["spheron"].change_offer("n3-H100x1__CANADA-1", price=3.35)
    market["spheron"].change_offer("1H100.80S.32V_FIN-03_500", price=3.40)
    market.advance(61)
    done = launch(arb, "x", ONE)
    assert "spheron n3-H100x1__CANADA-1 in CANADA-1" in arb("why", "x").stdout
    assert "$3.29" in done.stderr
    assert bought(arb) == {"x": ("lambda", "gpu_1x_h100_pcie")}
    market.advance(1800)
    arb("down", "--yes", "x")
    assert arb.json("cost")["usd"] == pytest.approx(market.usd(), abs=0.02)


@pytest.mark.slow
def test_a_price_that_rose_and_is_still_the_best_is_what_is_recorded_and_counted(arb, market):
    arb("refresh", "lambda", "spheron")
    market["spheron"].change_offer("n3-H100x1__CANADA-1", price=3.0)
    market["spheron"].change_offer("1H100.80S.32V_FIN-03_500", price=3.4)
    market.advance(61)
    launch(arb, "x", ONE)
    (view,) = arb.json("status")
    assert (view["provider"], view["offer"]["price_usd_hour"]) == ("spheron", 3.0)
    market.advance(1800)
    arb("down", "--yes", "x")
    assert market.alive() == []
    assert arb.json("cost")["usd"] == pytest.approx(market.usd(), abs=0.02)
    assert market.usd() > 1.5


@pytest.mark.slow
def test_with_eight_the_walk_goes_over_all_four_and_lands_on_the_last(arb, market):
    sell_out(market, *IN_ORDER[:3])
    done = launch(arb, "x", eight(SERVE_70B))
    assert done.stdout == OUTPUT
    assert bought(arb) == {"x": ("aws", "p5.48xlarge")}
    assert list(dict.fromkeys(tried(arb, "x"))) == list(IN_ORDER)
    assert all(orders(market).values())
    sell_out(market, "aws")
    launch(arb, "y", eight(SERVE_70B), "--try-blocked", code=3)
    assert list(dict.fromkeys(tried(arb, "y"))) == list(IN_ORDER)


@pytest.mark.slow
def test_with_any_of_the_cheapest_wins_wherever_it_is(arb, market):
    wish = any_of(eight(SERVE_70B))
    market["spheron"].change_offer("8H100.80S.176V_FIN-03_500", spot_price=17.0)
    launch(arb, "x", wish)
    assert bought(arb)["x"] == ("aws", "p5.48xlarge")  # a spot market: $16.35
    (entry,) = [entry for name, entry in market.alive()]
    market["aws"].set_spot_price("p5.48xlarge", entry.zone, 18.0)
    arb("refresh", "aws")
    launch(arb, "y", wish)
    assert bought(arb)["y"] == ("spheron", "8H100.80S.176V_FIN-03_500")


@pytest.mark.slow
def test_another_type_of_the_same_cloud_is_tried_before_the_next_cloud(arb, market):
    task = """
resources:
  ordered: [{infra: lambda}, {infra: spheron}]
  accelerators: H100:1
run: echo ran here
"""
    market["lambda"].set_capacity("gpu_1x_h100_pcie", 0)
    launch(arb, "x", task)
    assert bought(arb)["x"] == ("lambda", "gpu_1x_h100_sxm5")
    assert set(tried(arb, "x")) == {"lambda"}


WAIT = {"status": 429, "headers": {"Retry-After": "600"}, "count": 99}
LIMITED = ("RequestLimitExceeded", "Request limit exceeded.", 503)
REFUSALS = {
    "capacity": {name: lambda cloud: cloud.set_capacity("*", 0) for name in NAMES},
    "quota": {
        "aws": lambda cloud: cloud.set_quota("L-C4BD4855@us-east-1", 0),
        "gcp": lambda cloud: cloud.set_quota("GPUS_ALL_REGIONS", 0),
        "lambda": lambda cloud: cloud.set_quota("instances", 0),
        "spheron": lambda cloud: cloud.set_balance(0.0),
    },
    "credentials": {
        "aws": lambda cloud: cloud.deny("ec2:RunInstances"),
        "gcp": lambda cloud: cloud.deny("compute.instances.create"),
        "lambda": lambda cloud: cloud.configure(account="inactive"),
        "spheron": lambda cloud: cloud.configure(api_enabled=False),
    },
    "too many requests": {
        "aws": lambda cloud: cloud.say("RunInstances", *LIMITED, count=99),
        "gcp": lambda cloud: cloud.fault("status", match="compute.instances.insert", **WAIT),
        "lambda": lambda cloud: cloud.fault("status", match="POST *launch", **WAIT),
        "spheron": lambda cloud: cloud.fault("status", match="POST /api/deployments", **WAIT),
    },
}
SCOPES = {
    "capacity": {"aws": "zone", "gcp": "zone", "lambda": "instance-type", "spheron": "offer"},
    "quota": {
        "aws": "quota-family",
        "gcp": "quota-family-everywhere",
        "lambda": "provider",
        "spheron": "provider",
    },
    "credentials": dict.fromkeys(NAMES, "provider"),
    "too many requests": dict.fromkeys(NAMES, "provider"),
}
MENDED_BY_THE_USER = {("credentials", name) for name in NAMES} | {("quota", "spheron")}
"""Refusals that count for the command alone that met them; Spheron's quota is the team's balance."""
OFFERS = {"aws": 6, "gcp": 5, "lambda": 1, "spheron": 1}
"""How many offers of eight H100 there are; of GCP's, each a zone or a type of its own."""


@pytest.mark.slow
@pytest.mark.parametrize("first", range(4), ids=list(REFUSALS))
def test_every_kind_of_refusal_blocks_exactly_its_scope(arb, market, first):
    arb("refresh")
    kinds = list(REFUSALS)
    given = {name: kinds[(place + first) % 4] for place, name in enumerate(IN_ORDER)}
    for name, kind in given.items():
        REFUSALS[kind][name](market[name])
    told = launch(arb, "x", eight(SERVE_70B), code=3).stderr
    events = [e["data"] for e in arb.json("why", "x")[0]["events"] if e["kind"] == "offers-blocked"]
    blocks = {name: [e for e in events if e["provider"] == name] for name in NAMES}
    for name, kind in given.items():
        assert {block["scope"] for block in blocks[name]} == {SCOPES[kind][name]}, name
        is_narrow = kind == "capacity"
        assert len(blocks[name]) == (OFFERS[name] if is_narrow else 1), name
        assert name in told
    assert market.alive() == []
    until = {name: min(block["until"] for block in blocks[name]) for name in NAMES}
    before = orders(market)
    again = arb.start("launch", "-y", "-c", "y", str(arb.root / "task.yaml"))
    err, _ = again.communicate(timeout=60)
    assert again.returncode in {3, 4}, err  # what is refused for seconds only is asked again
    asked = {name for name, count in orders(market).items() if count > before[name]}
    expired = {name for name in NAMES if until[name] <= market.clock.now()}
    anew = {name for name in NAMES if (given[name], name) in MENDED_BY_THE_USER}
    assert asked <= expired | anew, err  # some are found out before anything is ordered
    for name in {"aws", "gcp"} & {name for name, kind in given.items() if kind == "quota"}:
        task = f"resources: {{infra: {name}, cpus: 2+}}\nrun: echo on\n"
        assert launch(arb, "z", task).stdout == "on\n"  # no accelerator, another quota


@pytest.mark.slow
@pytest.mark.parametrize(
    ("short", "whole"), [("spheron", "lambda"), ("lambda", "spheron")], ids=["spheron", "lambda"]
)
def test_a_gang_whose_third_machine_is_missing_is_whole_at_another_cloud(arb, market, short, whole):
    gang = f"""
num_nodes: 4
resources:
  ordered: [{{infra: {short}}}, {{infra: {whole}}}]
  accelerators: H100:1
run: echo rank $SKYPILOT_NODE_RANK of $SKYPILOT_NUM_NODES
"""
    market[short].set_capacity("*", 2)
    done = launch(arb, "x", gang)
    assert {f"rank {rank} of 4" for rank in range(4)} <= {
        line.rpartition(") ")[2] for line in done.stdout.splitlines()
    }
    assert bought(arb)["x"][0] == whole
    assert len(market[whole].ledger().alive("machine")) == 4
    made = market[short].ledger().of("machine")
    assert len(made) >= 2
    market.advance(1300)  # Spheron keeps what it sold for twenty minutes
    arb("status")
    assert market[short].ledger().alive("machine") == []
    arb("down", "--yes", "x")
    assert market.alive() == []
    assert all(entry.usd(market.clock.now()) > 0 for entry in made)
    assert arb.json("cost")["usd"] == pytest.approx(market.usd(), abs=0.1)


@pytest.mark.slow
def test_a_gang_that_is_whole_nowhere_leaves_nothing_but_its_bill(arb, market):
    gang = """
num_nodes: 4
resources: {accelerators: H100:1, any_of: [{infra: spheron}, {infra: lambda}]}
run: echo no
"""
    for name in ("spheron", "lambda"):
        market[name].set_capacity("*", 2)
    launch(arb, "x", gang, code=3)
    market.advance(1300)
    arb("status")
    assert market.alive() == []
    assert {name for name in NAMES if market[name].ledger().of("machine")} == {"spheron", "lambda"}
    assert arb.json("cost")["usd"] == pytest.approx(market.usd(), abs=0.1)


@pytest.fixture
def acme(arb, tmp_path):
    """Somebody else's provider, installed from its wheel beside ours."""
    folder = tmp_path / "acme"
    folder.mkdir()
    cloud = AcmeCloud(folder)
    arb.env |= cloud.env
    arb.env["PYTHONPATH"] += f":{cloud.site}"
    yield cloud
    arb("down", "--all", "--yes")  # while its machines can still be ended
    assert all(row["gone_at"] for row in cloud.machines())
    cloud.close()


@pytest.mark.slow
def test_a_provider_of_somebody_else_wins_a_launch_where_it_is_cheapest(arb, market, acme):
    listed = arb.json("gpus", "H100:8", "--limit", "0")
    assert {offer["provider"] for offer in listed["offers"]} == {*NAMES, "acme"}
    task = "resources: {accelerators: H100:8, use_spot: SPOT, max_hourly_cost: 60}\nrun: echo ran here\n"
    done = launch(arb, "x", task.replace("SPOT", "true"))
    assert bought(arb)["x"][0] == "spheron"  # $6.41 against $11.60
    market["spheron"].set_capacity("*", 0)
    done = launch(arb, "y", task.replace("SPOT", "true"))
    assert done.stdout == "ran here\n"
    assert bought(arb)["y"] == ("acme", "h100x8")
    assert tried(arb, "y") == ["spheron", "acme"]
    assert len(acme.machines()) == 1
    arb("down", "--yes", "y")
    assert [bool(row["gone_at"]) for row in acme.machines()] == [True]


@pytest.mark.slow
def test_a_cloud_that_hangs_costs_its_deadline_and_a_line(arb, market):
    arb("refresh")
    market["lambda"].fault("late", count=10_000, delay_s=1e9, hang_s=60)
    market.advance(3700)
    began = time.monotonic()
    told = arb("refresh", code=1).stdout
    assert time.monotonic() - began < DEADLINE_S + 10  # there are slow computers
    assert told.count("failed:") == 1
    lines = [line.split() for line in told.splitlines() if line.startswith(NAMES)]
    assert [words[0] for words in lines] == list(NAMES)
    began = time.monotonic()
    listed = arb.json("gpus", "H100:8", "--limit", "0")
    assert time.monotonic() - began < DEADLINE_S / 2  # it is not waited for again
    assert {offer["provider"] for offer in listed["offers"]} == set(NAMES)  # at the old price
    market["lambda"].clear_faults()
