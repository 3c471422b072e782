"""Live prices: asked for right before buying, for some offers ahead, and what they change."""

from __future__ import annotations

import json
import threading
from dataclasses import replace
from functools import partial

import pytest
from support.fakecloud import FakeCloud, offer

from arb.errors import (
    CapacityError,
    CredentialsError,
    NodeError,
    NoOfferError,
    ProviderUnavailable,
    RateLimited,
    Scope,
)
from arb.optimizer.standing import Standing
from arb.plugins.budgets import BUDGETS_S
from arb.provision.agreement import Agreement, Declined
from arb.provision.order import Order
from arb.provision.walk import Exhausted, buy
from arb.state.costs import read_costs
from arb.state.events import PRICE_ROSE, PRICES_ASKED, read_events
from arb.types import Capability


def prices(world, **told):
    """Let the cloud tell live prices by offer id; None: no longer sold."""
    world.cloud.on_prices = [partial(FakeCloud.listed_prices, **told)]


def refuse(request):
    raise CapacityError(f"none of {request.offer.offer_id}", scope=Scope.OFFER)


def tried(world, cloud=None):
    return [request.offer.offer_id for request in (cloud or world.cloud).called("provision")]


def asked(cloud):
    return [[o.offer_id for o in offers] for offers in cloud.called("query_prices")]


def walk(world, *offers, agreement=None, count=1, standing=None):
    record = world.cluster(count=count)
    terms = {"standing": standing, "agreement": agreement or Agreement()}
    order = Order(record.name, record.id, offers, count, world.key, **terms)
    return buy(world.shop, order, lambda _: None)


def test_the_live_price_is_what_is_recorded_and_shown(any_world):
    world = any_world
    prices(world, a=1.04)

    purchase = walk(world, offer("a", 1.0), count=2)
    world.clock.advance(3600)

    assert purchase.offer.price_usd_hour == 1.04
    assert [m.price_usd_hour for m in world.machines()] == [1.04, 1.04]
    assert sum(row.usd for row in read_costs(world.store)) == pytest.approx(2.08, rel=0.01)
    assert "1. fake a in r1/a at $1.04/h x 2" in world.told.steps
    (attempt,) = world.attempts(get_record(world))
    bought = json.loads(attempt.offer_json)
    assert (attempt.price_usd_hour, bought["price_usd_hour"]) == (1.04, 1.04)
    assert (bought["source"], bought["as_of"]) == ("live", world.clock.now() - 3600)


def get_record(world):
    from arb.state.clusters import get_cluster

    return get_cluster(world.store, "train")


def test_an_offer_whose_price_rose_past_the_slippage_loses_its_place(world):
    prices(world, a=2.5, b=2.0, c=3.0)

    purchase = walk(world, offer("a", 1.0), offer("b", 2.0), offer("c", 3.0))

    assert purchase.offer.offer_id == "b"
    line = "   fake a in r1/a rose from $1.00 to $2.50, more than the 5.0% allowed"
    assert line in world.told.steps


def test_the_slippage_is_the_users(world):
    prices(world, a=2.5)

    purchase = walk(world, offer("a", 1.0), offer("b", 2.0), agreement=Agreement(max_slippage=1.5))

    assert purchase.offer.offer_id == "a"


def test_what_is_not_available_any_more_is_dropped_with_the_reason(world):
    def script(offers):
        rows = FakeCloud.listed_prices(offers, b=None)
        return [row | {"available": row["offer_id"] != "a"} for row in rows]

    world.cloud.on_prices = [script]

    purchase = walk(world, offer("a"), offer("b"), offer("c"))

    assert purchase.offer.offer_id == "c"
    assert tried(world) == ["c"]
    assert [line for line in world.told.steps if "skipped" in line] == [
        "   fake a in r1/a skipped: not available now",
        "   fake b in r1/a skipped: no longer on offer",
    ]


def test_nothing_available_says_so_and_that_it_can_be_waited_for(world):
    prices(world, a=None, b=None)

    with pytest.raises(Exhausted, match="2 not available; last: fake: no longer on") as caught:
        walk(world, offer("a"), offer("b"))

    assert caught.value.opens_at is None
    assert "--retry-until-up" in caught.value.hint
    assert tried(world) == []


def test_many_that_are_not_available_are_one_line(world):
    offers = [offer(f"o{n}", 1 + n / 100) for n in range(8)]
    prices(world, **dict.fromkeys(o.offer_id for o in offers))

    walk(world, *offers, offer("z", 9, provider=with_other(world).name))

    assert "   8 offers of fake skipped: no longer on offer" in world.told.steps


def with_other(world):
    other = FakeCloud(world.clock, name="other")
    world.clouds.append(other)
    return other


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (ProviderUnavailable("503 from fake", code="http"), "503 from fake"),
        (RateLimited("slow down", retry_after_s=300), "slow down"),
        (KeyError("oops"), "arb_query_prices raised KeyError"),
    ],
    ids=["unavailable", "rate", "broken"],
)
def test_a_provider_that_does_not_tell_keeps_its_catalogs_prices_and_says_so(world, error, told):
    def failing(offers):
        raise error

    world.cloud.on_prices = [failing]
    world.cloud.on_provision = [refuse] * 15 + [world.cloud.sell]
    offers = [offer(f"o{n}", 1 + n / 100) for n in range(16)]

    purchase = walk(world, *offers)

    assert purchase.offer.price_usd_hour == 1.15
    (line,) = [line for line in world.told.steps if "prices of its catalog are used" in line]
    assert told in line
    assert len(asked(world.cloud)) == 1, "asked again although it does not answer"


def test_a_provider_that_asks_to_wait_is_not_asked_for_prices_before(world):
    def busy(offers):
        raise RateLimited("slow down", retry_after_s=300)

    def slow(request):
        world.clock.advance(100)
        refuse(request)

    world.cloud.on_prices = [busy]
    world.cloud.on_provision = [slow] * 4 + [world.cloud.sell]

    walk(world, *(offer(f"o{n}", n) for n in range(1, 6)))

    assert [question[0] for question in asked(world.cloud)] == ["o1", "o4"]


def test_refused_credentials_drop_the_provider_before_anything_is_sent(world):
    def failing(offers):
        raise CredentialsError("key revoked", code="key", hint="make a new one")

    other = with_other(world)
    world.cloud.on_prices = [failing]

    purchase = walk(world, offer("a"), offer("b"), offer("c", provider="other"))

    assert purchase.offer.provider == "other"
    assert tried(world) == []
    assert tried(world, other) == ["c"]
    assert "   offers of fake skipped: key revoked" in world.told.steps


def test_a_provider_that_is_kept_out_is_told_once_wherever_its_offers_stand(world):
    def failing(offers):
        raise CredentialsError("key revoked", code="key", hint="make a new one")

    other = with_other(world)
    other.on_provision = [refuse, refuse, other.sell]
    world.cloud.on_prices = [failing]

    walk(world, *(offer(f"o{n}", n + 1, provider="other" if n % 2 else "fake") for n in range(6)))

    assert tried(world, other) == ["o1", "o3", "o5"]
    assert [step for step in world.told.steps if "skipped" in step] == [
        "   offers of fake skipped: key revoked"
    ]


def test_nothing_but_refused_credentials_is_exit_code_4(world):
    def failing(offers):
        raise CredentialsError("key revoked", code="key", hint="make a new one")

    world.cloud.on_prices = [failing]

    with pytest.raises(CredentialsError, match="key revoked") as caught:
        walk(world, offer("a"), offer("b"))

    assert caught.value.hint == "make a new one"


def test_some_offers_ahead_are_asked_for_at_once_and_not_again_while_they_are_fresh(world):
    prices(world)
    world.cloud.on_provision = [refuse] * 24 + [world.cloud.sell]
    offers = [offer(f"o{n:02}", 1 + n / 100) for n in range(100)]

    walk(world, *offers)

    questions = asked(world.cloud)
    assert len(tried(world)) == 25
    assert [len(question) for question in questions] == [10, 10, 10]
    assert questions[1][0] == "o10"


def test_prices_that_are_not_fresh_any_more_are_asked_for_again(world):
    def slow(request):
        world.clock.advance(61)
        refuse(request)

    prices(world)
    world.cloud.on_provision = [slow, world.cloud.sell]

    walk(world, offer("a"), offer("b", 2))

    assert asked(world.cloud) == [["a", "b"], ["b"]]


def test_blocked_offers_are_not_asked_about(world):
    world.cloud.on_provision = [refuse, world.cloud.sell]
    world.buy(world.cluster("one"), offer("a"), offer("b"))
    world.cloud.on_prices = []
    world.new_process()

    walk(world, offer("a"), offer("b"))

    assert asked(world.cloud) == [["b"]]


def test_providers_are_asked_side_by_side(world):
    other = with_other(world)
    both = threading.Barrier(2, timeout=20)

    def meet(offers):
        both.wait()
        return FakeCloud.listed_prices(offers)

    world.cloud.on_prices, other.on_prices = [meet], [meet]

    walk(world, offer("a"), offer("b", 2, provider="other"))

    assert (len(asked(world.cloud)), len(asked(other))) == (1, 1)


def test_nothing_is_free_but_the_users_own(world):
    prices(world, a=0.0)
    assert walk(world, offer("a", 1.0)).offer.price_usd_hour == 1.0


def test_the_users_own_may_be_free(world):
    capabilities = frozenset({*world.cloud.info.capabilities, Capability.OWNED})
    world.cloud.info = replace(world.cloud.info, capabilities=capabilities)
    prices(world, a=0.0)
    assert walk(world, offer("a", 1.0)).offer.price_usd_hour == 0


def test_a_price_over_the_tasks_limit_is_not_bought(world):
    prices(world, a=9.0)

    purchase = walk(
        world,
        offer("a", 1.0),
        offer("b", 4.0),
        standing=lambda _: Standing(max_price_usd_hour=5.0),
    )

    assert purchase.offer.offer_id == "b"
    assert "costs $9.00 now, over max_hourly_cost $5.00" in "\n".join(world.told.steps)


def test_what_was_asked_and_what_changed_is_in_the_log(any_world):
    world = any_world
    prices(world, a=2.5, b=None)

    walk(world, offer("a", 1.0), offer("b", 1.5), offer("c", 2.0))

    (event,) = read_events(world.store, cluster="train", kinds=[PRICES_ASKED])
    data = json.loads(event.data)
    assert (data["asked"], data["providers"], data["failed"]) == (3, ["fake"], [])
    assert [(c["offer"]["instance_type"], c["kind"], c["dropped"]) for c in data["changes"]] == [
        ("a", "lost-place", False),
        ("b", "missing", True),
    ]


# -- what the user agreed to ---------------------------------------------------------------------


class Asked:
    """A user who answers."""

    def __init__(self, *, yes: bool) -> None:
        self.yes = yes
        self.rises = []

    def __call__(self, rise):
        self.rises.append((rise.agreed_usd_hour, rise.usd_hour))
        return self.yes


def test_a_best_price_that_rose_is_asked_about_again(world):
    user = Asked(yes=True)
    prices(world, a=2.5)

    walk(world, offer("a", 1.0), offer("b", 2.0), count=3, agreement=Agreement(3.0, ask=user))

    assert user.rises == [(3.0, 6.0)]
    assert tried(world) == ["b"]
    assert "   the best price is now $6.00 an hour, not $3.00: agreed" in world.told.steps


def test_a_no_buys_nothing_and_is_in_the_log(any_world):
    world = any_world
    prices(world, a=2.5)

    with pytest.raises(Declined, match=r"rose from \$1.00 to \$2.50 an hour; nothing was bought"):
        walk(world, offer("a", 1.0), agreement=Agreement(1.0, ask=Asked(yes=False)))

    assert tried(world) == []
    (event,) = read_events(world.store, cluster="train", kinds=[PRICE_ROSE])
    assert json.loads(event.data)["agreed"] is False


@pytest.mark.parametrize("now", [0.5, 1.0, 1.05], ids=["fell", "same", "within-slippage"])
def test_a_price_that_was_agreed_to_is_not_asked_about(world, now):
    user = Asked(yes=False)
    prices(world, a=now)

    walk(world, offer("a", 1.0), agreement=Agreement(1.0, ask=user))

    assert user.rises == []


def test_falling_through_to_what_was_listed_dearer_is_not_asked_about(world):
    user = Asked(yes=False)
    prices(world)
    world.cloud.on_provision = [refuse, world.cloud.sell]

    walk(world, offer("a", 1.0), offer("b", 2.0), agreement=Agreement(1.0, ask=user))

    assert user.rises == []


def test_offers_that_are_blocked_are_no_rise(world):
    user = Asked(yes=False)
    world.cloud.on_provision = [refuse, world.cloud.sell]
    world.buy(world.cluster("one"), offer("a"), offer("b"))
    prices(world)
    world.new_process()

    walk(world, offer("a", 1.0), offer("b", 2.0), agreement=Agreement(1.0, ask=user))

    assert user.rises == []


def test_an_answer_counts_for_the_rest_of_the_way(world):
    user = Asked(yes=True)
    agreement = Agreement(1.0, ask=user)
    prices(world, a=2.0)
    world.cloud.on_provision = [refuse]
    for name in ("one", "two"):
        record = world.cluster(name)
        order = Order(record.name, record.id, (offer("a", 1.0),), 1, world.key, agreement=agreement)
        with pytest.raises(NoOfferError):
            buy(world.shop, order, fail)
        world.shop.blocklist.forget()

    assert user.rises == [(1.0, 2.0)]


def fail(_):
    raise NodeError("no SSH", code="no-ssh")


def test_an_offer_further_down_that_rose_is_asked_about(world):
    """Dearer than anything that was listed up to it: nobody has agreed to that."""
    user = Asked(yes=False)
    prices(world, c=50.0)
    world.cloud.on_provision = [refuse]

    with pytest.raises(Declined, match=r"fake c in r1/a rose from \$2.20 to \$50.00 an hour"):
        walk(
            world,
            offer("a", 1.0),
            offer("b", 2.1),
            offer("c", 2.2),
            agreement=Agreement(1.0, ask=user),
        )

    assert user.rises == [(2.2, 50.0)]
    assert tried(world) == ["a", "b"]


def test_rises_within_the_slippage_do_not_add_up(world):
    """What was passed by at 1.04 was listed at 1.00, and that is what was agreed to."""
    user = Asked(yes=False)
    prices(world, a=1.04, b=1.09)
    world.cloud.on_provision = [refuse]

    with pytest.raises(Declined):
        walk(world, offer("a", 1.0), offer("b", 1.0), agreement=Agreement(1.0, ask=user))

    assert user.rises == [(1.0, 1.09)]
    assert tried(world) == ["a"]


def test_an_offer_further_down_may_cost_what_was_listed_before_it(world):
    user = Asked(yes=False)
    prices(world, a=2.6)
    world.cloud.on_provision = [refuse, refuse, world.cloud.sell]
    agreement = Agreement(1.0, ask=user)

    purchase = walk(world, offer("b", 1.0), offer("a", 1.2), offer("c", 2.5), agreement=agreement)

    assert tried(world) == ["b", "c", "a"]
    assert purchase.offer.price_usd_hour == 2.6
    assert user.rises == []


def test_a_rise_between_two_rounds_is_told_from_what_was_listed_dearer(world):
    user = Asked(yes=True)
    agreement = Agreement(1.0, ask=user)
    world.cloud.on_provision = [refuse]
    for name, c in (("one", 2.2), ("two", 50.0)):
        record = world.cluster(name)
        offers = (offer("a", 1.0), offer("c", c), offer("d", 9.0))
        order = Order(record.name, record.id, offers, 1, world.key, agreement=agreement)
        with pytest.raises(NoOfferError):
            buy(world.shop, order, lambda _: None)
        world.shop.blocklist.forget()
    assert user.rises == [(9.0, 50.0)]


def test_prices_that_grew_old_while_the_user_thought_are_asked_for_again(world):
    world.cloud.on_prices = [partial(FakeCloud.listed_prices, a=1.5)]

    def think(rise):
        rises.append(rise.usd_hour)
        if len(rises) == 1:
            world.clock.advance(300)
            world.cloud.on_prices.append(partial(FakeCloud.listed_prices, a=3.0))
            world.cloud.on_prices.pop(0)
        return True

    rises = []
    purchase = walk(world, offer("a", 1.0), agreement=Agreement(1.0, ask=think))

    assert rises == [1.5, 3.0]
    assert purchase.offer.price_usd_hour == 3.0


@pytest.mark.parametrize(
    ("slippage", "now", "asks"),
    [
        (0.0, 1.0, False),
        (0.0, 1.001, True),
        (-1.0, 1.0, False),
        (-1.0, 1.001, True),
        (float("nan"), 1.001, True),
        (float("inf"), 1000.0, False),
    ],
)
def test_strange_slippages_are_taken_at_their_word(world, slippage, now, asks):
    user = Asked(yes=True)
    prices(world, a=now)
    walk(world, offer("a", 1.0), agreement=Agreement(1.0, max_slippage=slippage, ask=user))
    assert bool(user.rises) is asks


@pytest.mark.parametrize("told", [float("nan"), float("inf"), float("-inf"), -1.0, 0.0])
def test_what_is_no_price_leaves_the_listed_one_and_its_age(world, told):
    prices(world, a=told)
    as_of = world.clock.now() - 961_600
    purchase = walk(world, offer("a", 1.0, source="bundled", as_of=as_of))
    assert purchase.offer.price_usd_hour == 1.0
    assert world.told.steps[-1] == "1. fake a in r1/a at $1.00/h (list price of 2025-06-04)"


@pytest.mark.parametrize("order", [(1, 2), (2, 1)])
def test_of_two_prices_of_one_offer_the_higher_counts(world, order):
    world.cloud.on_prices = [
        lambda offers: [
            {"offer_id": "a", "spot": False, "price_usd_hour": float(price)} for price in order
        ]
    ]
    assert walk(world, offer("a", 1.0)).offer.price_usd_hour == 2.0


def test_an_offer_that_is_told_twice_and_once_as_sold_out_is_not_tried(world):
    rows = [
        {"offer_id": "a", "spot": False, "price_usd_hour": 1.0, "available": available}
        for available in (False, True)
    ]
    world.cloud.on_prices = [lambda offers: rows]
    with pytest.raises(NoOfferError, match="1 not available"):
        walk(world, offer("a", 1.0))


def test_a_price_of_another_offer_changes_nothing(world):
    rows = [
        {"offer_id": "a", "spot": True, "price_usd_hour": 0.1},
        {"offer_id": "b", "spot": False, "price_usd_hour": 0.1},
        {"offer_id": "a", "spot": False, "price_usd_hour": 1.0},
    ]
    world.cloud.on_prices = [lambda offers: rows]
    purchase = walk(world, offer("a", 1.0))
    assert (purchase.offer.offer_id, purchase.offer.price_usd_hour) == ("a", 1.0)


@pytest.mark.parametrize(
    ("source", "age_s", "price", "told"),
    [
        ("live", 30, 1.0, ""),
        ("live", 7500, 1.0, " (price of 2h 5m ago)"),
        ("bundled", 961_600, 1.0, " (list price of 2025-06-04)"),
        ("bundled", 961_600, 0.0, ""),
    ],
    ids=["just told", "told a while ago", "a price list", "nothing to pay"],
)
def test_a_price_that_is_not_of_now_is_told_with_its_age(world, source, age_s, price, told):
    as_of = world.clock.now() - age_s
    walk(world, offer("a", price, source=source, as_of=as_of))
    assert world.told.steps == [f"1. fake a in r1/a at ${price:.2f}/h{told}"]


def test_a_price_that_was_asked_for_is_one_of_now(world):
    prices(world, a=1.0)
    walk(world, offer("a", 1.0, source="bundled", as_of=world.clock.now() - 961_600))
    assert world.told.steps == ["1. fake a in r1/a at $1.00/h"]


def test_an_answer_that_does_not_come_leaves_the_list_price_with_its_date(world):
    def fails(offers):
        raise ProviderUnavailable("503")

    world.cloud.on_prices = [fails]
    walk(world, offer("a", 1.0, source="bundled", as_of=world.clock.now() - 961_600))
    assert world.told.steps[-1] == "1. fake a in r1/a at $1.00/h (list price of 2025-06-04)"


def test_a_provider_that_hangs_costs_its_deadline_and_one_line(world, monkeypatch):
    gate = threading.Event()
    monkeypatch.setitem(BUDGETS_S, "arb_query_prices", 0.2)
    other = FakeCloud(world.clock, name="other")
    world.clouds.append(other)
    world.cloud.on_prices = [lambda offers: gate.wait(20)]
    try:
        purchase = walk(world, offer("a"), offer("b"), offer("c", provider="other"))
    finally:
        gate.set()

    assert purchase.offer.offer_id == "c"
    assert world.told.steps[0] == (
        "   offers of fake skipped: fake hung in arb_query_prices and is not asked again by this "
        "command"
    )
    assert len(world.told.steps) == 2
    assert tried(world) == []
