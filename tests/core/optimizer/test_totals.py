"""Totals over hours: the guide's table, and what it does for tasks that name less or more."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.examples import examples
from support.fakecloud import offer
from support.markets import MemoryMarket

from arb.errors import UsageError
from arb.optimizer import RankOptions
from arb.optimizer.totals import total
from arb.tasks import Resources

EXAMPLES = examples(60)


def gpus(provider: str, price: float, spot_price: float | None = None, count: int = 8, **more):
    """Return a provider's H100 instance on demand, and as spot where it has a price for that."""
    values = {"provider": provider, "accelerator": "H100", "accelerator_count": count}
    values |= {"accelerator_gib": 80, "vcpus": 96, "memory_gib": 480, "zone": "", **more}
    made = [offer(f"{provider}-x{count}", price, **values)]
    if spot_price is not None:
        made.append(offer(f"{provider}-x{count}", spot_price, spot=True, **values))
    return made


GUIDE = [
    *gpus("spheron", 31.20, 13.28, region="global"),
    *gpus("aws", 55.04, 20.00, region="us-east-1"),
    *gpus("gcp", 55.84, 16.80, region="us-central1"),
    *gpus("lambda", 19.92, region="us-east-1"),
]
TWO = {"ordered": [{"cloud": "spheron"}, {"cloud": "lambda"}]}


def totals(offers=GUIDE, hours=336.0, share=0.8, num_nodes=1, owned=(), **resources):
    wanted = Resources.model_validate({"accelerators": "H100:8", **resources})
    options = RankOptions(num_nodes=num_nodes)
    return total(MemoryMarket(offers, owned), wanted.alternatives(), options, hours, share)


def sums(made):
    return {each.name: round(each.total_usd) for each in made.strategies}


BLEND = "80 % spheron spot + 20 % lambda on-demand"


@pytest.mark.parametrize(
    "resources",
    [{}, {"use_spot": True}, {"use_spot": "prefer"}, TWO, {**TWO, "use_spot": True}],
    ids=["plain", "spot", "prefer", "ordered", "ordered-spot"],
)
def test_the_guides_table_is_reproduced_whatever_the_task_says_of_spot_and_places(resources):
    made = totals(**resources)
    assert sums(made) == {
        "spheron spot": 4462,
        BLEND: 4909,
        "gcp spot": 5645,
        "lambda on-demand": 6693,
        "aws spot": 6720,
        "spheron on-demand": 10483,
        "aws on-demand": 18493,
        "gcp on-demand": 18762,
    }
    assert list(sums(made).values()) == sorted(sums(made).values())
    assert made.best.name == BLEND
    assert made.best.usd_hour == 14.61
    assert [(other.name, round(share * 100)) for other, share in made.savings()] == [
        ("lambda on-demand", 27),
        ("spheron on-demand", 53),
        ("aws on-demand", 73),
        ("gcp on-demand", 74),
    ]


def test_what_the_task_does_not_name_is_there_for_comparison_only():
    made = totals(**TWO)
    assert {each.name for each in made.strategies if not each.in_task} == {
        "aws spot", "aws on-demand", "gcp spot", "gcp on-demand",
    }  # fmt: skip


def test_a_blend_is_made_of_what_the_task_may_be_bought_by():
    made = totals(cloud="spheron")
    assert made.best.name == "80 % spheron spot + 20 % spheron on-demand"
    assert totals(cloud="lambda").best.name == "lambda on-demand"


def test_a_limit_leaves_dearer_ones_for_comparison():
    made = totals(max_hourly_cost=25)
    assert made.best.name == BLEND
    assert {each.name for each in made.strategies if not each.in_task} == {
        "spheron on-demand", "aws on-demand", "gcp on-demand",
    }  # fmt: skip


def test_spot_that_is_dearer_than_somebodys_on_demand_is_not_the_best():
    made = totals([*gpus("plain", 16.0), *gpus("dear", 88.0, 32.0)])
    assert made.best.name == "plain on-demand"
    assert [other.name for other, _ in made.savings()] == ["dear on-demand"]
    assert "80 % dear spot + 20 % plain on-demand" in sums(made)


def test_spot_alone_is_the_best_of_itself():
    made = totals([offer for offer in GUIDE if offer.provider == "aws" and offer.spot])
    assert (made.best.name, made.savings()) == ("aws spot", [])


def test_nodes_multiply():
    once, twice = totals(), totals(num_nodes=2)
    assert twice.best.usd_hour == pytest.approx(2 * 14.608, abs=0.005)
    for one, two in zip(once.strategies, twice.strategies, strict=True):
        assert two.total_usd == pytest.approx(2 * one.total_usd, abs=0.005 * 336)


def test_the_cheapest_offer_stands_for_its_provider_and_class():
    more = [*GUIDE, *gpus("aws", 60, 12, region="far"), *gpus("aws", 1, 0.1, count=1)]
    made = totals(more)
    assert sums(made)["aws spot"] == 12 * 336
    assert made.best.name == "80 % aws spot + 20 % lambda on-demand"


def test_an_instance_type_has_no_equal_elsewhere():
    made = totals(instance_type="aws-x8")
    assert {part.offer.provider for each in made.strategies for part in each.parts} == {"aws"}


def test_own_machines_are_no_comparison_unless_they_are_named():
    mine = gpus("mine", 0)
    assert "mine on-demand" not in sums(totals([*GUIDE, *mine], owned={"mine"}))
    named = totals([*GUIDE, *mine], owned={"mine"}, cloud="mine")
    assert (named.best.name, named.best.total_usd) == ("mine on-demand", 0)
    assert named.savings()[0][1] == 1


def test_billing_minimums_count():
    made = totals(gpus("slow", 1.0, minimum_s=7200), hours=0.5)
    assert made.best.total_usd == pytest.approx(2.0)


def test_no_hardware_means_no_strategy():
    made = totals([])
    assert (made.strategies, made.best, made.savings()) == ((), None, [])
    assert made.to_dict()["best"] is None


@pytest.mark.parametrize(
    ("hours", "share"), [(0, 0.5), (-1, 0.5), (float("inf"), 0.5), (1, -0.1), (1, 1.1)]
)
def test_hours_and_shares_that_are_none_are_refused(hours, share):
    with pytest.raises(UsageError):
        totals(hours=hours, share=share)


@EXAMPLES
@given(
    share=st.floats(0, 1),
    hours=st.floats(0.1, 5000),
    prices=st.lists(st.tuples(st.floats(0.5, 99), st.floats(0.5, 99)), min_size=1, max_size=4),
)
def test_a_blend_lies_between_its_parts(share, hours, prices):
    offers = [each for n, pair in enumerate(prices) for each in gpus(f"cloud{n}", *pair)]
    made = totals(offers, hours=hours, share=share)
    blend = next(each for each in made.strategies if each.is_blend)
    spot, rest = (part.usd_hour for part in blend.parts)
    assert spot == min(price for _, price in prices)
    assert rest == min(price for price, _ in prices)
    assert min(spot, rest) - 0.01 <= blend.usd_hour <= max(spot, rest) + 0.01
    assert blend.total_usd == blend.usd_hour * hours
