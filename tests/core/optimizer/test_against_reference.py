"""Random catalogs and random tasks: the same order and the same counts as the naive reference."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.bruteforce import reference
from support.examples import examples
from support.markets import MemoryMarket

from arb.optimizer import Objective, RankOptions, rank
from arb.tasks.alternatives import Alternative, SpotUse
from arb.tasks.amounts import Amount
from arb.types import Offer

EXAMPLES = examples(100)

TASKS = 12
"""Tasks a catalog; each is ranked once by every objective."""
PROVIDERS = ("ant", "bee", "cow", "mine")
REGIONS = ("us-east-1", "us-west-2", "eu-north-1", "EU-West")
NAMES = ("H100", "A100", "A100-80GB", "L4", "MI300X", "Mystery9", "")
GIB = {"H100": 80, "A100": 40, "A100-80GB": 79.2, "L4": 22.5, "MI300X": 192, "Mystery9": 31}
PLACES = ((39.0, -77.5), (45.6, -122.0), (59.3, 18.1), (0.0, 0.0), (None, None))


def random_offer(rng: random.Random, number: int) -> Offer:
    name = rng.choice(NAMES)
    latitude, longitude = rng.choice(PLACES)
    provider = rng.choice(PROVIDERS)
    return Offer(
        provider=provider,
        offer_id=f"o{rng.randrange(1000)}-{number}",
        region=rng.choice(REGIONS),
        zone=rng.choice(("", "a", "b")),
        instance_type=rng.choice(("small", "Large", "x.8")),
        price_usd_hour=rng.choice((1.0, 1.5, 2.0, round(rng.uniform(0.1, 9), 2))),
        accelerator=name,
        accelerator_count=rng.choice((0.5, 1, 1, 2, 8)) if name else 0,
        accelerator_gib=GIB.get(name, 0),
        vcpus=rng.choice((4, 8, 16)),
        memory_gib=rng.choice((16, 32, 64, 120)),
        # "ant" has no spot market at all.
        spot=provider != "ant" and rng.random() < 0.5,
        arch=rng.choice(("x86_64", "x86_64", "arm64")),
        interconnect=rng.choice(("", "SXM", "PCIe")),
        fabric=rng.choice(("", "ethernet", "ib", "efa")),
        disk_gib=rng.choice((0, 100, 1000)),
        minimum_s=rng.choice((0, 60, 3600, 7200)),
        available=rng.choice((None, None, True, False)),
        capacity=rng.choice((None, None, 1, 4)),
        latitude=latitude,
        longitude=longitude,
    )


def random_twins(rng: random.Random) -> list[Offer]:
    """Return offers that differ in little but their names, so that many tie."""
    first = [random_offer(rng, number) for number in range(2)]
    return [
        replace(
            rng.choice(first),
            provider=rng.choice(PROVIDERS),
            region=rng.choice(REGIONS[:2]),
            zone=rng.choice(("a", "b")),
            spot=rng.random() < 0.5,
            offer_id=f"o{rng.randrange(1000)}-{number}",
        )
        for number in range(40)
    ]


def random_catalog(rng: random.Random) -> list[Offer]:
    if rng.random() < 0.3:
        return random_twins(rng)
    return [random_offer(rng, number) for number in range(rng.choice((0, 3, 40)))]


def random_alternative(rng: random.Random, number: int) -> Alternative:
    def maybe(chance: float, *choices):
        return rng.choice(choices) if rng.random() < chance else None

    name = maybe(0.5, "H100", "h100-80gb", "H100_SXM5", "A100", "L4", "mystery9", "B200") or ""
    gib = None if name else maybe(0.3, Amount(80, True), Amount(80), Amount(24, True))
    count = Amount(rng.choice((0.5, 1, 2, 8)), rng.random() < 0.4)
    return Alternative(
        preference=rng.choice((0, 0, 1, 2)),
        provider=maybe(0.4, *PROVIDERS) or "",
        region=maybe(0.15, "us-*", "EU-west", "*-1", "eu-north-1") or "",
        zone=maybe(0.1, "a", "*") or "",
        instance_type=maybe(0.1, "LARGE", "x.8") or "",
        accelerator=name,
        count=count if name or gib else None,
        accelerator_gib=gib,
        accelerator_maker=(maybe(0.3, "nvidia", "AMD") or "") if gib else "",
        cpus=maybe(0.2, Amount(8), Amount(8, True)),
        memory=maybe(0.2, Amount(32), Amount(32, True)),
        memory_per_cpu=maybe(0.1, 4.0, 7.5),
        spot=rng.choice(tuple(SpotUse)),
        max_price_usd_hour=maybe(0.2, 1.5, 4.0),
        arch=maybe(0.15, "x86_64", "arm64") or "",
        network_tier=maybe(0.15, "best", "standard") or "",
        local_disk=maybe(0.1, "nvme:100+", "nvme:500+") or "",
        path=("resources", "any_of", number),
    )


def random_options(rng: random.Random, objective: Objective) -> RankOptions:
    return RankOptions(
        objective=objective,
        duration_h=rng.choice((0.25, 1.0, 336.0)),
        num_nodes=rng.choice((1, 1, 2, 5)),
        near=tuple(rng.sample(PLACES[:4], rng.choice((1, 2)))),
        near_weight=rng.choice((1.0, 3.0)),
        named=frozenset(rng.choice(((), ("mine",)))),
        excluded=rng.choice(({}, {"bee": "its nodes cannot reach each other"})),
    )


@EXAMPLES
@given(seed=st.integers(0, 2**32))
@pytest.mark.parametrize("objective", Objective)
def test_order_and_counts_are_those_of_the_reference(objective, seed):
    rng = random.Random(seed)
    offers = random_catalog(rng)
    market = MemoryMarket(offers, owned={"mine"})
    for _ in range(TASKS):
        asked = [random_alternative(rng, n) for n in range(rng.choice((1, 1, 2, 4)))]
        options = random_options(rng, objective)
        expected = reference(offers, {"mine"}, asked, options)
        ranking = rank(market, asked, options)
        assert list(ranking.offers) == expected.offers
        assert [
            {removed.reason: removed.count for removed in each.removed}
            for each in ranking.rejections
        ] == expected.rejected
        places = range(len(expected.offers))
        assert [asked.index(ranking.entry(place).alternative) for place in places] == [
            asked.index(asked[number]) for number in expected.alternatives
        ]
        for each in ranking.rejections:
            assert each.left + sum(removed.count for removed in each.removed) == len(offers)
