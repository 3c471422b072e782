"""The ranking: what it keeps, in which order, what it says, and how little it makes."""

from __future__ import annotations

import random
import time
from dataclasses import replace

import pytest
from support.catalogs import write_big_catalog
from support.fakecloud import offer
from support.markets import MemoryMarket

from arb.catalog.store import open_catalog
from arb.errors import ArbError, UsageError
from arb.optimizer import Objective, RankOptions, rank
from arb.optimizer.order import best_first
from arb.optimizer.rejections import Removed
from arb.tasks import Alternative, Amount, Resources, SpotUse


def gpu(kind, price=1.0, count=1.0, name="H100", **changes):
    values = {"accelerator": name, "accelerator_count": count, "accelerator_gib": 80}
    return offer(kind, price, **{**values, **changes})


SHOP = [
    offer("cpu", 0.1, vcpus=8, memory_gib=32),
    gpu("h1", 3, vcpus=16, memory_gib=100),
    gpu("h8", 20, 8, vcpus=100, memory_gib=800),
    gpu("h8s", 9, 8, vcpus=100, memory_gib=800, spot=True),
    gpu("far", 2, region="r2", zone="b", vcpus=8),
    gpu("other", 1, name="A100", accelerator_gib=40, provider="other"),
    gpu("sold", 0.5, name="A100", accelerator_gib=40, available=False),
]


def ranked(offers=SHOP, options=RankOptions(), owned=(), **resources):  # noqa: B008 - frozen
    wanted = Resources.model_validate(resources)
    return rank(MemoryMarket(offers, owned), wanted.alternatives(), options)


def ids(ranking):
    return [each.offer_id for each in ranking.offers]


# -- what is kept ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ({}, ["cpu", "other", "far", "h1", "h8"]),
        ({"cloud": "other"}, ["other"]),
        ({"infra": "fake/r2"}, ["far"]),
        ({"infra": "*/R2/b"}, ["far"]),
        ({"zone": "a", "accelerators": "H100"}, ["h1"]),
        ({"instance_type": "H8"}, ["h8"]),
        ({"accelerators": "NVIDIA-H100-80GB"}, ["far", "h1"]),
        ({"accelerators": "H100:8"}, ["h8"]),
        ({"accelerators": "H100:8", "use_spot": True}, ["h8s"]),
        ({"accelerators": "H100:8", "use_spot": "prefer"}, ["h8s", "h8"]),
        ({"accelerators": "H100:2"}, []),
        ({"accelerators": "H100:2+"}, ["h8"]),
        ({"accelerators": "80GB+"}, ["far", "h1"]),
        ({"accelerators": {"H100": 1, "A100": 1}}, ["other", "far", "h1"]),
        ({"accelerators": ["H100:8", "A100", "H100"]}, ["h8", "other", "far", "h1"]),
        ({"cpus": "8"}, ["cpu", "far"]),
        ({"cpus": "16+"}, ["h1", "h8"]),
        ({"memory": "100+"}, ["h1", "h8"]),
        ({"memory": "7x", "cpus": "8+"}, ["h8"]),
        ({"max_hourly_cost": 2}, ["cpu", "other", "far"]),
    ],
    ids=str,
)
def test_filters_keep_what_the_task_can_run_on(wanted, expected):
    assert ids(ranked(**wanted)) == expected


def test_a_tpu_slice_is_as_many_chips_as_its_name_says():
    chips = [gpu(f"v5e-{n}", n, n, "TPU-v5e", accelerator_gib=16) for n in (4, 8, 16)]
    assert ids(ranked(chips, accelerators="tpu-v5litepod-8")) == ["v5e-8"]
    outcome = ranked(chips, accelerators="tpu-v5litepod-32").rejections[0]
    assert outcome.last_filter == "accelerators TPU-v5e:32"
    assert outcome.hint == "fake sells 4, 8 and 16: write TPU-v5e:16"


def test_a_strict_preference_comes_before_any_price():
    wanted = {"ordered": [{"accelerators": "H100:8"}, {"accelerators": "H100"}, {"cloud": "other"}]}
    assert ids(ranked(**wanted)) == ["h8", "far", "h1", "other"]


def test_an_offer_that_several_alternatives_admit_stands_once_under_the_preferred():
    ranking = ranked(ordered=[{"accelerators": "A100"}, {"cloud": "other"}, {}])
    assert ids(ranking) == ["other", "cpu", "far", "h1", "h8"]
    assert [each.left for each in ranking.rejections] == [1, 1, 5]
    assert ranking.alternative_of(ranking.offers[0]).accelerator == "A100"
    assert ranking.alternative_of(ranking.offers[4]).preference == 2


def test_own_machines_are_candidates_where_their_provider_is_named():
    mine = [*SHOP, offer("m", 0, provider="mine")]
    assert "m" not in ids(ranked(mine, owned={"mine"}))
    assert ids(ranked(mine, owned={"mine"}, cloud="mine")) == ["m"]
    assert ids(ranked(mine, RankOptions(named=frozenset({"mine"})), {"mine"}))[0] == "m"


def test_machines_that_cannot_be_had_at_once_are_no_candidates():
    few = [offer(name, price, capacity=capacity) for name, price, capacity in
           [("two", 1, 2), ("three", 2, 3), ("many", 3, 9), ("unknown", 4, None)]]  # fmt: skip
    assert ids(ranked(few, RankOptions(num_nodes=3))) == ["three", "many", "unknown"]
    assert ids(ranked(few)) == ["two", "three", "many", "unknown"]


def test_the_best_network_tier_needs_more_than_ethernet():
    fabrics = [offer(name or "none", fabric=name) for name in ("", "ethernet", "ib", "efa", "roce")]
    assert ids(ranked(fabrics, network_tier="best")) == ["efa", "ib", "roce"]
    assert len(ranked(fabrics, network_tier="standard").offers) == 5


def test_local_disks_are_compared_in_decimal_gigabytes():
    disks = [offer(f"d{gib}", disk_gib=gib) for gib in (0, 440, 460, 466, 3726)]
    assert ids(ranked(disks, local_disk="nvme:500+")) == ["d3726", "d460", "d466"]
    assert ids(ranked(disks, local_disk="ssd:4000")) == ["d3726"]


# -- spot -----------------------------------------------------------------------------------------


def test_a_named_provider_without_any_spot_market_is_taken_on_demand_with_a_notice():
    ranking = ranked(cloud="other", use_spot=True)
    assert ids(ranking) == ["other"]
    assert ranking.notices == ("other has no spot market: offered on demand, from $1.00 an hour",)


@pytest.mark.parametrize("place", [{}, {"cloud": "fake"}], ids=["unnamed", "has-spot"])
def test_elsewhere_spot_is_strict(place):
    ranking = ranked(use_spot=True, accelerators="H100", **place)
    assert ids(ranking) == []
    assert ranking.last_filter() == "use_spot: true"
    assert "from $2.00 an hour at fake: use_spot: prefer takes it" in ranking.rejections[0].hint


def test_at_one_price_on_demand_comes_before_spot():
    pair = [gpu("s", 2, spot=True), gpu("z", 2)]
    assert ids(ranked(pair, use_spot="prefer")) == ["z", "s"]


# -- order ----------------------------------------------------------------------------------------


def test_ties_break_by_name():
    offers = [
        offer(
            "x", provider=provider, region=region, zone=zone, offer_id=f"{provider}{region}{zone}"
        )
        for provider in ("a", "b")
        for region in ("r1", "r2")
        for zone in ("", "z")
    ]
    shuffled = offers[:]
    random.Random(1).shuffle(shuffled)
    assert list(ranked(shuffled).offers) == offers


def test_ties_break_by_name_among_more_names_than_a_number_can_tell_apart():
    import numpy as np

    count = 1 << 20
    names = ("provider", "region", "zone", "instance_type")

    class Many:
        spot = np.zeros(3, dtype=np.bool_)
        offer_ids = np.array(["x", "y", "z"], dtype=object)

        def texts(self, name):
            return range(count)

        def ranks(self, name):
            return np.array([count - 1, count - 1, 0]) - (np.array([0, 1, 0]) * (name == names[-1]))

    none = np.zeros(3)
    order = best_first(Many(), np.arange(3), none, np.ones(3, dtype=np.bool_), none)
    assert order.tolist() == [2, 1, 0]


def test_billing_minimums_count_for_short_tasks_only():
    offers = [offer("cheap", 1.0, minimum_s=7200), offer("short", 1.5)]
    assert ids(ranked(offers, RankOptions(duration_h=1))) == ["short", "cheap"]
    assert ids(ranked(offers, RankOptions(duration_h=2))) == ["cheap", "short"]
    entry = ranked(offers, RankOptions(duration_h=0.5)).entry(1)
    assert (entry.ranked_usd_hour, entry.effective_usd_hour) == (1.0, 4.0)


def test_value_is_dollars_for_dense_bf16_pflops():
    offers = [
        gpu("h", 4.0),
        gpu("pcie", 3.2, interconnect="PCIe"),
        gpu("a", 1.4, name="A100", accelerator_gib=40),
        gpu("t", 0.1, name="T4", accelerator_gib=16),
        offer("cpu", 0.05),
    ]
    ranking = ranked(offers, RankOptions(Objective.VALUE))
    assert ids(ranking) == ["h", "pcie", "a", "cpu", "t"]
    assert ranking.entry(0).score == pytest.approx(4.0 / 0.989)
    assert [ranking.entry(n).comparable for n in range(5)] == [True, True, True, False, False]
    assert ranking.notices == ("no dense bf16 figure is known of CPUs alone and T4: ranked last",)


WASHINGTON, STOCKHOLM = (38.9, -77.0), (59.3, 18.1)


def test_latency_weighs_distance_against_price():
    offers = [
        offer("us", 1.0, latitude=38.9, longitude=-77.0),
        offer("eu", 1.1, latitude=59.3, longitude=18.1),
        offer("nowhere", 0.1),
    ]
    near = ranked(offers, RankOptions(Objective.LATENCY, near=(STOCKHOLM,)))
    assert ids(near) == ["eu", "us", "nowhere"]
    assert near.entry(0).score == pytest.approx(1.1)
    assert near.entry(1).score == pytest.approx(1.0 * (1 + 0.6638))
    assert near.notices == ("the place of 1 offer is not known: ranked last",)
    between = ranked(offers, RankOptions(Objective.LATENCY, near=(STOCKHOLM, WASHINGTON)))
    assert ids(between) == ["us", "eu", "nowhere"]
    light = RankOptions(Objective.LATENCY, near=(STOCKHOLM,), near_weight=0.1)
    assert ids(ranked(offers, light))[0] == "us"


def test_latency_without_a_client_region_is_refused():
    with pytest.raises(UsageError, match="needs client regions"):
        ranked(options=RankOptions(Objective.LATENCY))


def test_every_entry_stands_where_its_standing_says():
    options = RankOptions(Objective.VALUE, duration_h=0.5)
    wanted = {"ordered": [{"accelerators": "H100"}, {}], "use_spot": "prefer"}
    ranking = ranked([*SHOP, gpu("slow", 1, minimum_s=3600)], options, **wanted)
    keys = [ranking.standing(each).key(each, each.price_usd_hour) for each in ranking.offers]
    assert keys == sorted(keys)
    assert keys[0][2] == ranking.entry(0).score


# -- policies -------------------------------------------------------------------------------------


def test_a_policy_changes_what_is_ranked_and_not_what_is_paid():
    def discount(frame):
        frame = frame[frame["region"] != "r2"].copy()
        frame.loc[frame["offer_id"] == "h8", "price_usd_hour"] = 2.5
        return frame

    ranking = ranked(options=RankOptions(adjust=discount), accelerators="H100:1+")
    assert ids(ranking) == ["h8", "h1"]
    assert ranking.offers[0].price_usd_hour == 20
    assert ranking.entry(0).ranked_usd_hour == 2.5
    assert [(r.reason, r.count) for r in ranking.rejections[0].removed][-1] == (
        "arb_adjust_offers", 1,
    )  # fmt: skip
    standing = ranking.standing(ranking.offers[0])
    assert standing.key(ranking.offers[0], 40.0)[2] == pytest.approx(5.0)


def test_a_policy_sees_the_catalogs_columns_once():
    seen = []

    def look(frame):
        seen.append(set(frame.columns))
        return frame

    market = MemoryMarket(SHOP)
    wanted = Resources.model_validate({"any_of": [{"cpus": 8}, {"accelerators": "H100"}]})
    rank(market, wanted.alternatives(), RankOptions(adjust=look))
    assert len(seen) == market.whole_frames == 1
    assert {"provider", "offer_id", "payload", "price_usd_hour"} <= seen[0]
    assert not {"row", "group"} & seen[0]


def test_a_policy_that_refuses_ends_the_plan():
    def refuse(frame):
        raise ArbError("not on Fridays")

    with pytest.raises(ArbError, match="not on Fridays"):
        ranked(options=RankOptions(adjust=refuse))


def test_a_policy_that_removes_everything_is_the_last_filter():
    ranking = ranked(options=RankOptions(adjust=lambda frame: frame.iloc[:0]))
    assert ranking.last_filter() == "arb_adjust_offers"
    assert "arb plugins" in ranking.rejections[0].hint


# -- what is told ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wanted", "last", "hint"),
    [
        ({"cloud": "nobody"}, "provider nobody", "arb refresh nobody"),
        ({"region": "r3"}, "region r3", "there are r1 and r2"),
        ({"region": "r11"}, "region r11", "did you mean r1?"),
        ({"infra": "fake/r1/b"}, "zone b", "there is only a"),
        ({"accelerators": "B200"}, "accelerators B200", "fake and other sell A100 and H100, no B200"),
        ({"accelerators": "H10"}, "accelerators H10", "did you mean"),
        ({"accelerators": "H100:3"}, "accelerators H100:3",
         "fake sells 1 and 8: write H100:8, or H100:3+ to allow more"),
        ({"accelerators": "H100:9"}, "accelerators H100:9", "fake sells 1 and 8: write H100:8"),
        ({"accelerators": "A100:2"}, "accelerators A100:2", "fake and other sell 1: write A100:1"),
        ({"accelerators": "100GB+"}, "accelerators 100GB+", "accelerators with 40 and 80 GiB"),
        ({"accelerators": "AMD:80GB"}, "accelerators AMD", "sold are accelerators of NVIDIA"),
        ({"accelerators": "80GB:4"}, "accelerators 80GB:4", "write 80GB:8, or 80GB:4+"),
        ({"cpus": "999+"}, "cpus 999+", "the most is 100 vCPUs"),
        ({"cpus": "12"}, "cpus 12", "the nearest are 8 and 16 vCPUs: write 12+ to allow more"),
        ({"instance_type": "other", "cpus": "8"}, "cpus 8", "nothing is known of their vCPUs"),
        ({"memory": "64"}, "memory 64", "write 64+ to allow more"),
        ({"memory": "50x", "cpus": "8+"}, "memory 50x", "the most is 8 GiB a vCPU"),
        ({"memory": "2x", "instance_type": "other"}, "memory 2x", "nothing is known of their GiB"),
        ({"accelerators": "A100", "cloud": "fake"}, "availability", "sold out now"),
        ({"instance_type": "h2"}, "instance_type h2", "there are cpu, far, h1, h8, other and sold"),
        ({"instance_type": "h1", "use_spot": True}, "instance_type h1", "there is only h8s"),
        ({"max_hourly_cost": 0.01}, "max_hourly_cost 0.01", "the cheapest costs $0.10 an hour"),
        ({"network_tier": "best"}, "network_tier best", "plain ethernet"),
        ({"local_disk": "nvme"}, "local_disk nvme:100+", "the largest is 0 GB"),
    ],
    ids=str,
)  # fmt: skip
def test_the_filter_that_removed_the_last_offer_is_named_with_what_is_near(wanted, last, hint):
    ranking = ranked(**wanted)
    assert len(ranking.offers) == 0
    assert ranking.last_filter() == last
    assert hint in ranking.rejections[0].hint
    assert f"{last} removed the last " in ranking.rejections[0].explained()


def test_a_known_accelerator_that_nobody_sells_is_told_with_what_is_sold():
    assert ranked(accelerators="GB200").rejections[0].explained() == (
        "accelerators GB200 removed the last 7 offers of 7; "
        "fake and other sell A100 and H100, no GB200"
    )


def test_own_machines_alone_are_told_with_how_to_name_them():
    ranking = ranked([offer("m", 0, provider="mine")], owned={"mine"})
    assert ranking.last_filter() == "own machines that nobody named"
    assert ranking.rejections[0].hint == "your own machines must be named: --infra mine"


def test_excluded_providers_are_told_by_their_reason():
    options = RankOptions(excluded={"fake": "its nodes cannot reach each other"})
    ranking = ranked(options=options, cloud="fake")
    assert ranking.last_filter() == "its nodes cannot reach each other"
    assert "that is so of fake" in ranking.rejections[0].hint


def test_capacity_is_told_when_it_is_too_small():
    ranking = ranked([offer("two", capacity=2)], RankOptions(num_nodes=4))
    assert ranking.last_filter() == "num_nodes 4"
    assert ranking.rejections[0].hint == "at most 2 can be had at once"


def test_counts_stand_in_the_order_of_the_filters_and_add_up():
    ranking = ranked(cloud="fake", accelerators="H100", zone="a", cpus="16+")
    outcome = ranking.rejections[0]
    assert [(each.reason, each.count) for each in outcome.removed] == [
        ("provider fake", 1),
        ("accelerators H100", 2),
        ("accelerators H100:1", 2),
        ("zone a", 1),
    ]
    assert (outcome.total, outcome.left, outcome.where) == (7, 1, "resources")


def test_an_alternative_that_others_outlive_is_a_notice():
    ranking = ranked(ordered=[{"accelerators": "H100:2"}, {"accelerators": "H100:8"}])
    assert ids(ranking) == ["h8"]
    removed = "accelerators H100:2 removed the last 4 offers of 7"
    advice = "fake sells 1 and 8: write H100:8, or H100:2+ to allow more"
    assert ranking.notices == (f"resources.ordered[0]: {removed}; {advice}",)


def test_no_offers_at_all_name_no_filter():
    ranking = ranked([])
    assert (len(ranking.offers), ranking.last_filter(), ranking.providers) == (0, "", ())
    assert ranking.rejections[0].explained() == "the catalog is empty"


def test_rejections_are_json():
    assert ranked(accelerators="H100:3").rejections[0].to_dict() == {
        "alternative": "resources",
        "total": 7,
        "left": 0,
        "rejected": {"accelerators H100": 3, "accelerators H100:3": 4},
        "hint": "fake sells 1 and 8: write H100:8, or H100:3+ to allow more",
    }


# -- how much is made -----------------------------------------------------------------------------


def test_offers_are_made_when_they_are_looked_at():
    market = MemoryMarket([offer(f"o{n:05}", 1 + n / 1000) for n in range(2000)])
    ranking = rank(market, [Alternative()])
    assert (len(ranking.offers), market.made) == (2000, [])
    assert ranking.offers[0].offer_id == "o00000"
    assert len(market.made) == 64
    assert ranking.offers[-1].offer_id == "o01999"
    assert [each.offer_id for each in ranking.offers[10:13]] == ["o00010", "o00011", "o00012"]
    assert len(market.made) == 64 + 2000 % 64
    with pytest.raises(IndexError):
        ranking.offers[2000]


def test_thousands_of_alternatives_of_thousands_of_kinds_take_no_time_each():
    offers = [gpu(f"o{n}", 1 + n / 1000, name=f"Kind{n}") for n in range(5000)]
    market = MemoryMarket(offers)
    names = [f"Kind{n}" for n in range(2000)]
    one = Amount(1)
    wanted = [Alternative(accelerator=name, count=one, provider="fake") for name in names]
    began = time.process_time()
    ranking = rank(market, wanted)
    assert time.process_time() - began < 2  # one look at each kind by each alternative takes 5
    assert [each.accelerator for each in ranking.offers] == names
    assert ranking.rejections[7].removed == (Removed("accelerators Kind7", 4999),)


def test_memory_that_differs_by_less_than_is_shown_is_told_apart():
    sizes = (80.0, 80.00001)
    wanted = [
        Alternative(count=Amount(1), accelerator_gib=Amount(size, at_least=True)) for size in sizes
    ]
    offers = [gpu("less", name="Own"), gpu("more", name="Own2", accelerator_gib=80.01)]
    ranking = rank(MemoryMarket(offers), wanted)
    assert [each.left for each in ranking.rejections] == [2, 1]


def test_an_offer_that_was_not_looked_at_yet_is_found_all_the_same():
    offers = [offer(f"o{n:05}", 1 + n / 1000) for n in range(200)]
    ranking = rank(MemoryMarket(offers), [Alternative(path=("resources",))])
    assert ranking.standing(offers[150]).preference == 0
    with pytest.raises(KeyError):
        ranking.alternative_of(offer("stranger"))


def test_the_best_place_of_each_provider_and_class_is_known_without_making_offers():
    market = MemoryMarket(SHOP)
    ranking = rank(market, [Alternative(spot=SpotUse.PREFER)])
    assert ranking.cheapest() == [("fake", False, 0), ("other", False, 1), ("fake", True, 4)]
    assert ranking.providers == ("fake", "other")
    assert market.made == []


# -- over the real store --------------------------------------------------------------------------


def test_the_store_ranks_as_a_list_of_its_offers_does(tmp_path):
    write_big_catalog(tmp_path / "catalog.db", 3000, providers=4)
    wanted = [
        Alternative(0, accelerator="H100", count=Amount(8), spot=SpotUse.PREFER),
        Alternative(1, accelerator_gib=Amount(40, True), region="region-1*", count=Amount(1, True)),
    ]
    with open_catalog(tmp_path / "catalog.db") as store:
        rows = store.candidates(store.groups())["row"].tolist()
        memory = MemoryMarket(store.offers(rows))
        for objective in Objective:
            options = RankOptions(objective, near=(STOCKHOLM,), adjust=lambda frame: frame)
            mine, theirs = rank(memory, wanted, options), rank(store, wanted, options)
            assert len(theirs.offers) > 100
            assert list(mine.offers) == list(theirs.offers)
            assert mine.rejections == theirs.rejections
            plain = rank(store, wanted, replace(options, adjust=None))
            assert list(plain.offers) == list(theirs.offers)
