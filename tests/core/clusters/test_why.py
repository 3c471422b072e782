"""``arb why``: what the walk said while it happened, told afterwards."""

from __future__ import annotations

import json

import pytest
from support.fakecloud import FakeCloud, offer

from arb.clusters.down import down
from arb.clusters.launch import Terms, Wish, plan_launch, run_launch
from arb.clusters.why import lives_of
from arb.errors import (
    CapacityError,
    NodeError,
    NoOfferError,
    ProviderUnavailable,
    QuotaError,
    Scope,
    UsageError,
)
from arb.state.machines import update_machine
from arb.tasks import Task
from arb.types import GoneReason, InstanceState


def refuse(request):
    raise CapacityError(f"none of {request.offer.offer_id}", scope=Scope.INSTANCE_TYPE)


def lost(request):
    raise ProviderUnavailable("502 from the gateway", code="http")


def lines(site, name="train", **kwargs):
    lives = lives_of(site.session.store, name, **kwargs)
    return [[line for moment in life.moments for line in moment.lines] for life in lives]


def test_every_attempt_is_told_with_its_price_and_its_reason(site):
    site.cloud.on_provision = [refuse, site.cloud.sell]
    site.launch(num_nodes=2)

    (told,) = lines(site)

    assert told[0] == "cluster train is launched: 2 nodes"
    begin = told.index("1. fake a in r1/a at $1.00/h x 2")
    assert told[begin + 1] == "   none of a"
    assert told[begin + 2].startswith("   a in r1 is not tried again for 2 nodes or more before ")
    assert told[begin + 3] == "2. fake b in r1/a at $2.00/h x 2"
    assert "   fake/i-1 was made, at $2.00/h" in told
    assert told[-1] == "cluster train is up"


@pytest.mark.parametrize(
    ("scope", "kept_out"),
    [
        (Scope.OFFER, "it is not"),
        (Scope.ZONE, "a in a is not"),
        (Scope.REGION, "nothing of fake in r1 is"),
        (Scope.QUOTA_FAMILY, "nothing as large under the quota of P5 in r1 is"),
        (Scope.QUOTA_FAMILY_EVERYWHERE, "nothing as large under the quota of P5 is"),
        (Scope.PROVIDER, "nothing of fake is"),
    ],
)
def test_what_a_refusal_keeps_out_is_told(site, scope, kept_out):
    def refused(request):
        raise QuotaError("no more", scope=scope, family="P5")

    site.cloud.on_provision = [refused] * 9
    with pytest.raises(NoOfferError):
        site.launch()
    (told,) = lines(site)
    assert any(line.startswith(f"   {kept_out} tried again before ") for line in told)


def test_everything_that_the_walk_said_is_told(site):
    """Whatever goes wrong: lost answers, broken nodes, blocked offers, prices, rounds."""
    site.cloud.shop = [offer(n, 1 + i / 10) for i, n in enumerate("abcdef")]
    site.cloud.shop.append(offer("a", 1.05, offer_id="a2", zone="b"))
    site.cloud.on_prices = [
        lambda offers: FakeCloud.listed_prices(offers, c=None, d=9.0),
        FakeCloud.listed_prices,
    ]
    site.cloud.on_provision = [refuse, lost, *[refuse] * 3, site.cloud.sell]
    site.broken_nodes = [NodeError("no SSH", code="x")]
    wish = Wish(Task.model_validate({}), cluster="train", terms=Terms(retry_until_up=True))
    run_launch(site.session, plan_launch(site.session, wish))

    (told,) = lines(site)

    said = [step for step in site.told.steps if not step.startswith("reading prices")]
    assert len(said) > 12
    missing = [step for step in said if not any(line.startswith(step) for line in told)]
    assert missing == []


def test_what_was_skipped_is_told_with_the_time_until_which(site):
    site.cloud.on_provision = [refuse, site.cloud.sell]
    site.launch("one")
    site.launch("two")

    (told,) = lines(site, "two")

    (line,) = [line for line in told if "skipped" in line]
    assert line.startswith("   fake a in r1/a skipped: none of a (until ")


def test_a_cluster_that_never_came_up_and_is_gone_is_told(site):
    site.cloud.on_provision = [refuse]
    with pytest.raises(NoOfferError) as caught:
        site.launch()

    (life,) = lives_of(site.session.store, "train")

    assert life.record.status.value == "gone"
    assert caught.value.summary in [line for m in life.moments for line in m.lines]


def test_a_lost_machine_is_told_with_its_reason(site):
    site.launch()
    with site.session.store.write() as tx:
        gone = {"state": InstanceState.GONE, "reason": GoneReason.PREEMPTED}
        update_machine(tx, "fake", "i-1", **gone)
    assert "   fake/i-1 is gone: preempted" in lines(site)[0]


def test_the_latest_life_of_a_name_is_told_or_all(site):
    site.launch()
    down(site.session, ["train"])
    site.clock.advance(3600)
    site.launch(num_nodes=3)

    assert [life[0] for life in lines(site)] == ["cluster train is launched: 3 nodes"]
    both = lines(site, everything=True)
    assert [life[0] for life in both] == [
        "cluster train is launched: 1 node",
        "cluster train is launched: 3 nodes",
    ]
    assert sum(line.startswith("1. fake a") for line in both[0]) == 1


def test_a_name_that_never_was_gets_the_closest(site):
    site.launch()
    with pytest.raises(UsageError, match="did you mean 'train'"):
        lives_of(site.session.store, "trian")


def test_the_document_has_the_data_behind_each_line(site):
    site.cloud.on_provision = [refuse, site.cloud.sell]
    site.launch()

    (life,) = lives_of(site.session.store, "train")
    document = json.loads(json.dumps(life.to_dict()))

    assert (document["cluster"], document["status"]) == ("train", "up")
    opened = [event for event in document["events"] if event["kind"] == "attempt-opened"]
    assert [event["data"]["price_usd_hour"] for event in opened] == [1, 2]
    assert opened[0]["data"]["sold_by"] == "arb-fake 1.0"
    (blocked,) = [event for event in document["events"] if event["kind"] == "offers-blocked"]
    assert blocked["data"]["scope"] == "instance-type"
    assert blocked["data"]["until"] > blocked["at"]


def test_how_a_launch_ended_and_what_else_is_sold_is_told(site):
    gpus = {"accelerator": "H100", "accelerator_gib": 80}
    site.cloud.shop = [offer(f"h{n}", n, accelerator_count=n, **gpus) for n in (1, 2, 8)]
    site.cloud.on_provision = [refuse]
    with pytest.raises(NoOfferError) as caught:
        site.launch(resources={"accelerators": "H100:2"})
    nearby = "fake sells 1 and 8: write H100:8, or H100:2+ to allow more"
    assert nearby in caught.value.hint

    (told,) = lines(site)
    assert any(line.startswith("no offer could be bought, 1 tried; last: fake h2") for line in told)
    assert any(nearby in line for line in told)


def test_other_counts_of_the_other_capacity_class_are_not_advised(site):
    gpus = {"accelerator": "H100", "accelerator_gib": 80}
    site.cloud.shop = [
        offer("h2", 2, accelerator_count=2, **gpus),
        offer("h8", 8, accelerator_count=8, spot=True, **gpus),
    ]
    site.cloud.on_provision = [refuse]
    with pytest.raises(NoOfferError) as caught:
        site.launch(resources={"accelerators": "H100:2"})
    assert "sells" not in caught.value.hint
