"""Lost answers: what may exist is looked for, adopted when whole, ended when not, never forgotten."""

from __future__ import annotations

from dataclasses import replace

import pytest
from support.fakecloud import offer

from arb.errors import NoOfferError, ProviderUnavailable
from arb.provision.giveback import end_cluster, finish
from arb.provision.lost import OPEN_S
from arb.provision.resume import has_unfinished, resume
from arb.state.clusters import ClusterStatus, get_by_id, get_cluster
from arb.state.costs import read_costs
from arb.types import Capability, GoneReason, InstanceState, ProvisionResult, Termination


def loses(world, count=None, **changes):
    """Return a script that makes machines, then loses the answer."""

    def script(request):
        world.cloud.make(request, count, **changes)
        raise ProviderUnavailable("502 from the gateway", code="http")

    return script


def nothing(request):
    raise ProviderUnavailable("502 from the gateway", code="http")


def pending(seconds):
    return lambda _: Termination(gone=False, retry_after_s=seconds, detail="minimum run time")


def gone(_):
    return Termination.GONE


def no_lag(world):
    world.cloud.info = replace(world.cloud.info, listing_lag_s=0)


def test_a_lost_answer_is_listed_for_at_0_5_15_and_30_s(world):
    times = []

    def note(listing):
        times.append(world.clock.monotonic())
        return listing

    world.cloud.on_provision = [nothing]
    world.cloud.on_list = [note]

    with pytest.raises(NoOfferError):
        world.buy(world.cluster(), offer("a"))

    assert times == [0, 5, 15, 30]


def test_a_longer_lag_is_waited_for(world):
    world.cloud.info = replace(world.cloud.info, listing_lag_s=90)
    world.cloud.on_provision = [nothing]

    with pytest.raises(NoOfferError):
        world.buy(world.cluster(), offer("a"))

    assert world.clock.monotonic() == 90


def test_only_the_attempts_own_tokens_are_listed(world):
    world.cloud.on_provision = [nothing]
    record = world.cluster(count=2)

    with pytest.raises(NoOfferError):
        world.buy(record, offer("a"))

    (request,) = world.cloud.called("provision")
    for query in world.cloud.called("list_instances"):
        assert query.tokens == {setup.token for setup in request.setups}
        assert query.regions == {"r1"}


@pytest.mark.parametrize("batch", [False, True], ids=["one-call-each", "batch"])
def test_a_whole_gang_that_is_found_is_adopted(any_world, batch):
    world = any_world
    if batch:
        capabilities = frozenset({*world.cloud.info.capabilities, Capability.BATCH})
        world.cloud.info = replace(world.cloud.info, capabilities=capabilities)
    world.cloud.account = "123456"
    world.cloud.on_provision = [loses(world, payload='{"port": 2222}')]
    record = world.cluster(count=2)

    purchase = world.buy(record, offer("a"), offer("b"))

    assert [node.instance.id for node in purchase.nodes] == ["i-1", "i-2"]
    assert len(world.cloud.called("provision")) == 1
    assert world.states(record) == ["ready"]
    assert [m.account for m in world.machines()] == ["123456", "123456"]
    assert [m.handle for m in world.machines()] == ['{"port": 2222}'] * 2
    assert [m.rank for m in world.machines()] == [0, 1]


def test_a_gang_that_shows_up_late_is_adopted(world):
    world.cloud.on_provision = [loses(world)]
    world.cloud.hidden_until = {"i-1": world.clock.now() + 4, "i-2": world.clock.now() + 12}
    record = world.cluster(count=2)

    world.buy(record, offer("a"))

    assert world.clock.monotonic() == pytest.approx(15)
    assert world.billed() == ["i-1", "i-2"]


def test_part_of_a_gang_is_given_back_and_the_intent_stays_open(world):
    world.cloud.on_provision = [loses(world, 1), world.cloud.sell]
    record = world.cluster(count=2)

    purchase = world.buy(record, offer("a"), offer("b"))

    assert purchase.offer.offer_id == "b"
    assert [ref.id for ref in world.cloud.called("terminate")] == ["i-1"]
    assert world.states(record) == ["unknown", "ready"]
    assert world.billed() == ["i-2", "i-3"]


def test_when_nothing_is_seen_the_walk_goes_on_and_the_intent_stays_open(world):
    world.cloud.on_provision = [nothing, world.cloud.sell]
    record = world.cluster()

    world.buy(record, offer("a"), offer("b"))

    assert world.states(record) == ["unknown", "ready"]


def test_where_listings_do_not_lag_nothing_seen_is_nothing_made(world):
    no_lag(world)
    world.cloud.on_provision = [nothing, world.cloud.sell]
    record = world.cluster()

    world.buy(record, offer("a"), offer("b"))

    assert world.states(record) == ["failed", "ready"]


def cut_short(listing):
    return replace(listing, complete=frozenset(), errors={"r1": "page 2 failed"})


def failing(listing):
    raise ProviderUnavailable("503", code="http")


@pytest.mark.parametrize("script", [cut_short, failing])
def test_a_listing_that_is_not_complete_closes_nothing(world, script):
    no_lag(world)
    world.cloud.on_provision = [nothing]
    world.cloud.on_list = [script]
    record = world.cluster()
    with pytest.raises(NoOfferError):
        world.buy(record, offer("a"))
    finish(world.shop, record.id)

    world.clock.advance(10 * OPEN_S)
    resume(world.new_process())

    assert world.states(record) == ["unknown"]
    assert has_unfinished(world.store)


def test_another_accounts_listing_closes_nothing(world):
    no_lag(world)
    world.cloud.account = "mine"
    world.cloud.on_provision = [lambda request: ProvisionResult((), "op", "mine")]
    world.cloud.on_list = [lambda listing: replace(listing, account="other", instances=())]
    record = world.cluster()
    with pytest.raises(NoOfferError):
        world.buy(record, offer("a"))
    finish(world.shop, record.id)

    world.clock.advance(10 * OPEN_S)
    resume(world.new_process())

    assert world.states(record) == ["unknown"]


@pytest.mark.parametrize("after_s", [60, OPEN_S - 60], ids=["soon", "within-the-hour"])
def test_what_appears_within_the_hour_is_ended_by_the_next_command(any_world, after_s):
    world = any_world
    world.cloud.on_provision = [loses(world)]
    world.cloud.hidden_until["i-1"] = world.clock.now() + after_s
    record = world.cluster()
    with pytest.raises(NoOfferError):
        world.buy(record, offer("a"))
    finish(world.shop, record.id)
    assert world.cloud.alive() == ["i-1"]
    assert get_cluster(world.store, "train") is None

    resume(world.new_process())
    world.clock.advance(after_s)
    resume(world.new_process())

    assert world.cloud.alive() == []
    assert world.billed() == []
    assert world.key_names() == []


def test_the_cost_of_what_appeared_late_counts_from_when_it_was_made(world):
    from arb.state.costs import read_costs

    world.cloud.on_provision = [loses(world)]
    world.cloud.hidden_until["i-1"] = world.clock.now() + 1800
    record = world.cluster()
    with pytest.raises(NoOfferError):
        world.buy(record, offer("a", price=2))
    finish(world.shop, record.id)

    world.clock.advance(1800)
    resume(world.new_process())

    (row,) = read_costs(world.store)
    assert (row.cluster, row.cluster_id) == ("train", record.id)
    assert row.usd == pytest.approx(2 * row.seconds / 3600)
    assert 1800 <= row.seconds <= 1900


def test_the_intent_is_closed_after_an_hour_without_a_sight(world):
    world.cloud.on_provision = [nothing]
    record = world.cluster()
    with pytest.raises(NoOfferError):
        world.buy(record, offer("a"))
    finish(world.shop, record.id)

    resume(world.new_process())
    assert world.states(record) == ["unknown"]
    world.clock.advance(OPEN_S)
    resume(world.new_process())

    assert world.states(record) == ["closed"]
    assert not has_unfinished(world.store)


def test_what_appears_late_is_ended_while_its_cluster_is_up(any_world):
    world = any_world
    world.cloud.on_provision = [loses(world, 1), world.cloud.sell]
    world.cloud.hidden_until["i-1"] = world.clock.now() + 600
    record = world.cluster(count=2)
    world.buy(record, offer("a"), offer("b"))
    world.up(record)

    world.clock.advance(600)
    resume(world.new_process())

    assert world.cloud.alive() == ["i-2", "i-3"]
    assert world.billed() == ["i-2", "i-3"]
    assert get_by_id(world.store, record.id).status is ClusterStatus.UP
    assert {name.rpartition("-")[0] for name in world.key_names() if name.startswith("host/")} == {
        f"host/{world.attempts(record)[1].id}"
    }


def test_an_order_without_machines_is_kept_open_when_it_cannot_be_looked_up(world):
    """The provider named none, the process died, and the provider does not answer."""
    record = world.cluster()
    request = world.place(record, offer("a"))
    world.cloud.make(request)
    world.cloud.on_list = [failing, failing, lambda listing: listing]

    resume(world.new_process())
    assert world.cloud.alive() == ["i-1"]
    resume(world.new_process())
    resume(world.new_process())

    assert world.cloud.alive() == []
    assert world.billed() == []


def test_an_intent_of_a_dead_process_is_never_sent_again(world):
    record = world.cluster()
    world.open_intent(record, offer("a"))

    resume(world.new_process())

    assert world.cloud.called("provision") == []
    assert get_cluster(world.store, "train") is None


@pytest.mark.parametrize("lag", [0, 30])
def test_a_dead_process_whose_order_arrived_is_given_back(any_world, lag):
    world = any_world
    world.cloud.info = replace(world.cloud.info, listing_lag_s=lag)
    record = world.cluster(count=2)
    request = world.open_intent(record, offer("a"))
    world.cloud.make(request)
    world.clock.advance(1)

    resume(world.new_process())

    assert world.cloud.alive() == []
    assert world.billed() == []
    assert world.key_names() == []
    assert get_cluster(world.store, "train") is None


def test_a_machine_that_was_taken_away_before_anybody_knew_of_it_is_in_the_bill(any_world):
    world = any_world
    no_lag(world)
    record = world.cluster()
    request = world.open_intent(record, offer("a"))
    (machine,) = world.cloud.make(request)
    taken = replace(machine, state=InstanceState.GONE, reason=GoneReason.PREEMPTED)
    world.cloud.machines[machine.id] = taken
    world.clock.advance(600)

    resume(world.new_process())

    (row,) = read_costs(world.store)
    assert (row.instance_id, row.running) == (machine.id, False)
    assert row.seconds == pytest.approx(600)
    assert world.states(record) == ["closed"]
    assert world.cloud.called("terminate") == []


def test_a_provider_that_cannot_be_listed_does_not_stop_the_others(world):
    world.cloud.on_list = [failing]
    first, second = world.cluster("one"), world.cluster("two")
    for record in (first, second):
        world.open_intent(record, offer("a"))

    resume(world.new_process())

    assert [s for s in world.told.warnings if "could not be looked up" in s]
    assert has_unfinished(world.store)


@pytest.mark.parametrize("batch", [False, True], ids=["one-call-each", "batch"])
def test_of_machines_under_one_token_the_older_count_and_the_others_go(any_world, batch):
    """The order was sent twice somewhere on its way."""
    world = any_world
    if batch:
        capabilities = frozenset({*world.cloud.info.capabilities, Capability.BATCH})
        world.cloud.info = replace(world.cloud.info, capabilities=capabilities)

    def twice(request):
        world.cloud.make(request)
        world.clock.advance(1)
        world.cloud.make(request)
        raise ProviderUnavailable("lost", code="http")

    world.cloud.on_provision = [twice, world.cloud.sell]
    record = world.cluster(count=2)

    purchase = world.buy(record, offer("a"), offer("b"))

    assert [node.instance.id for node in purchase.nodes] == ["i-1", "i-2"]
    assert world.cloud.alive() == ["i-1", "i-2"]
    assert world.states(record) == ["ready"]


def test_a_second_machine_of_a_token_that_shows_up_while_waiting_goes(world):
    """The provider named the younger one; what counts is what is listed."""

    def twice(request):
        world.cloud.make(request, state=InstanceState.PENDING)
        world.clock.advance(1)
        made = world.cloud.make(request, state=InstanceState.PENDING)
        return ProvisionResult(made, "op")

    def up(listing):
        world.cloud.change("i-1", state=InstanceState.RUNNING)
        return replace(listing, instances=tuple(world.cloud.machines.values()))

    world.cloud.on_provision = [twice]
    world.cloud.on_list = [lambda listing: listing, up]
    world.cloud.on_terminate["i-2"] = [pending(1200), gone]
    record = world.cluster()

    purchase = world.buy(record, offer("a"))
    world.up(record)

    assert [node.instance.id for node in purchase.nodes] == ["i-1"]
    assert world.cloud.alive() == ["i-1", "i-2"], "it cannot end yet"
    assert has_unfinished(world.store)
    world.clock.advance(1201)
    resume(world.new_process())
    assert world.cloud.alive() == ["i-1"]
    assert world.states(record) == ["ready"]
    assert not has_unfinished(world.store)


def test_a_machine_that_is_gone_already_is_not_waited_for(world):
    world.cloud.on_provision = [loses(world, state=InstanceState.GONE), world.cloud.sell]
    record = world.cluster()

    purchase = world.buy(record, offer("a"), offer("b"))

    assert purchase.offer.offer_id == "b"


def test_the_token_of_another_life_is_left_alone(world):
    record = world.cluster()
    world.open_intent(record, offer("a"))
    other = world.cluster("other")
    world.buy(other, offer("b"))
    world.up(other)

    resume(world.new_process())

    assert world.billed() == ["i-1"]


def test_ending_looks_for_what_is_lost_first(world):
    record = world.cluster()
    request = world.open_intent(record, offer("a"))
    world.cloud.make(request)

    end_cluster(world.shop, record.id)
    assert finish(world.shop, record.id) == []

    assert world.cloud.alive() == []


def test_a_provider_that_went_missing_costs_one_line_a_process(world):
    """Whatever is open there: purchases to look up, and clusters to clean up after."""
    world.cloud.on_provision = [nothing]
    for name in ("one", "two"):
        with pytest.raises(NoOfferError):
            world.buy(world.cluster(name), offer("a"))
    world.clouds.clear()
    world.told.warnings.clear()

    resume(world.new_process())

    (line,) = world.told.warnings
    assert "pip install arb-fake" in line
