"""The walk over offers: what it tries, what it skips, and what is on disk at each moment."""

from __future__ import annotations

import _thread
import re
import signal
import threading
from dataclasses import replace

import pytest
from support.command import eventually
from support.fakecloud import FakeCloud, offer

from arb.errors import (
    CapacityError,
    CredentialsError,
    NodeError,
    NoOfferError,
    ProviderUnavailable,
    QuotaError,
    RateLimited,
    RequestError,
    Scope,
    UsageError,
)
from arb.provision.giveback import end_cluster
from arb.provision.journal import ClusterEnding
from arb.provision.order import Order
from arb.provision.placing import AbandonedPurchase
from arb.provision.resume import resume
from arb.provision.walk import buy
from arb.state.attempts import AttemptState
from arb.state.requests import digest
from arb.types import (
    Capability,
    GoneReason,
    InstanceState,
    ProviderInfo,
    ProvisionResult,
    SshEndpoint,
    Termination,
)


def refuse(scope=Scope.OFFER, kind=CapacityError, **more):
    """Return a script that says no."""

    def script(request):
        raise kind(f"none of {request.offer.offer_id}", scope=scope, **more)

    return script


def tried(world):
    return [request.offer.offer_id for request in world.cloud.called("provision")]


def test_the_next_offer_is_tried_until_one_has_capacity(any_world):
    world = any_world
    world.cloud.on_provision = [refuse(), refuse(kind=QuotaError), world.cloud.sell]
    record = world.cluster()

    purchase = world.buy(record, offer("a"), offer("b", region="r2"), offer("c", region="r3"))

    assert tried(world) == ["a", "b", "c"]
    assert purchase.offer.offer_id == "c"
    assert world.states(record) == ["failed", "failed", "ready"]
    assert world.billed() == ["i-1"]


SHOP = {
    "same-zone": offer("big", offer_id="same-zone", price=2),
    "other-zone": offer("big", offer_id="other-zone", zone="b", price=2),
    "other-region": offer("big", offer_id="other-region", region="r2", price=2),
    "other-type": offer("tiny", offer_id="other-type", price=2),
    "other-region-type": offer("tiny", offer_id="other-region-type", region="r2", price=2),
    "spot": offer("big", offer_id="spot", spot=True, price=2),
}


@pytest.mark.parametrize(
    ("scope", "covered"),
    [
        (Scope.OFFER, set()),
        (Scope.ZONE, {"same-zone"}),
        (Scope.INSTANCE_TYPE, {"same-zone", "other-zone"}),
        (Scope.REGION, {"same-zone", "other-zone", "other-type"}),
        (Scope.PROVIDER, set(SHOP)),
    ],
    ids=lambda value: value.value if isinstance(value, Scope) else "",
)
def test_a_refusal_skips_what_its_scope_covers_and_nothing_else(world, scope, covered):
    world.cloud.on_provision = [refuse(scope), refuse()]

    with pytest.raises(NoOfferError):
        world.buy(world.cluster(), offer("big", offer_id="first"), *SHOP.values())

    assert set(tried(world)) == {"first", *SHOP} - covered


@pytest.mark.parametrize("everywhere", [False, True], ids=["here", "everywhere"])
def test_a_quota_skips_its_family(world, everywhere):
    scope = Scope.QUOTA_FAMILY_EVERYWHERE if everywhere else Scope.QUOTA_FAMILY
    world.cloud.on_provision = [refuse(scope, QuotaError, family="P"), refuse()]
    offers = [
        offer("p5", quota_family="P"),
        offer("p4", quota_family="P"),
        offer("g5", quota_family="G"),
        offer("p4-far", quota_family="P", region="r2"),
    ]

    with pytest.raises(NoOfferError):
        world.buy(world.cluster(), *offers)

    assert tried(world) == (["p5", "g5"] if everywhere else ["p5", "g5", "p4-far"])


def test_a_refusal_is_remembered_by_the_next_process_until_it_expires(any_world):
    world = any_world
    world.cloud.on_provision = [refuse(block_s=200), world.cloud.sell]
    world.buy(world.cluster("one"), offer("a"), offer("b"))

    world.new_process()
    world.buy(world.cluster("two"), offer("a"), offer("b"))
    world.clock.advance(201)
    world.buy(world.cluster("three"), offer("a"), offer("b"))

    assert tried(world) == ["a", "b", "b", "a"]


def test_what_is_skipped_is_told_with_the_reason(world):
    world.cloud.on_provision = [refuse(Scope.INSTANCE_TYPE), world.cloud.sell]

    world.buy(world.cluster(), offer("a"), offer("a", offer_id="a2", zone="b"), offer("b"))

    assert [s for s in world.told.steps if "skipped" in s] == [
        "   fake a in r1/b skipped: none of a"
    ]


def test_when_all_is_blocked_the_error_says_why(world):
    world.cloud.on_provision = [refuse()]
    with pytest.raises(NoOfferError):
        world.buy(world.cluster("one"), offer("a"))

    with pytest.raises(NoOfferError) as caught:
        world.buy(world.cluster("two"), offer("a"))

    assert caught.value.code == "all-blocked"
    assert "none of a" in caught.value.summary


def test_the_intent_is_on_disk_before_the_provider_is_called(any_world):
    world = any_world
    record = world.cluster(count=2)
    seen = []

    def look(request):
        (attempt,) = world.attempts(record)
        seen.append((attempt, digest(request)))
        return world.cloud.sell(request)

    world.cloud.on_provision = [look]
    world.buy(record, offer("a", price=2.5))

    ((attempt, sent),) = seen
    assert attempt.state is AttemptState.INTENT
    assert (attempt.provider, attempt.count, attempt.price_usd_hour) == ("fake", 2, 2.5)
    assert attempt.request_digest == sent


def test_no_secret_of_the_request_is_in_the_store(world):
    world.buy(world.cluster(), offer("a"))

    (request,) = world.cloud.called("provision")
    private = request.setups[0].host_key.private
    line = private.splitlines()[2]
    tables = b"".join(p.read_bytes() for p in (world.folder / "home").glob("state.db*"))
    assert len(line) > 20
    assert line.encode() not in tables
    assert request.token.encode() in tables


def test_tokens_are_unique_and_of_the_documented_form(world):
    world.cloud.on_provision = [refuse(), refuse(), world.cloud.sell]
    for name in ("one", "two"):
        world.buy(world.cluster(name, count=2), offer("a"), offer("b"), offer("c"))
        world.clock.advance(3600)

    requests = world.cloud.called("provision")
    tokens = [setup.token for request in requests for setup in request.setups]
    owner = world.store.owner()
    assert len(set(tokens)) == len(tokens) == 8
    for token in tokens:
        assert re.fullmatch(rf"arb-{owner}-[a-z2-7]{{8}}-[0-9a-z]{{3}}-[0-9]{{4}}", token)
        assert len(token) == 30


def test_a_batch_provider_gets_one_setup_and_its_machines_get_ranks(world):
    world.cloud.info = ProviderInfo(
        "Fake", frozenset({Capability.ON_DEMAND, Capability.BATCH, Capability.USER_DATA})
    )
    record = world.cluster(count=3)

    purchase = world.buy(record, offer("a"))

    (request,) = world.cloud.called("provision")
    assert [(s.token, s.rank) for s in request.setups] == [(request.token, None)]
    assert [node.rank for node in purchase.nodes] == [0, 1, 2]
    assert [(m.instance_id, m.rank) for m in world.machines()] == [
        ("i-1", 0),
        ("i-2", 1),
        ("i-3", 2),
    ]


def test_a_broken_gang_is_given_back_before_the_next_offer_is_tried(world):
    def broken(request):
        made = world.cloud.make(request, 2)
        raise CapacityError("only two", scope=Scope.OFFER, made=made)

    def sell(request):
        assert world.cloud.alive() == []
        return world.cloud.sell(request)

    world.cloud.on_provision = [broken, sell]
    record = world.cluster(count=3)

    world.buy(record, offer("a"), offer("b"))

    assert {ref.id for ref in world.cloud.called("terminate")} == {"i-1", "i-2"}
    assert world.states(record) == ["closed", "ready"]
    assert world.billed() == ["i-3", "i-4", "i-5"]


def test_a_late_refusal_gives_back_what_it_made(world):
    def refuse_late(request):
        made = world.cloud.make(request, 1, state=InstanceState.PENDING)
        raise QuotaError("quota", scope=Scope.REGION, made=made)

    world.cloud.on_provision = [
        lambda request: ProvisionResult((), "operation-1"),
        world.cloud.sell,
    ]
    world.cloud.on_poll = [refuse_late, world.cloud._of_request]
    record = world.cluster(count=2)

    purchase = world.buy(record, offer("a"), offer("b"), offer("c", region="r2"))

    assert purchase.offer.offer_id == "c"
    assert world.states(record) == ["closed", "ready"]
    assert [ref.handle for ref in world.cloud.called("terminate")] == ["operation-1"]


def test_a_late_refusal_that_made_nothing_ends_the_attempt(world):
    world.cloud.on_provision = [lambda _: ProvisionResult((), "operation-1"), world.cloud.sell]
    world.cloud.on_poll = [refuse(), world.cloud._of_request]
    record = world.cluster()

    world.buy(record, offer("a"), offer("b"))

    assert world.states(record) == ["failed", "ready"]


def test_a_rate_limit_is_waited_for_and_the_same_request_sent_again(world):
    def busy(request):
        raise RateLimited("slow down", retry_after_s=7)

    times = []
    world.cloud.on_provision = [busy, busy, world.cloud.sell]
    record = world.cluster()
    world.cloud.on_list = [lambda listing: times.append(world.clock.monotonic()) or listing]

    world.buy(record, offer("a"))

    requests = world.cloud.called("provision")
    assert len({digest(request) for request in requests}) == 1
    assert len(requests) == 3
    assert times[0] == 14
    assert "fake asks to wait 7 s" in world.told.states
    assert world.states(record) == ["ready"]


def test_a_rate_limit_beyond_patience_goes_on_with_another_provider(world):
    other = FakeCloud(world.clock, name="other")
    world.clouds.append(other)

    def busy(request):
        raise RateLimited("come back tomorrow", retry_after_s=10_000)

    world.cloud.on_provision = [busy]
    record = world.cluster()

    purchase = world.buy(record, offer("a"), offer("b"), offer("c", provider="other"))

    assert purchase.offer.provider == "other"
    assert tried(world) == ["a"]
    assert world.states(record) == ["failed", "ready"]


@pytest.mark.parametrize("state", [InstanceState.GONE, InstanceState.TERMINATING])
def test_a_machine_that_ends_while_it_comes_up_is_a_refusal(world, state):
    def dying(request):
        return world.cloud.sell(request, state=state, reason=GoneReason.PREEMPTED)

    world.cloud.on_provision = [dying, world.cloud.sell]
    record = world.cluster()

    purchase = world.buy(
        record, offer("a"), offer("a", offer_id="same-zone"), offer("a", offer_id="c", zone="c")
    )

    assert purchase.offer.offer_id == "c"
    assert world.billed() == ["i-2"]
    assert "ended while it came up (preempted)" in "\n".join(world.told.steps)


def test_a_machine_that_never_runs_is_given_back_after_the_readiness_timeout(world):
    def stuck(request):
        return world.cloud.sell(request, state=InstanceState.PENDING, detail="booting")

    world.cloud.on_provision = [stuck, world.cloud.sell]
    record = world.cluster()
    begun = world.clock.monotonic()

    world.buy(record, offer("a"), offer("b"))

    assert 590 <= world.clock.monotonic() - begun <= 610
    assert world.billed() == ["i-2"]
    assert any("not up after 10 min (booting)" in step for step in world.told.steps)


def test_a_node_that_does_not_come_up_costs_its_offer_only(world):
    tries = []

    def bring_up(purchase):
        tries.append(purchase.offer.offer_id)
        if len(tries) == 1:
            raise NodeError("no SSH", code="no-ssh")

    record = world.cluster()

    purchase = world.buy(record, offer("a"), offer("b"), bring_up=bring_up)

    assert tries == ["a", "b"]
    assert purchase.offer.offer_id == "b"
    assert world.states(record) == ["closed", "ready"]
    assert world.billed() == ["i-2"]


def test_any_other_failure_of_bring_up_gives_back_and_stops(world):
    def bring_up(purchase):
        raise ZeroDivisionError("a bug")

    record = world.cluster()

    with pytest.raises(ZeroDivisionError):
        world.buy(record, offer("a"), offer("b"), bring_up=bring_up)

    assert tried(world) == ["a"]
    assert world.billed() == []
    assert world.states(record) == ["closed"]


def test_refused_credentials_drop_the_provider(world):
    other = FakeCloud(world.clock, name="other")
    world.clouds.append(other)

    def refused(request):
        raise CredentialsError("key revoked", code="key")

    world.cloud.on_provision = [refused]
    record = world.cluster()

    purchase = world.buy(record, offer("a"), offer("b"), offer("c", provider="other"))

    assert purchase.offer.provider == "other"
    assert tried(world) == ["a"]


def test_nothing_but_refused_credentials_is_exit_code_4(world):
    def refused(request):
        raise CredentialsError("key revoked", code="key", hint="make a new one")

    world.cloud.on_provision = [refused]

    with pytest.raises(CredentialsError, match="key revoked") as caught:
        world.buy(world.cluster(), offer("a"), offer("b"))

    assert caught.value.hint == "make a new one"


def test_another_command_that_ends_the_cluster_stops_the_purchase(world):
    record = world.cluster()

    def sell_and_down(request):
        result = world.cloud.sell(request, state=InstanceState.PENDING)
        end_cluster(world.shop, record.id)
        return result

    world.cloud.on_provision = [sell_and_down]

    with pytest.raises(ClusterEnding, match="cluster train was ended by another command"):
        world.buy(record, offer("a"), offer("b"))

    assert tried(world) == ["a"]
    assert world.cloud.alive() == []
    assert world.states(record) == ["closed"]


def test_a_cluster_that_is_being_ended_is_not_bought_for(world):
    record = world.cluster()
    end_cluster(world.shop, record.id)

    with pytest.raises(ClusterEnding):
        world.buy(record, offer("a"))

    assert world.attempts(record) == []


def test_an_order_is_not_sent_again_once_its_cluster_is_being_ended(world):
    record = world.cluster()

    def busy_and_down(request):
        end_cluster(world.shop, record.id)
        raise RateLimited("slow down", retry_after_s=60)

    world.cloud.on_provision = [busy_and_down, world.cloud.sell]

    with pytest.raises(ClusterEnding):
        world.buy(record, offer("a"), offer("b"))

    assert len(world.cloud.called("provision")) == 1
    assert world.states(record) == ["failed"]


def test_a_process_that_stood_still_sends_nothing_once_others_took_over(world, monkeypatch):
    """It was suspended between its intent and its order; the next command closed both."""
    world.cloud.info = ProviderInfo("Fake", frozenset({Capability.ON_DEMAND}), listing_lag_s=0)
    record = world.cluster()
    shop = world.shop
    commit = shop.journal.open

    def stand_still(*arguments, **named):
        request = commit(*arguments, **named)
        world.clock.advance(3600)
        resume(world.new_process())
        return request

    monkeypatch.setattr(shop.journal, "open", stand_still)
    order = Order(record.name, record.id, (offer("a"), offer("b")), 1, world.key)

    with pytest.raises(ClusterEnding):
        buy(shop, order, lambda _: None)

    assert world.cloud.called("provision") == []
    assert world.attempts(record)[0].state is AttemptState.FAILED


def test_a_wrong_request_is_a_reason_to_try_the_next_offer(world):
    world.cloud.on_provision = [refuse(kind=RequestError), world.cloud.sell]

    assert world.buy(world.cluster(), offer("a"), offer("b")).offer.offer_id == "b"


POLICY = """
from arb.errors import {kind}
from arb.hookspecs import hookimpl

ARB_API = 1

@hookimpl(wrapper=True)
def arb_provision(context, request):
    if request.offer.offer_id != "b":
        raise {raised}
    return (yield)
"""


def test_a_policys_refusal_stops_the_walk_and_nothing_is_looked_for(world):
    world.wrap(POLICY.format(kind="UsageError", raised="UsageError('over budget', code='budget')"))
    record = world.cluster()

    with pytest.raises(UsageError, match="over budget"):
        world.buy(record, offer("a"), offer("b"))

    assert world.states(record) == ["failed"]
    assert world.cloud.calls == []


def test_a_policy_may_refuse_one_offer_and_let_the_walk_go_on(world):
    world.wrap(
        POLICY.format(
            kind="CapacityError, Scope", raised="CapacityError('not here', scope=Scope.OFFER)"
        )
    )
    record = world.cluster()

    assert world.buy(record, offer("a"), offer("b")).offer.offer_id == "b"
    assert world.states(record) == ["failed", "ready"]


@pytest.mark.parametrize(
    ("scope", "others"), [(None, []), (Scope.REGION, ["far"])], ids=["provider", "region"]
)
def test_an_outage_before_the_order_skips_what_does_not_answer(world, scope, others):
    def out(_request):
        error = ProviderUnavailable("HTTP 503", code="http")
        error.never_sent = True
        error.scope = scope or error.scope
        raise error

    world.cloud.on_provision = [out, world.cloud.sell]
    offers = [offer("a"), offer("b"), offer("far", region="r2")]
    if others:
        world.buy(world.cluster(), *offers)
    else:
        with pytest.raises(NoOfferError):
            world.buy(world.cluster(), *offers)
    assert tried(world) == ["a", *others]


def test_a_provider_that_hung_is_not_waited_for_offer_after_offer(world):
    def hang(request):
        world.shop.provider("fake")._hooks.hung_in = "arb_provision"
        raise ProviderUnavailable("gave no answer", code="deadline")

    world.cloud.on_provision = [hang]
    record = world.cluster()

    with pytest.raises(NoOfferError):
        world.buy(record, *(offer(f"o{n}") for n in range(20)))

    assert len(tried(world)) == 1
    assert len(world.attempts(record)) <= 2
    assert world.clock.monotonic() < 60


def test_a_plugin_that_breaks_the_contract_costs_its_offers_only(world):
    def broken(request):
        raise KeyError("oops")

    other = FakeCloud(world.clock, name="other")
    world.clouds.append(other)
    world.cloud.on_provision = [broken]

    purchase = world.buy(world.cluster(), offer("a"), offer("c", provider="other"))

    assert purchase.offer.provider == "other"


def test_an_answer_while_waiting_is_not_needed_every_time(world):
    def unavailable(request):
        raise ProviderUnavailable("502", code="http")

    def limited(request):
        raise RateLimited("slow", retry_after_s=11)

    world.cloud.on_poll = [unavailable, limited, world.cloud._of_request]

    world.buy(world.cluster(), offer("a"))

    assert 11 <= world.clock.monotonic() < 12


def test_an_address_that_is_not_known_yet_is_asked_for_again(world):
    def not_yet(instance):
        raise ProviderUnavailable("no port yet", code="http")

    world.cloud.on_ssh_ports = [not_yet, not_yet, lambda i: SshEndpoint(i.address, 2222, "me")]

    purchase = world.buy(world.cluster(), offer("a"))

    assert purchase.nodes[0].endpoint.port == 2222
    assert "waiting for fake: no port yet" in world.told.states


def test_an_address_that_stays_unknown_gives_the_machine_back(world):
    def never(instance):
        raise ProviderUnavailable("no port yet", code="http")

    world.cloud.on_ssh_ports = [never]
    record = world.cluster()

    with pytest.raises(NoOfferError, match="not up after 10 min"):
        world.buy(record, offer("a"))

    assert world.cloud.alive() == []
    assert world.states(record) == ["closed"]


def test_a_rate_limit_without_a_wait_is_not_asked_without_end(world):
    def busy(request):
        raise RateLimited("slow down", retry_after_s=0)

    world.cloud.on_provision = [busy]

    with pytest.raises(NoOfferError):
        world.buy(world.cluster(), offer("a"))

    assert len(world.cloud.called("provision")) < 200


def test_machines_that_only_a_look_named_are_given_back_when_the_wait_is_cut_off(world):
    def pending(request):
        world.cloud.make(request, state=InstanceState.PENDING)
        end_cluster(world.shop, record.id)
        return world.cloud._of_request(request)

    world.cloud.on_provision = [lambda _: ProvisionResult((), "operation-1")]
    world.cloud.on_poll = [pending, world.cloud._of_request]
    record = world.cluster(count=2)

    with pytest.raises(ClusterEnding):
        world.buy(record, offer("a"))

    assert world.cloud.alive() == []
    assert world.states(record) == ["closed"]


def test_a_lost_order_is_looked_for_as_long_as_listings_may_lag(world):
    world.cloud.info = replace(world.cloud.info, listing_lag_s=45)

    def lost(request):
        world.cloud.make(request)
        world.cloud.hidden_until["i-1"] = world.clock.now() + 40
        raise ProviderUnavailable("502", code="http")

    world.cloud.on_provision = [lost]

    purchase = world.buy(world.cluster(), offer("a"), offer("b"))

    assert [node.instance.id for node in purchase.nodes] == ["i-1"]
    assert tried(world) == ["a"]


def test_an_order_that_named_no_machine_stays_open_when_the_wait_is_cut_off(world):
    record = world.cluster()

    def order_and_down(request):
        world.cloud.make(request)
        world.cloud.hidden_until["i-1"] = world.clock.now() + 300
        end_cluster(world.shop, record.id)
        return ProvisionResult((), "operation-1")

    world.cloud.on_provision = [order_and_down]

    with pytest.raises(ClusterEnding):
        world.buy(record, offer("a"))

    assert world.states(record) == ["unknown"]


def test_ctrl_c_while_an_order_is_under_way_waits_and_gives_back(world):
    def interrupted(request):
        _thread.interrupt_main()
        result = world.cloud.sell(request)
        _thread.interrupt_main()
        return result

    world.cloud.on_provision = [interrupted]
    record = world.cluster()

    with pytest.raises(KeyboardInterrupt):
        world.buy(record, offer("a"), offer("b"))

    assert world.cloud.alive() == []
    assert world.states(record) == ["closed"]
    assert tried(world) == ["a"]


def test_ctrl_c_again_leaves_an_order_that_hangs_to_the_next_command(world):
    ended = threading.Event()

    def hangs(request):
        _thread.interrupt_main()
        assert ended.wait(20)
        return world.cloud.sell(request)

    def press_again(text):
        if "Ctrl-C again" in text:
            _thread.interrupt_main()

    world.cloud.on_provision = [hangs]
    world.told.step = press_again
    record = world.cluster()

    with pytest.raises(AbandonedPurchase):
        world.buy(record, offer("a"))

    assert world.states(record) == ["unknown"]
    assert world.cloud.called("list_instances") == []
    ended.set()
    eventually(world.cloud.alive, what="the order had its effect after all")
    world.new_process()
    resume(world.shop)
    assert world.cloud.alive() == []
    assert world.states(record) == ["closed"]


def test_ctrl_c_in_the_moment_an_order_is_sent_gives_back(world, monkeypatch):
    pressed, start = threading.Event(), threading.Thread.start
    handler = signal.getsignal(signal.SIGINT)

    def interrupted(request):
        _thread.interrupt_main()
        pressed.set()
        return world.cloud.sell(request)

    def start_slowly(thread):
        start(thread)
        if thread.name.startswith("provision-"):
            assert pressed.wait(20)

    monkeypatch.setattr(threading.Thread, "start", start_slowly)
    world.cloud.on_provision = [interrupted]
    record = world.cluster()

    with pytest.raises(KeyboardInterrupt):
        world.buy(record, offer("a"))

    assert world.cloud.alive() == []
    assert world.states(record) == ["closed"]
    assert signal.getsignal(signal.SIGINT) is handler


def test_given_back_machines_that_must_run_on_do_not_hold_up_the_next_offer(world):
    later = Termination(gone=False, retry_after_s=1200, detail="minimum run time, 20 min left")
    world.cloud.on_terminate = {"i-1": [lambda _: later]}
    record = world.cluster()

    purchase = world.buy(
        record,
        offer("a"),
        offer("b"),
        bring_up=lambda p: fail() if p.offer.offer_id == "a" else None,
    )

    assert purchase.offer.offer_id == "b"
    assert world.states(record) == ["giving-back", "ready"]
    assert world.clock.monotonic() < 60


def fail():
    raise NodeError("no SSH", code="no-ssh")


@pytest.mark.parametrize(("listed", "ordered"), [(False, ["a"]), (True, ["a", "b"])])
def test_no_further_order_goes_to_a_provider_that_answers_nothing(world, listed, ordered):
    """A network that is away: neither the order nor what it may have made is answered."""

    def away(_):
        raise ProviderUnavailable("no route to host", code="http")

    world.cloud.on_provision = [away]
    world.cloud.on_list = [] if listed else [away]

    with pytest.raises(NoOfferError):
        world.buy(world.cluster(), offer("a"), offer("b"))

    assert tried(world) == ordered
