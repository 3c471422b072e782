"""A launch that stood still past its lease: what it may still do, and what becomes of what it holds."""

from __future__ import annotations

import pytest
from support.fakecloud import offer

from arb.errors import StateError
from arb.provision.journal import ClusterEnding
from arb.provision.order import Order
from arb.provision.reaper import survey
from arb.provision.resume import cluster_lease, resume
from arb.provision.verdicts import Kind
from arb.provision.walk import buy
from arb.state.clusters import ClusterStatus, get_by_id, update_cluster
from arb.state.leases import LeaseLost, Leases
from arb.types import Capability, InstanceState, ProviderInfo, ProvisionResult, Termination


class Launch:
    """One launch under its cluster's lease, whose process stands still when it is told to."""

    def __init__(self, world, *, lag_s=0):
        world.cloud.info = ProviderInfo(
            "Fake", frozenset({Capability.ON_DEMAND}), listing_lag_s=lag_s
        )
        self.world = world
        self.record = world.cluster()
        self.leases = Leases(world.store)
        self.lease = self.leases.acquire(cluster_lease("train"))
        self.shop = world.shop.under(self.lease)
        world.cloud.calls.clear()

    def stand_still(self, *, taken_over=True):
        """Let the lease run out; another command takes over and carries on."""
        self.world.clock.advance(61)
        if taken_over:
            resume(self.world.new_process())

    def go(self, *offers, bring_up=None):
        order = Order("train", self.record.id, offers or (offer("a"),), 1, self.world.key)
        return buy(self.shop, order, bring_up or (lambda _: None))

    def assert_nothing_left(self):
        assert self.world.cloud.alive() == []
        assert self.world.billed() == []
        assert self.world.key_names() == []
        assert get_by_id(self.world.store, self.record.id).status is ClusterStatus.GONE


def test_nothing_is_bought_once_the_lease_went_to_somebody_else(any_world):
    launch = Launch(any_world)
    launch.stand_still()

    with pytest.raises((ClusterEnding, LeaseLost)):
        launch.go()

    assert any_world.cloud.called("provision") == []
    assert any_world.attempts(launch.record) == []


def test_an_intent_is_not_sent_when_others_took_over_after_it(any_world, monkeypatch):
    launch = Launch(any_world)
    journal = launch.shop.journal
    commit = journal.open

    def slowly(*arguments, **named):
        request = commit(*arguments, **named)
        launch.stand_still()
        return request

    monkeypatch.setattr(journal, "open", slowly)
    with pytest.raises((ClusterEnding, LeaseLost)):
        launch.go()

    assert any_world.cloud.called("provision") == []
    launch.assert_nothing_left()


@pytest.mark.parametrize("lag_s", [0, 30], ids=["no-lag", "lag"])
def test_what_an_order_made_after_others_took_over_is_ended_at_once(any_world, lag_s):
    """It stood still between its last look and the order: nothing can prevent that purchase."""
    world = any_world
    launch = Launch(world, lag_s=lag_s)

    def late(request):
        launch.stand_still()
        return world.cloud.sell(request)

    world.cloud.on_provision = [late]
    with pytest.raises(LeaseLost):
        launch.go(offer("a"), offer("b"))

    assert len(world.cloud.called("provision")) == 1, "it went on buying"
    assert world.cloud.alive() == []
    assert world.billed() == []
    (found,) = survey(world.shop, ["fake"])
    assert {sighting.kind for sighting in found.sightings} <= {Kind.ENDING}


def test_what_cannot_end_at_once_is_ended_by_the_next_command(any_world):
    world = any_world
    launch = Launch(world)
    later = Termination(gone=False, retry_after_s=1200, detail="minimum run time")
    world.cloud.on_terminate["i-1"] = [lambda _: later, lambda _: Termination.GONE]

    def late(request):
        launch.stand_still()
        return world.cloud.sell(request)

    world.cloud.on_provision = [late]
    with pytest.raises(LeaseLost):
        launch.go()
    assert world.billed() == ["i-1"]

    world.clock.advance(1201)
    resume(world.new_process())
    launch.assert_nothing_left()


@pytest.mark.parametrize("where", ["waiting", "bring-up"])
def test_a_launch_that_is_taken_over_on_its_way_up_gives_way(any_world, where):
    world = any_world
    launch = Launch(world)

    def stopped(listing):
        if where == "waiting" and world.cloud.alive():
            world.cloud.on_list = []
            launch.stand_still()
        return listing

    def bring_up(_):
        if where == "bring-up":
            launch.stand_still()
        with launch.shop.journal.write() as tx:
            update_cluster(tx, launch.record.id, status=ClusterStatus.UP)

    if where == "waiting":
        world.cloud.on_provision = [lambda r: world.cloud.sell(r, state=InstanceState.PENDING)]
    world.cloud.on_list = [stopped]
    with pytest.raises((ClusterEnding, LeaseLost)):
        launch.go(bring_up=bring_up)

    launch.assert_nothing_left()


def test_a_lease_that_ran_out_and_that_nobody_took_is_no_obstacle(any_world):
    world = any_world
    launch = Launch(world)

    def slow(request):
        launch.stand_still(taken_over=False)
        return world.cloud.sell(request)

    world.cloud.on_provision = [slow]

    assert launch.go().nodes[0].instance.id == "i-1"
    assert launch.leases.acquire(cluster_lease("train")) is None, "it was renewed"


def test_machines_of_a_launch_whose_database_fails_end_all_the_same(world, monkeypatch):
    launch = Launch(world)

    def full(*_, **__):
        raise StateError("database or disk is full", code="state-full")

    def sell(request):
        made = world.cloud.make(request)
        monkeypatch.setattr(type(launch.shop.journal.store._backend), "begin", full)
        return ProvisionResult(made, "op")

    world.cloud.on_provision = [sell]
    with pytest.raises(StateError, match="disk is full"):
        launch.go()

    assert world.cloud.alive() == []
    monkeypatch.undo()
    world.clock.advance(61)
    resume(world.new_process())
    launch.assert_nothing_left()


def test_what_cannot_end_and_cannot_be_written_down_is_told_loudly(world, monkeypatch):
    launch = Launch(world)
    later = Termination(gone=False, retry_after_s=1200, detail="minimum run time")
    world.cloud.on_terminate[""] = [lambda _: later]

    def full(*_, **__):
        raise StateError("database or disk is full", code="state-full")

    def sell(request):
        made = world.cloud.make(request)
        monkeypatch.setattr(type(launch.shop.journal.store._backend), "begin", full)
        return ProvisionResult(made, "op")

    world.cloud.on_provision = [sell]
    with pytest.raises(StateError):
        launch.go()

    assert any(
        line.startswith("fake/i-1 was bought and may still be billed (minimum run time)")
        for line in world.told.warnings
    )
    monkeypatch.undo()
    world.cloud.on_terminate.clear()
    world.clock.advance(61)
    resume(world.new_process())
    launch.assert_nothing_left()


def test_a_give_back_is_fenced_too(any_world):
    """Whoever carries on may stand still as well: the one after it does the same, and no harm."""
    world = any_world
    launch = Launch(world)
    request = world.open_intent(launch.record, offer("a"))
    world.cloud.make(request)
    world.clock.advance(61)

    def slow(_):
        world.cloud.on_terminate.clear()
        world.clock.advance(61)
        resume(world.new_process())
        return Termination.GONE

    world.cloud.on_terminate[""] = [slow]
    resume(world.new_process())

    resume(world.new_process())
    launch.assert_nothing_left()
