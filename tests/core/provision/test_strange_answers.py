"""Answers that no provider should give cost nobody a machine, a cent or a crash."""

from __future__ import annotations

import itertools
import math

import pytest
from support.fakecloud import offer

from arb.errors import (
    ArbError,
    CapacityError,
    NoOfferError,
    RateLimited,
    Refusal,
    Scope,
    StateError,
)
from arb.provision.order import Order
from arb.provision.patience import buy_patiently
from arb.state.attempts import next_seq
from arb.types import Listing, ProvisionResult

NONSENSE = [math.inf, math.nan, -math.inf, -5.0, "soon", None]


def test_a_machine_of_another_cluster_is_neither_used_nor_ended(world):
    """A plugin that names everything it has instead of what this order made."""
    first = world.buy(world.cluster("first"), offer("a"))
    mine = first.nodes[0].instance.id

    def everything(request):
        world.cloud.make(request)
        return ProvisionResult(tuple(world.cloud.machines.values()))

    world.cloud.on_provision = [everything]
    second = world.buy(world.cluster("second"), offer("a"))
    assert [node.instance.id for node in second.nodes] == ["i-2"]

    def refused(request):
        made = tuple(world.cloud.machines.values())
        raise CapacityError("none", scope=Scope.OFFER, made=made)

    world.cloud.on_provision = [refused]
    with pytest.raises(NoOfferError):
        world.buy(world.cluster("third"), offer("a"))
    assert world.cloud.called("terminate") == []
    assert mine in world.cloud.alive()


def test_a_poll_that_names_other_machines_is_not_believed(world):
    world.cloud.on_poll = []
    world.new_process()
    world.buy(world.cluster("first"), offer("a"))
    world.cloud.on_poll = [lambda request: list(world.cloud.machines.values())]
    second = world.buy(world.cluster("second"), offer("a"))
    assert [node.instance.id for node in second.nodes] == ["i-2"]


def test_a_listing_that_holds_more_than_was_asked_for_is_cut(world):
    world.buy(world.cluster("first"), offer("a"))

    def lost(request):
        raise ArbError("502")

    def everything(listing):
        return Listing(tuple(world.cloud.machines.values()), listing.complete)

    world.cloud.on_provision = [lost]
    world.cloud.on_list = [everything]
    with pytest.raises(NoOfferError):
        world.buy(world.cluster("second"), offer("a"))
    assert world.cloud.alive() == ["i-1"]


@pytest.mark.parametrize("told", [math.nan, math.inf, -1.0])
def test_a_price_of_a_machine_that_is_none_is_not_counted(world, told):
    world.cloud.on_provision = [lambda request: world.cloud.sell(request, price_usd_hour=told)]
    world.buy(world.cluster(), offer("a", 2.0))
    (machine,) = world.machines()
    assert machine.price_usd_hour == 2.0


def test_a_machine_that_is_given_for_nothing_costs_nothing(world):
    world.cloud.on_provision = [lambda request: world.cloud.sell(request, price_usd_hour=0.0)]
    world.buy(world.cluster(), offer("a", 2.0))
    (machine,) = world.machines()
    assert machine.price_usd_hour == 0.0


def test_a_machine_that_is_charged_dearer_than_it_was_sold_is_told(world):
    world.cloud.on_provision = [lambda request: world.cloud.sell(request, price_usd_hour=3.0)]
    world.buy(world.cluster(), offer("a", 2.0))
    assert world.told.warnings == ["fake/i-1 is charged at $3.00/h, not $2.00/h as it was sold"]
    (machine,) = world.machines()
    assert machine.price_usd_hour == 3.0


@pytest.mark.parametrize("seconds", NONSENSE)
def test_a_block_of_nonsensical_length_ends_within_a_week(world, seconds):
    def refused(request):
        raise Refusal("no", scope=Scope.PROVIDER, block_s=seconds)

    world.cloud.on_provision = [refused, world.cloud.sell]
    with pytest.raises(NoOfferError):
        world.buy(world.cluster("one"), offer("a"))
    world.clock.advance(7 * 86400 + 1)
    assert world.buy(world.cluster("two"), offer("a")).offer.offer_id == "a"


@pytest.mark.parametrize("seconds", NONSENSE)
def test_a_retry_after_of_nonsensical_length_ends_within_a_day(world, seconds):
    def busy(request):
        raise RateLimited("too many requests", retry_after_s=seconds)

    world.cloud.on_provision = [busy, world.cloud.sell]
    try:
        world.buy(world.cluster("one"), offer("a"))
    except NoOfferError:
        world.clock.advance(86401)
        world.buy(world.cluster("two"), offer("a"))
    assert world.clock.monotonic() < 2 * 86400


def test_a_launch_that_ran_out_of_numbers_says_so(world, monkeypatch):
    record = world.cluster()
    request = world.open_intent(record, offer("a"))
    with world.store.write() as tx:
        tx.execute("UPDATE attempts SET seq = 46655 WHERE id = ?", (request.token,))
    with pytest.raises(StateError, match="46,656 purchases were tried") as caught:
        world.buy(record, offer("a"))
    assert caught.value.code == "too-many-attempts"


@pytest.mark.parametrize(("tried", "longest"), [(0, 300), (10_001, 900), (30_001, 3600)])
def test_a_long_wait_for_capacity_is_spread_over_the_numbers_there_are(world, tried, longest):
    record = world.cluster()
    if tried:
        request = world.open_intent(record, offer("a"))
        with world.store.write() as tx:
            sql = "UPDATE attempts SET seq = ?, state = 'failed' WHERE id = ?"
            tx.execute(sql, (tried - 1, request.token))
    begun = []

    def none(request):
        begun.append(world.clock.monotonic())
        if len(begun) == 9:
            return world.cloud.sell(request)
        raise CapacityError("none", scope=Scope.OFFER)

    world.cloud.on_provision = [none]

    def again():
        return Order(record.name, record.id, (offer("a"),), 1, world.key)

    buy_patiently(world.shop, again(), lambda _: None, again)
    waits = [b - a for a, b in itertools.pairwise(begun)]
    assert round(max(waits)) == min(longest, 30 * 2**7)
    assert next_seq(world.store, record.id) == tried + 9
