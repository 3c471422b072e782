"""Going round again until somebody has capacity."""

from __future__ import annotations

import json
import threading

import pytest
from support.fakecloud import FakeCloud, offer
from tests.core.provision.conftest import Told

from arb.errors import (
    CapacityError,
    CredentialsError,
    NodeError,
    NoOfferError,
    QuotaError,
    RateLimited,
    Scope,
    StateError,
    UsageError,
)
from arb.plugins.budgets import BUDGETS_S
from arb.provision.agreement import Agreement, Declined
from arb.provision.giveback import end_cluster, finish
from arb.provision.journal import ClusterEnding
from arb.provision.news import News
from arb.provision.order import Order
from arb.provision.patience import buy_patiently
from arb.state.clusters import get_by_id
from arb.state.events import WALK_ENDED, WALK_WAITS, read_events
from arb.state.leases import LeaseLost
from arb.types import Termination


def none(request):
    raise CapacityError(f"none of {request.offer.offer_id}", scope=Scope.OFFER)


class Rounds:
    """One cluster's order, and the offers of each round; the last ones for all that follow."""

    def __init__(self, world, *rounds, agreement=None, bring_up=None):
        self.world = world
        self.record = world.cluster()
        self.rounds = list(rounds)
        self.agreement = agreement or Agreement()
        self.begun = []
        self.bring_up = bring_up or (lambda _: None)

    def order(self):
        self.begun.append(self.world.clock.monotonic())
        offers = self.rounds.pop(0) if len(self.rounds) > 1 else self.rounds[0]
        if isinstance(offers, Exception):
            raise offers
        return Order(
            self.record.name,
            self.record.id,
            offers,
            1,
            self.world.key,
            agreement=self.agreement,
        )

    def go(self):
        return buy_patiently(self.world.shop, self.order(), self.bring_up, self.order)

    def events(self, kind):
        log = read_events(self.world.store, cluster="train", kinds=[kind])
        return [json.loads(event.data) for event in log]


def test_rounds_go_on_with_growing_waits_until_somebody_has_it(any_world):
    world = any_world
    world.cloud.on_provision = [*[none] * 10, world.cloud.sell]
    rounds = Rounds(world, (offer("a"), offer("b")))

    purchase = rounds.go()

    waits = [round(b - a) for a, b in zip(rounds.begun, rounds.begun[1:], strict=False)]
    assert waits == [30, 60, 120, 240, 300]
    assert purchase.offer.offer_id == "a"
    assert len(world.cloud.called("provision")) == 11
    assert world.states(rounds.record) == [*["failed"] * 10, "ready"]


def test_it_says_what_it_waits_for_and_until_when(world):
    world.cloud.on_provision = [none, world.cloud.sell]
    rounds = Rounds(world, (offer("a"),))

    rounds.go()

    (data,) = rounds.events(WALK_WAITS)
    assert (data["round"], data["until"]) == (1, world.clock.now())
    line = (
        f"no offer could be bought, 1 tried; last: fake a in r1/a: {'none of a'}; trying again at"
    )
    assert any(step.startswith(line) for step in world.told.steps)
    assert any(state.startswith("waiting until ") for state in world.told.states)


def test_the_cluster_shows_what_it_waits_for(world):
    seen = []
    sleep = world.clock.sleep

    def look(seconds):
        seen.append(get_by_id(world.store, rounds.record.id).detail)
        sleep(seconds)

    world.clock.sleep = look
    world.cloud.on_provision = [none, world.cloud.sell]
    rounds = Rounds(world, (offer("a"),))

    rounds.go()

    assert seen[0].startswith("waiting for capacity, next try at ")
    assert get_by_id(world.store, rounds.record.id).detail == ""


def test_each_round_looks_at_the_offers_of_then(world):
    world.cloud.on_provision = [none, world.cloud.sell]
    rounds = Rounds(world, (offer("a"),), NoOfferError("sold out", code="x"), (offer("c"),))

    assert rounds.go().offer.offer_id == "c"
    assert [data["summary"] for data in rounds.events(WALK_WAITS)][1] == "sold out"


def test_nothing_on_offer_at_first_is_waited_for(world):
    rounds = Rounds(world, (), (offer("a"),))

    assert rounds.go().offer.offer_id == "a"


def test_refusals_that_last_longer_are_waited_for(world):
    def quota(request):
        raise QuotaError("no quota", scope=Scope.OFFER, block_s=1000)

    world.cloud.on_provision = [quota, world.cloud.sell]
    rounds = Rounds(world, (offer("a"),))

    rounds.go()

    assert rounds.begun[1] == pytest.approx(1000, abs=1)
    assert len(world.cloud.called("provision")) == 2


def test_one_long_refusal_does_not_hold_up_the_others(world):
    def quota(request):
        raise QuotaError("no quota", scope=Scope.OFFER, block_s=10_000)

    world.cloud.on_provision = [quota, none, world.cloud.sell]
    rounds = Rounds(world, (offer("a"), offer("b")))

    assert rounds.go().offer.offer_id == "b"
    assert rounds.begun[1] == pytest.approx(30, abs=1)


def test_a_provider_that_asks_for_a_long_wait_gets_it(world):
    def busy(request):
        raise RateLimited("slow down", retry_after_s=900)

    world.cloud.on_provision = [busy, world.cloud.sell]
    rounds = Rounds(world, (offer("a"),))

    rounds.go()

    assert rounds.begun[1] == pytest.approx(900, abs=1)


def test_another_command_that_ends_the_cluster_ends_the_wait(world):
    world.cloud.on_provision = [none]
    rounds = Rounds(world, (offer("a"),))
    sleep = world.clock.sleep

    def sleep_and_down(seconds):
        sleep(seconds)
        if world.clock.monotonic() > 100:
            end_cluster(world.shop, rounds.record.id)

    world.clock.sleep = sleep_and_down

    with pytest.raises(ClusterEnding):
        rounds.go()

    assert world.clock.monotonic() < 110, "not looked for often enough"


def test_ctrl_c_while_waiting_ends_it_and_leaves_nothing(any_world):
    world = any_world
    world.cloud.on_provision = [none]
    rounds = Rounds(world, (offer("a"),))
    sleep = world.clock.sleep

    def press(seconds):
        sleep(seconds)
        if world.clock.monotonic() > 100:
            raise KeyboardInterrupt

    world.clock.sleep = press
    with pytest.raises(KeyboardInterrupt):
        rounds.go()
    world.clock.sleep = sleep
    finish(world.shop, rounds.record.id)

    assert world.states(rounds.record) == ["failed"] * 3
    assert rounds.events(WALK_ENDED) == [{"cluster_id": rounds.record.id, "summary": "interrupted"}]


def test_refused_credentials_are_not_waited_for(world):
    def refused(request):
        raise CredentialsError("key revoked", code="key")

    world.cloud.on_provision = [refused]

    with pytest.raises(CredentialsError):
        Rounds(world, (offer("a"),)).go()

    assert world.clock.monotonic() == 0


def test_what_the_user_must_mend_ends_it(world):
    world.cloud.on_provision = [none]

    with pytest.raises(UsageError, match="over budget"):
        Rounds(world, (offer("a"),), UsageError("over budget", code="budget")).go()

    assert len(world.cloud.called("provision")) == 1


def test_machines_of_earlier_rounds_that_could_not_end_then_end_before_the_next(world):
    later = Termination(gone=False, retry_after_s=50, detail="minimum run time")
    tries = []

    def bring_up(purchase):
        tries.append(world.cloud.alive())
        if len(tries) < 3:
            raise NodeError("no SSH", code="no-ssh")

    world.cloud.on_terminate["i-1"] = [lambda _: later, lambda _: Termination.GONE]
    rounds = Rounds(world, (offer("a"),), bring_up=bring_up)

    rounds.go()

    assert tries == [["i-1"], ["i-2"], ["i-3"]]


def test_a_rise_since_the_last_round_is_asked_about(world):
    rises = []

    def no(rise):
        rises.append((rise.agreed_usd_hour, rise.usd_hour))
        return False

    world.cloud.on_provision = [none]
    rounds = Rounds(
        world,
        (offer("a", 1.0), offer("b", 2.0)),
        (offer("a", 2.0),),
        (offer("a", 2.5),),
        agreement=Agreement(1.0, ask=no),
    )

    with pytest.raises(Declined):
        rounds.go()

    assert rises == [(2.0, 2.5)], "what was passed in an earlier round has been agreed to"


def test_one_round_is_all_without_patience(world):
    world.cloud.on_provision = [none]
    rounds = Rounds(world, (offer("a"),))

    with pytest.raises(NoOfferError):
        buy_patiently(world.shop, rounds.order(), rounds.bring_up)

    (ended,) = rounds.events(WALK_ENDED)
    assert ended["code"] == "no-offer"
    assert rounds.events(WALK_WAITS) == []


def test_what_becomes_of_an_offer_is_told_again_only_when_it_is_news(world):
    def full(request):
        raise QuotaError("over the quota", scope=Scope.OFFER, block_s=1)

    world.cloud.on_provision = [none, none, none, full, world.cloud.sell]
    Rounds(world, (offer("a"), offer("b"))).go()

    told = [step for step in world.told.steps if "trying again" not in step]
    assert told == [
        "1. fake a in r1/a at $1.00/h",
        "   none of a",
        "2. fake b in r1/a at $1.00/h",
        "   none of b",
        "4. fake b in r1/a at $1.00/h",
        "   over the quota",
        "5. fake a in r1/a at $1.00/h",
    ]


def test_a_warning_of_every_round_is_told_once(world):
    told = Told()
    news = News(told)
    for at in ("10:00:00", "10:05:00"):
        news.warn(f"east did not answer (tried at {at})")
        news.state("asking east")
    assert told.warnings == ["east did not answer (tried at 10:00:00)"]
    assert told.states == ["asking east"] * 2


def test_an_attempt_that_comes_further_than_before_is_told(world):
    told = Told()
    news = News(told)
    for number in (1, 2):
        news.step(f"{number}. fake a")
        news.step("   none of a")
    news.step("3. fake a")
    news.state("0 of 1 up")
    assert told.steps == ["1. fake a", "   none of a", "3. fake a"]


def test_the_time_that_a_machine_sleeps_counts(world):
    """A laptop's monotonic clock stands still while its lid is closed."""
    clock = world.clock
    sleep = clock.sleep

    def close_the_lid(seconds):
        clock.sleep = sleep
        clock.set_wall(clock.now() + 8 * 3600)

    def refuse_and_sleep(request):
        clock.sleep = close_the_lid
        none(request)

    world.cloud.on_provision = [refuse_and_sleep, world.cloud.sell]
    rounds = Rounds(world, (offer("a"),))
    assert rounds.go().offer.offer_id == "a"
    assert clock.monotonic() < 5


def test_a_state_store_that_is_started_anew_is_waited_for(world, monkeypatch):
    failures = [StateError("the database cannot be reached")] * 20
    write = type(world.shop.journal).check_wanted

    def flaky(journal, cluster_id):
        if failures and world.cloud.called("provision"):
            raise failures.pop()
        write(journal, cluster_id)

    world.cloud.on_provision = [none, world.cloud.sell]
    rounds = Rounds(world, (offer("a"),))
    monkeypatch.setattr(type(world.shop.journal), "check_wanted", flaky)
    assert rounds.go().offer.offer_id == "a"
    assert "the database cannot be reached; trying again" in world.told.states


def test_a_state_store_that_is_gone_for_good_ends_it(world, monkeypatch):
    def gone(journal, cluster_id):
        if world.cloud.called("provision"):
            raise StateError("the database cannot be reached")

    world.cloud.on_provision = [none]
    rounds = Rounds(world, (offer("a"),))
    monkeypatch.setattr(type(world.shop.journal), "check_wanted", gone)
    with pytest.raises(StateError, match="cannot be reached"):
        rounds.go()
    assert 600 <= world.clock.monotonic() < 700


def test_a_launch_that_was_taken_over_does_not_go_on_waiting(world, monkeypatch):
    def lost(journal, cluster_id):
        if world.cloud.called("provision"):
            raise LeaseLost("taken over")

    world.cloud.on_provision = [none]
    rounds = Rounds(world, (offer("a"),))
    monkeypatch.setattr(type(world.shop.journal), "check_wanted", lost)
    with pytest.raises(LeaseLost):
        rounds.go()
    assert world.clock.monotonic() < 60


def test_a_provider_that_hung_is_asked_again_in_a_later_round(world, monkeypatch):
    """While the network is away names are not resolved, and that takes longer than a deadline."""
    monkeypatch.setitem(BUDGETS_S, "arb_query_prices", 0.2)
    gate = threading.Event()
    world.cloud.on_prices = [lambda offers: gate.wait(20) and [], FakeCloud.listed_prices]
    sleep = world.clock.sleep

    def network_comes_back(seconds):
        gate.set()
        for ended in world.shop.provider("fake")._hooks.hung_calls:
            assert ended.wait(20)
        sleep(seconds)

    world.clock.sleep = network_comes_back
    rounds = Rounds(world, (offer("a"),))
    assert rounds.go().offer.offer_id == "a"
    assert len(world.cloud.called("query_prices")) == 2
