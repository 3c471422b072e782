from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.fakecloud import offer

from arb.optimizer import rank_offers
from arb.tasks import Resources

settings.register_profile("arb-rank", database=None, deadline=None, max_examples=80)
settings.load_profile("arb-rank")

SHOP = [
    offer("cpu", 0.1, vcpus=8, memory_gib=32),
    offer("h1", 3, accelerator="H100", accelerator_count=1, vcpus=16, memory_gib=100),
    offer("h8", 20, accelerator="H100", accelerator_count=8, vcpus=100, memory_gib=800),
    offer("h8s", 9, accelerator="H100", accelerator_count=8, vcpus=100, memory_gib=800, spot=True),
    offer("far", 2, region="r2", zone="b", accelerator="H100", accelerator_count=1, vcpus=8),
    offer("other", 1, provider="other", accelerator="A100", accelerator_count=1),
    offer("sold", 0.5, accelerator="A100", accelerator_count=1, available=False),
]


def ranked(**wanted):
    return [o.offer_id for o in rank_offers(SHOP, Resources.model_validate(wanted)).offers]


@pytest.mark.parametrize(
    ("wanted", "ids"),
    [
        ({}, ["cpu", "other", "far", "h1", "h8"]),
        ({"cloud": "other"}, ["other"]),
        ({"cloud": "Fake"}, ["cpu", "far", "h1", "h8"]),
        ({"infra": "fake/r2"}, ["far"]),
        ({"infra": "*/r2/b"}, ["far"]),
        ({"zone": "a", "accelerators": "H100"}, ["h1"]),
        ({"instance_type": "h8"}, ["h8"]),
        ({"accelerators": "h100"}, ["far", "h1"]),
        ({"accelerators": "H100:8"}, ["h8"]),
        ({"accelerators": "H100:8", "use_spot": True}, ["h8s"]),
        ({"accelerators": "H100:2"}, []),
        ({"cpus": "8"}, ["cpu", "far"]),
        ({"cpus": "16+"}, ["h1", "h8"]),
        ({"memory": "100+"}, ["h1", "h8"]),
        ({"memory": "32"}, ["cpu"]),
    ],
    ids=str,
)
def test_filters_keep_what_the_task_can_run_on(wanted, ids):
    assert ranked(**wanted) == ids


def test_what_is_known_to_be_sold_out_is_left_out_and_unknown_is_not():
    known = [offer("a", 2, available=True), offer("b", 1, available=None)]
    found = rank_offers([*known, offer("c", 0.5, available=False)], Resources())
    assert [o.offer_id for o in found.offers] == ["b", "a"]
    assert found.rejected["availability"] == 1


@pytest.mark.parametrize(
    ("wanted", "last"),
    [
        ({"cloud": "nobody"}, "provider nobody"),
        ({"region": "mars"}, "region mars"),
        ({"accelerators": "B200"}, "accelerators B200"),
        ({"accelerators": "H100:3"}, "accelerators H100:3"),
        ({"cpus": "999+"}, "cpus"),
        ({"accelerators": "A100", "cloud": "fake"}, "availability"),
        ({"instance_type": "h1", "use_spot": True}, "use_spot: true"),
    ],
    ids=str,
)
def test_the_filter_that_removed_the_last_offer_is_named(wanted, last):
    ranking = rank_offers(SHOP, Resources.model_validate(wanted))
    assert ranking.offers == ()
    assert ranking.last_filter() == last


def test_no_offers_at_all_name_no_filter():
    assert rank_offers([], Resources()).last_filter() == ""


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
    assert list(rank_offers(shuffled, Resources()).offers) == offers


prices = st.lists(st.floats(0.01, 100), min_size=1, max_size=8)


@given(prices=prices, seed=st.integers())
def test_the_order_does_not_depend_on_where_offers_come_from(prices, seed):
    offers = [offer(f"o{n}", price) for n, price in enumerate(prices)]
    shuffled = offers[:]
    random.Random(seed).shuffle(shuffled)
    ranking = rank_offers(shuffled, Resources())
    assert ranking == rank_offers(offers, Resources())
    assert sorted(o.price_usd_hour for o in offers) == [o.price_usd_hour for o in ranking.offers]
