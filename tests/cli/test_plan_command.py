"""``arb plan`` over shops whose price lists are in the test: tables, totals, reasons, no traces."""

from __future__ import annotations

import io
import os
import sys
import time
from dataclasses import dataclass

import pytest
from support.fakecloud import FakeCloud

from arb.errors import CredentialsError, ProviderUnavailable
from arb.hookspecs import hookimpl
from arb.plugins import PluginTable
from arb.testing import FakeClock
from arb.types import Capability, Catalog, PeerNetwork, ProviderInfo

ACME = """\
instance_type,region,zone,accelerator,accelerator_count,vcpus,memory_gib,spot,price_usd_hour,\
minimum_s,latitude,longitude
a1,north,,H100,1,26,200,no,3.30,0,59.3,18.1
a8,north,x,H100,8,208,1800,no,32.00,0,59.3,18.1
a8,north,x,H100,8,208,1800,yes,13.00,0,59.3,18.1
a8,south,y,H100,8,208,1800,no,30.00,7200,-33.9,18.4
"""
OTHER = """\
instance_type,region,accelerator,accelerator_count,vcpus,memory_gib,spot,price_usd_hour
o8,east,H100,8,192,2048,no,40.00
l4,east,L4,1,8,32,no,0.70
"""
MINE = """\
instance_type,region,accelerator,accelerator_count,vcpus,memory_gib,spot,price_usd_hour
desk,here,H100,8,16,64,no,0
"""
GUIDE = """\
provider,instance_name,vcpus,memory_gb,accelerator_name,accelerator_count,price,spot_price,region
spheron,spheron-h100-sxm5-8,96,480,H100,8,31.20,13.28,global
aws,p5.48xlarge,192,2048,H100,8,55.04,20.00,us-east-1
gcp,a3-highgpu-8g,208,1872,H100,8,55.84,16.80,us-central1
lambda,gpu_8x_h100_sxm5,208,1800,H100,8,19.92,,us-east-1
"""
FINETUNE = """\
name: finetune
resources:
  ordered:
    - {cloud: spheron, accelerators: "H100:8"}
    - {cloud: lambda, accelerators: "H100:8"}
  use_spot: true
envs:
  MUST_BE_GIVEN:
run: python train.py
"""


OFFERS = """\
provider  instance type  vCPUs   GiB  accelerators  place      $/h  $/h billed
acme      a8               208  1800  H100:8        north/x  32.00       32.00
other     o8               192  2048  H100:8        east     40.00       40.00
acme      a8               208  1800  H100:8        south/y  30.00       60.00
"""


@dataclass
class Shop:
    """A provider that sells what a price list says."""

    name: str
    prices: str
    age_s: float = 0
    owned: bool = False
    peers: PeerNetwork = PeerNetwork.PRIVATE
    error: Exception | None = None
    asked: int = 0

    def entry(self):
        capabilities = {Capability.ON_DEMAND, Capability.SPOT}
        capabilities |= {Capability.OWNED} if self.owned else set()
        info = ProviderInfo(self.name, frozenset(capabilities), peer_network=self.peers)
        entry = FakeCloud(FakeClock(), self.name, info).entry()
        sys.modules[entry.value].arb_catalog = hookimpl(self._catalog())
        return entry

    def _catalog(self):
        def arb_catalog(context):
            from arb.catalog.read_csv import read_csv

            self.asked += 1
            if self.error is not None:
                raise self.error
            as_of = context.clock.now() - self.age_s
            return Catalog(read_csv(io.StringIO(self.prices)), "live", as_of)

        return arb_catalog


@pytest.fixture
def install(monkeypatch):
    """Let exactly these shops be installed."""

    def installed(*shops):
        table = PluginTable([shop.entry() for shop in shops])
        monkeypatch.setattr(PluginTable, "load", lambda *_, **__: table)

    return installed


@pytest.fixture
def plan(cli, install):
    """Run ``arb plan`` where three shops are, one of own machines."""
    install(Shop("acme", ACME), Shop("other", OTHER), Shop("mine", MINE, owned=True))

    def run(*arguments):
        done = cli("plan", *arguments)
        assert "Traceback" not in done.err
        return done

    return run


@pytest.fixture
def guide(tmp_path):
    path = tmp_path / "prices.csv"
    path.write_text(GUIDE)
    return str(path)


def lines(text):
    return [line.split() for line in text.splitlines()]


# -- the table ------------------------------------------------------------------------------------


def test_offers_stand_best_first_and_own_machines_are_left_out(plan):
    done = plan("--gpus", "H100:8")
    assert done.code == 0
    assert done.out == OFFERS
    assert done.err.splitlines()[0] == "reading prices of acme, mine, other"


def test_a_longer_task_bears_a_billing_minimum(plan):
    done = plan("--gpus", "H100:8", "--hours", "2")
    assert done.out.splitlines()[:2] == [
        "provider  instance type  vCPUs   GiB  accelerators  place      $/h",
        "acme      a8               208  1800  H100:8        south/y  30.00",
    ]


def test_the_estimated_duration_of_a_task_counts_as_hours(plan, tmp_path):
    path = tmp_path / "task.yaml"
    path.write_text("resources: {accelerators: H100:8}\nestimated_duration: 1d\nrun: x\n")
    assert plan(str(path)).out.splitlines()[1].split()[-2:] == ["south/y", "30.00"]


def test_strict_preferences_are_a_column(plan, tmp_path):
    path = tmp_path / "task.yaml"
    path.write_text("resources:\n  ordered: [{cloud: other}, {accelerators: H100}]\nrun: x\n")
    table = lines(plan(str(path)).out)
    assert table[0][-1] == "order"
    assert [(row[0], row[-1]) for row in table[1:]] == [
        ("other", "1"), ("other", "1"), ("acme", "2"),
    ]  # fmt: skip


def test_value_shows_dollars_a_pflop_hour(plan):
    done = plan("--gpus", "1GB+:1+", "--objective", "value", "--hours", "9")
    table = lines(done.out)
    assert table[0][-1] == "$/PFLOP-h"
    assert [(row[0], row[-1]) for row in table[1:6]] == [
        ("acme", "3.34"), ("acme", "3.79"), ("acme", "4.04"), ("other", "5.06"), ("other", "5.79"),
    ]  # fmt: skip


@pytest.mark.parametrize("place", ["59.3,18.1", "NORTH"])
def test_latency_weighs_distance(plan, place):
    done = plan("--gpus", "H100:8", "--hours", "9", "--objective", "latency", "--near", place)
    assert [row[0] for row in lines(done.out)[1:4]] == ["acme", "acme", "other"]
    assert "north/x" in done.out.splitlines()[1]
    assert "the place of 1 offer is not known: ranked last\n" in done.err


def test_client_regions_alone_mean_latency(plan):
    assert plan("--gpus", "H100:8", "--near", "0,0", "--json").json["objective"] == "latency"


def test_a_configured_region_that_nobody_has_any_more_stops_only_latency(plan, cli):
    cli("config", "set", "near", "[gone]")
    assert plan("--gpus", "H100:8").code == 0
    assert plan("--gpus", "H100:8", "--objective", "latency").code == 2


def test_objective_and_client_regions_may_be_configured(plan, cli):
    cli("config", "set", "objective", "latency")
    cli("config", "set", "near", "[north]")
    assert plan("--gpus", "H100:8", "--json").json["objective"] == "latency"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--objective", "speed"], "unknown objective 'speed'"),
        (["--objective", "latency"], "needs client regions"),
        (["--near", "atlantis"], "it is not known where 'atlantis' is"),
        (["--near", "100,0"], "not on this earth"),
        (["--hours", "0"], "the hours must be above 0"),
        (["--hours", "1e-300"], "the hours must be above 0"),
        (["--hours", "nan"], "the hours must be above 0"),
        (["--hours", "1e300"], "at most 1,000,000,000"),
        (["--near", "1,1", "--near-weight", "inf"], "--near-weight"),
        (["--hours", "1", "--spot-share", "1.5"], "between 0 and 1"),
        (["--plot", "x.jpg"], "pictures are PNG files"),
        (["--prices", "nowhere.csv"], "nowhere.csv"),
        (["--limit", "-1"], "--limit"),
    ],
)
def test_what_makes_no_sense_is_refused(plan, arguments, told):
    done = plan("--gpus", "H100:8", *arguments)
    assert (done.code, done.out) == (2, "")
    assert told in done.err


def test_a_command_will_do_and_so_will_nothing(plan):
    assert plan("--gpus", "H100:8", "python", "train.py").code == 0
    assert plan().code == 0


def test_the_list_ends_with_how_many_there_are(plan):
    done = plan("--gpus", "H100:8", "--limit", "1")
    assert len(done.out.splitlines()) == 2
    assert "and 2 more; --limit 0 shows all\n" in done.err
    assert len(plan("--gpus", "H100:8", "--limit", "0").out.splitlines()) == 4


def test_prices_of_several_nodes_are_of_one(plan):
    done = plan("--gpus", "H100:8", "--num-nodes", "2", "--hours", "4")
    assert "prices are of one node; the task has 2\n" in done.err
    assert "4 h on 2 nodes" in done.out
    assert "   60.00      240\n" in done.out


# -- ages -----------------------------------------------------------------------------------------


def test_prices_that_are_old_tell_their_age(cli, install):
    install(Shop("acme", ACME, age_s=7200), Shop("other", OTHER))
    first = cli("plan", "--gpus", "H100:8")
    assert first.err.splitlines()[-1] == "prices: acme live, 2h 0m old; other live, now"
    document = cli("plan", "--gpus", "H100:8", "--json").json
    ages = {row["provider"]: row["age_s"] for row in document["prices"]}
    assert 7200 <= ages["acme"] < 7260
    assert ages["other"] < 60
    assert [row["provider"] for row in document["prices"]] == ["acme", "other"]
    assert 7200 <= document["offers"][0]["age_s"] < 7260


def test_a_price_list_replaces_the_providers_in_it_and_tells_its_age(cli, install, tmp_path):
    acme, other = Shop("acme", ACME), Shop("other", OTHER)
    install(acme, other)
    path = tmp_path / "prices.csv"
    path.write_text(
        "provider,instance_name,vcpus,memory_gb,accelerator_name,accelerator_count,price,"
        "spot_price,region\nacme,cheap,8,64,H100,8,1.50,,moon\n"
    )
    hours_ago = time.time() - 3 * 3600
    os.utime(path, (hours_ago, hours_ago))
    done = cli("plan", "--gpus", "H100:8", "--prices", str(path))
    assert [row[:2] for row in lines(done.out)[1:]] == [["acme", "cheap"], ["other", "o8"]]
    assert "prices: acme prices.csv (file date), 3h 0m old; other live, now" in done.err
    assert (acme.asked, other.asked) == (0, 1)


# -- totals ---------------------------------------------------------------------------------------

TOTALS = """\
336 h on 1 node                            instance type                             $/h  total $
spheron spot                               spheron-h100-sxm5-8                     13.28    4,462
80 % spheron spot + 20 % lambda on-demand  spheron-h100-sxm5-8 + gpu_8x_h100_sxm5  14.61    4,909
gcp spot                                   a3-highgpu-8g                           16.80    5,645
lambda on-demand                           gpu_8x_h100_sxm5                        19.92    6,693
aws spot                                   p5.48xlarge                             20.00    6,720
spheron on-demand                          spheron-h100-sxm5-8                     31.20   10,483
aws on-demand                              p5.48xlarge                             55.04   18,493
gcp on-demand                              a3-highgpu-8g                           55.84   18,762
80 % spheron spot + 20 % lambda on-demand is 27 % under lambda on-demand, \
53 % under spheron on-demand, 73 % under aws on-demand, 74 % under gcp on-demand
"""


def test_the_guides_totals_are_printed_with_providers_that_are_not_installed(cli, install, guide):
    install()
    done = cli("plan", "--gpus", "H100:8", "--hours", "336", "--prices", guide)
    assert done.code == 0
    assert done.out.partition("\n\n")[2] == TOTALS


def test_the_guides_own_task_has_the_same_totals(cli, install, guide, tmp_path):
    install()
    (tmp_path / "task.yaml").write_text(FINETUNE)
    done = cli("plan", "task.yaml", "--hours", "336", "--prices", guide)
    assert done.code == 0
    offers, _, totals = done.out.partition("\n\n")
    assert [(row[0], row[-2]) for row in lines(offers)[1:]] == [
        ("spheron", "13.28"), ("lambda", "19.92"),
    ]  # fmt: skip
    assert [" ".join(line.split()) for line in totals.replace(" *", "  ").splitlines()] == [
        " ".join(line.split()) for line in TOTALS.splitlines()
    ]
    assert "lambda has no spot market: offered on demand, from $19.92 an hour\n" in done.err
    assert "* for comparison: the task as it is written is not bought there\n" in done.err


def test_totals_are_json(cli, install, guide):
    install()
    done = cli("plan", "--gpus", "H100:8", "--hours", "336", "--prices", guide, "--json")
    totals = done.json["totals"]
    assert totals["best"] == "80 % spheron spot + 20 % lambda on-demand"
    found = {each["strategy"]: each["total_usd"] for each in totals["strategies"]}
    assert found["aws on-demand"] == pytest.approx(18493, abs=1)
    assert found[totals["best"]] == pytest.approx(4909, abs=1)
    assert totals["savings"]["aws on-demand"] == pytest.approx(0.73, abs=0.01)
    assert totals["strategies"][0]["parts"][0]["source"] == "prices.csv (file date)"


def test_small_totals_have_cents(cli, install, guide):
    install()
    done = cli("plan", "--gpus", "H100:8", "--hours", "1.5", "--prices", guide)
    totals = [row[-1] for row in lines(done.out.partition("\n\n")[2])[1:-1]]
    assert (totals[0], totals[-1]) == ("19.92", "83.76")


@pytest.mark.parametrize("option", ["--use-spot", "--spot"])
def test_capacity_classes_are_named_alike_by_all_commands(plan, cli, option):
    (offer,) = plan("--gpus", "H100:8", option, "--json").json["offers"]
    assert [offer["offer_id"]] == [
        each["offer_id"] for each in cli("gpus", "H100:8", option, "--json").json["offers"]
    ]


def test_another_share_of_spot(cli, install, guide):
    install()
    done = cli(
        "plan", "--gpus", "H100:8", "--hours", "100", "--spot-share", "0.5", "--prices", guide
    )
    assert "50 % spheron spot + 50 % lambda on-demand" in done.out
    assert "16.60    1,660" in done.out


# -- reasons --------------------------------------------------------------------------------------


def test_why_counts_what_each_filter_removed(plan):
    done = plan("--gpus", "H100:8", "--infra", "*/south", "--why")
    assert (
        done.out.partition("\n\n")[2]
        == """\
rejected by                     offers
own machines that nobody named       1
accelerators H100                    1
accelerators H100:8                  1
use_spot: false                      1
region south                         2
left                                 1
"""
    )


def test_why_names_the_alternative(plan, tmp_path):
    path = tmp_path / "task.yaml"
    path.write_text(
        "resources:\n  any_of: [{cloud: acme, accelerators: 'H100:2'}, {cloud: other}]\nrun: x\n"
    )
    done = plan(str(path), "--why")
    table = [row for row in lines(done.out.partition("\n\n")[2]) if row]
    assert table[1][0] == "resources.any_of[0]"
    assert table[-1] == ["left", "2"]
    assert (
        "resources.any_of[0]: accelerators H100:2 removed the last 4 offers of 6; "
        "acme sells 1 and 8: write H100:8, or H100:2+ to allow more\n"
    ) in done.err


def test_nothing_left_names_the_filter_and_what_is_near(plan):
    done = plan("--gpus", "H100:2")
    assert (done.code, done.out) == (3, "")
    assert done.err.splitlines()[1:] == [
        "error: none of 7 offers is left after the filter 'accelerators H100:2'",
        "  acme sells 1 and 8; other sells 8: write H100:8, or H100:2+ to allow more",
    ]


def test_nothing_left_is_one_json_document_with_the_counts(plan):
    done = plan("--gpus", "H100:2", "--why", "--json")
    assert done.code == 3
    error = done.json["error"]
    assert error["code"] == "no-offer"
    assert error["rejected"] == [
        {
            "alternative": "resources",
            "total": 7,
            "left": 0,
            "rejected": {
                "own machines that nobody named": 1,
                "accelerators H100": 1,
                "accelerators H100:2": 5,
            },
            "hint": error["hint"],
        }
    ]


def test_a_provider_that_is_not_installed_is_skipped_while_others_are_left(plan, tmp_path):
    path = tmp_path / "task.yaml"
    path.write_text("resources:\n  any_of: [{cloud: kubernetes}, {cloud: other}]\nrun: x\n")
    done = plan(str(path))
    assert done.code == 0
    assert "no plugin named kubernetes is installed: pip install arb-kubernetes\n" in done.err


def test_only_providers_that_are_not_installed_is_an_error(plan):
    done = plan("--infra", "kubernetes")
    assert (done.code, done.out) == (2, "")
    assert done.err == (
        "error: no plugin named kubernetes is installed\n  pip install arb-kubernetes\n"
    )


def test_what_can_be_no_plugin_is_not_to_be_installed(plan):
    done = plan("--infra", "aws,gcp")
    assert (done.code, done.out) == (2, "")
    assert "pip install" not in done.err
    assert "arb plugins lists what is installed" in done.err


def test_nodes_that_cannot_reach_each_other_do_for_one_node_alone(cli, install):
    install(Shop("acme", ACME, peers=PeerNetwork.NONE))
    assert cli("plan", "--gpus", "H100:8").code == 0
    done = cli("plan", "--gpus", "H100:8", "--num-nodes", "2", "--json")
    assert (done.code, done.json["error"]["code"]) == (3, "no-peer-network")


def test_own_machines_alone_say_how_they_are_named(cli, install):
    install(Shop("mine", MINE, owned=True))
    done = cli("plan", "--gpus", "H100:8")
    assert done.code == 3
    assert "your own machines must be named: --infra mine" in done.err
    assert cli("plan", "--gpus", "H100:8", "--infra", "mine").code == 0


def test_own_machines_do_not_hide_that_every_seller_failed(cli, install):
    refused = CredentialsError("key revoked", code="key")
    install(Shop("acme", ACME, error=refused), Shop("mine", MINE, owned=True))
    done = cli("plan", "--gpus", "H100:8")
    assert done.code == 4
    assert "no provider told its offers; acme: key revoked" in done.err


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (CredentialsError("key revoked", code="key", hint="renew it"), 4),
        (ProviderUnavailable("503", code="http"), 3),
    ],
)
def test_when_nobody_answers_the_reason_is_the_error(cli, install, error, code):
    install(Shop("acme", ACME, error=error))
    done = cli("plan", "--gpus", "H100:8")
    assert done.code == code
    assert f"no provider told its offers; acme: {error.summary}" in done.err


# -- what a plan leaves alone ----------------------------------------------------------------------


def test_a_plan_reads_prices_once_and_makes_nothing_but_the_cache(cli, install):
    acme = Shop("acme", ACME)
    install(acme)
    cli("plan", "--gpus", "H100:8")
    done = cli("plan", "--gpus", "H100:8")
    assert (acme.asked, done.err) == (1, "prices: acme live, now\n")
    assert not (cli.home / "state.db").exists()
    assert not (cli.home / "vault").exists()


def test_variables_without_a_value_stop_nothing(cli, install, guide, tmp_path):
    install()
    (tmp_path / "task.yaml").write_text(FINETUNE)
    assert cli("plan", "task.yaml", "--prices", guide).code == 0


SEVERAL = """\
name: both
---
name: train
resources: {accelerators: "H100:8"}
run: x
---
name: test
resources: {accelerators: T4}
run: x
---
resources: {accelerators: L4}
num_nodes: 2
run: x
"""


def test_several_tasks_have_a_plan_each_and_an_empty_one_stops_no_other(plan, tmp_path):
    (tmp_path / "task.yaml").write_text(SEVERAL)
    done = plan("task.yaml", "--hours", "10")
    assert done.code == 3
    train, totals, test, third, more = done.out.split("\n\n")
    assert train.splitlines()[0] == "train:"
    assert [row.split()[-1] for row in train.splitlines()[2:]] == ["30.00", "32.00", "40.00"]
    assert totals.startswith("10 h on 1 node ")
    assert test == "test:"
    assert third.splitlines()[0] == "task 3:"
    assert third.splitlines()[2].split()[:2] == ["other", "l4"]
    assert more.startswith("10 h on 2 nodes ")
    assert "error: none of" in done.err
    assert "'accelerators T4'" in done.err


def test_several_tasks_are_one_json_document(plan, tmp_path):
    (tmp_path / "task.yaml").write_text(SEVERAL)
    done = plan("task.yaml", "--json")
    train, test, third = done.json["plans"]
    assert (done.code, train["task"], train["total"]) == (3, "train", 3)
    assert (test["task"], test["error"]["code"]) == ("test", "no-offer")
    assert (third["num_nodes"], third["offers"][0]["instance_type"]) == (2, "l4")


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--gpus", "H100"], "--gpus is about one task"),
        (["--infra", "acme", "--plot", "p.png"], "--infra, --plot are about one task"),
    ],
)
def test_options_about_one_task_are_refused_for_several(plan, tmp_path, options, told):
    (tmp_path / "task.yaml").write_text(SEVERAL)
    done = plan("task.yaml", *options)
    assert (done.code, done.out) == (2, "")
    assert told in done.err


def test_a_faulty_task_file_is_told_by_line(plan, tmp_path):
    (tmp_path / "task.yaml").write_text("resources: {acelerators: H100}\nrun: x\n")
    done = plan("task.yaml")
    assert done.code == 2
    assert "task.yaml:1:13" in done.err
    assert "did you mean 'accelerators'?" in done.err


def test_a_picture_shows_both_classes(cli, install, guide, tmp_path, monkeypatch):
    pytest.importorskip("matplotlib", reason="pictures need matplotlib")
    from arb.optimizer import plot

    drawn = {}
    write = plot.write_plot
    monkeypatch.setattr(
        plot, "write_plot", lambda *a, **k: (drawn.update(k, bars=a[1]), write(*a, **k))
    )
    install()
    done = cli("plan", "--gpus", "H100:8", "--prices", guide, "--plot", "prices.png")
    assert (tmp_path / "prices.png").read_bytes().startswith(b"\x89PNG")
    assert {(bar.provider, bar.spot) for bar in drawn["bars"]} == {
        ("spheron", True), ("spheron", False), ("aws", True), ("aws", False), ("gcp", True),
        ("gcp", False), ("lambda", False),
    }  # fmt: skip
    assert drawn["title"] == "H100:8"
    assert done.err.splitlines()[-1] == "wrote prices.png"
