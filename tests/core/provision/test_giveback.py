"""Giving back: a wish that lasts until the provider confirms, whoever carries it out."""

from __future__ import annotations

import pytest
from support.fakecloud import FakeCloud, offer

from arb.errors import CredentialsError, NodeError, ProviderUnavailable, RateLimited
from arb.nodes.keys import gang_key
from arb.provision.giveback import end_cluster, finish
from arb.provision.journal import Journal
from arb.provision.resume import cluster_lease, has_unfinished, resume
from arb.state.clusters import ClusterStatus, get_by_id, get_cluster
from arb.state.costs import read_costs, totals
from arb.state.leases import Leases
from arb.state.machines import get_machine
from arb.types import InstanceState, Termination


def pending(seconds, detail="minimum run time"):
    return lambda _: Termination(gone=False, retry_after_s=seconds, detail=detail)


def gone(_):
    return Termination.GONE


def launched(world, name="train", count=1):
    """Buy a cluster and call it up."""
    record = world.cluster(name, count=count)
    world.buy(record, offer("a"))
    gang_key(world.shop.vault, record.id)
    world.up(record)
    return record


def test_ending_a_cluster_leaves_nothing(any_world):
    world = any_world
    record = launched(world, count=3)

    assert finish(world.shop, record.id) == []

    assert world.cloud.alive() == []
    assert world.billed() == []
    assert world.key_names() == []
    assert world.states(record) == ["closed"]
    assert get_by_id(world.store, record.id).status is ClusterStatus.GONE
    assert not has_unfinished(world.store)


def test_a_long_wait_is_left_to_the_next_command(world):
    record = launched(world)
    world.cloud.on_terminate["i-1"] = [pending(31), gone]
    begun = world.clock.monotonic()

    assert [machine.instance_id for machine in finish(world.shop, record.id)] == ["i-1"]

    assert world.clock.monotonic() - begun < 1


def test_what_is_being_ended_is_not_called_running_by_a_listing(world):
    record = launched(world)
    world.cloud.on_terminate["i-1"] = [pending(1200)]
    (machine,) = finish(world.shop, record.id)

    world.shop.journal.seen(machine, world.cloud.machines["i-1"])
    assert get_machine(world.store, "fake", "i-1").state is InstanceState.TERMINATING

    world.cloud.change("i-1", state=InstanceState.GONE)
    world.shop.journal.seen(machine, world.cloud.machines["i-1"])
    assert get_machine(world.store, "fake", "i-1").state is InstanceState.GONE


def test_keys_are_forgotten_before_what_nobody_looks_at_again_is_closed(world, monkeypatch):
    record = launched(world, count=2)

    def die(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Journal, "closed", die)
        with pytest.raises(KeyboardInterrupt):
            finish(world.shop, record.id)

    assert world.key_names() == []
    resume(world.new_process())
    assert world.states(record) == ["closed"]


def test_a_short_wait_is_waited_for(world):
    record = launched(world)
    world.cloud.on_terminate[""] = [pending(5), pending(5), gone]

    assert finish(world.shop, record.id) == []

    assert world.clock.monotonic() == pytest.approx(10)
    assert any("minimum run time" in state for state in world.told.states)


def test_a_long_wait_leaves_a_durable_wish_that_the_next_command_carries_on_with(any_world):
    world = any_world
    record = launched(world)
    world.cloud.on_terminate[""] = [pending(1200, "20 min left"), gone]

    (left,) = finish(world.shop, record.id)

    assert left.terminate_detail == "20 min left"
    assert world.clock.monotonic() < 30
    assert get_by_id(world.store, record.id).status is ClusterStatus.TERMINATING
    assert get_cluster(world.store, "train") is not None
    assert world.key_names() != []
    assert world.cloud.called("cleanup") == []

    world.clock.advance(600)
    resume(world.new_process())
    assert len(world.cloud.called("terminate")) == 1, "asked again before its time"

    world.clock.advance(601)
    resume(world.new_process())
    assert world.cloud.alive() == []
    assert len(world.cloud.called("cleanup")) == 1
    assert world.key_names() == []
    assert get_cluster(world.store, "train") is None
    assert not has_unfinished(world.store)

    again = launched(world)
    assert again.id != record.id


def test_machines_are_given_back_at_their_own_times(world):
    record = launched(world, count=2)
    world.cloud.on_terminate = {"i-1": [pending(1200)], "i-2": [pending(5), gone]}

    left = finish(world.shop, record.id)

    assert [machine.instance_id for machine in left] == ["i-1"]
    assert world.cloud.alive() == ["i-1"]


def test_cleanup_comes_after_the_last_machine_and_knows_the_tokens(world):
    record = launched(world, count=2)
    alive = []
    world.cloud.on_cleanup = [lambda _: alive.append(world.cloud.alive())]

    finish(world.shop, record.id)

    (cluster,) = world.cloud.called("cleanup")
    assert alive == [[]]
    assert cluster.name == "train"
    assert cluster.tokens == tuple(attempt.id for attempt in world.attempts(record))
    assert cluster.regions == {"r1"}
    assert cluster.handles == ("handle-1",)
    assert cluster.instances == ()


def test_cleanup_that_fails_is_repeated_by_the_next_command(world):
    def failing(_):
        raise ProviderUnavailable("group still in use", code="in-use")

    record = launched(world)
    world.cloud.on_cleanup = [failing, lambda _: None]

    finish(world.shop, record.id)
    assert any("group still in use" in warning for warning in world.told.warnings)
    assert get_by_id(world.store, record.id).status is ClusterStatus.TERMINATING
    assert has_unfinished(world.store)

    resume(world.new_process())
    assert len(world.cloud.called("cleanup")) == 2
    assert get_by_id(world.store, record.id).status is ClusterStatus.GONE
    assert world.key_names() == []


def test_cleanup_reaches_every_provider_that_was_tried(world):
    other = FakeCloud(world.clock, name="other")
    world.clouds.append(other)
    record = world.cluster()

    def bring_up(purchase):
        if purchase.offer.provider == "other":
            raise NodeError("no SSH")

    world.buy(record, offer("x", provider="other"), offer("a"), bring_up=bring_up)
    finish(world.shop, record.id)

    assert {call[0] for call in other.calls} >= {"arb_cleanup", "arb_terminate"}
    assert len(world.cloud.called("cleanup")) == 1


def test_a_provider_without_cleanup_is_fine(world):
    world.cloud.with_cleanup = False
    record = launched(world)

    finish(world.shop, record.id)

    assert get_by_id(world.store, record.id).status is ClusterStatus.GONE


@pytest.mark.parametrize(
    "error",
    [
        ProviderUnavailable("503", code="http"),
        CredentialsError("expired", code="key"),
        RateLimited("slow", retry_after_s=60),
    ],
    ids=["unavailable", "credentials", "rate"],
)
def test_a_termination_that_fails_is_kept_and_repeated(world, error):
    def failing(_):
        raise error

    record = launched(world)
    world.cloud.on_terminate[""] = [failing]

    (left,) = finish(world.shop, record.id)
    assert left.terminate_detail == error.summary
    assert world.cloud.alive() == ["i-1"]

    world.cloud.on_terminate = {}
    world.clock.advance(60)
    resume(world.new_process())
    assert world.cloud.alive() == []


def test_an_old_answer_does_not_bring_back_what_another_process_saw_end(world):
    record = launched(world)

    def overtaken(_):
        machine = get_machine(world.store, "fake", "i-1")
        world.shop.journal.terminated(machine, gone=True, retry_after_s=0, detail="")
        world.clock.advance(90)
        return Termination(gone=False, retry_after_s=5, detail="asked to end")

    world.cloud.on_terminate[""] = [overtaken]
    assert finish(world.shop, record.id) == []
    assert len(world.cloud.called("terminate")) == 1
    (row,) = read_costs(world.store)
    assert row.seconds < 90


def test_patience_ends(world):
    record = launched(world)
    world.cloud.on_terminate[""] = [pending(5)]

    assert len(finish(world.shop, record.id)) == 1

    assert world.clock.monotonic() <= 130


def test_a_provider_that_wants_no_wait_at_all_is_not_asked_without_end(world):
    record = launched(world)
    world.cloud.on_terminate[""] = [pending(0)]

    assert len(finish(world.shop, record.id)) == 1

    assert len(world.cloud.called("terminate")) < 500


def test_a_missing_provider_is_named_with_what_to_install_and_the_wish_stays(world):
    record = launched(world)
    world.clouds.clear()
    world.new_process()

    left = finish(world.shop, record.id)

    assert [machine.instance_id for machine in left] == ["i-1"]
    (line,) = [w for w in world.told.warnings if "could not be ended" in w]
    assert "pip install arb-fake" in line
    assert world.clock.monotonic() == 0, "there is nothing to wait for"
    assert get_by_id(world.store, record.id).status is ClusterStatus.TERMINATING

    world.clouds.append(world.cloud)
    resume(world.new_process())
    assert world.cloud.alive() == []


def test_a_machine_being_given_back_is_ended_while_its_cluster_is_up(any_world):
    """Spheron: twenty minutes after its failed attempt, with the cluster up on another offer."""
    world = any_world
    world.cloud.on_terminate = {"i-1": [pending(1200), gone]}
    record = world.cluster()

    def bring_up(purchase):
        if purchase.offer.offer_id == "a":
            raise NodeError("no SSH")

    world.buy(record, offer("a"), offer("b"), bring_up=bring_up)
    world.up(record)
    assert world.cloud.alive() == ["i-1", "i-2"]

    world.clock.advance(1201)
    resume(world.new_process())

    assert world.cloud.alive() == ["i-2"]
    assert world.states(record) == ["closed", "ready"]
    assert get_by_id(world.store, record.id).status is ClusterStatus.UP
    assert not has_unfinished(world.store)


def test_two_lives_of_one_name_do_not_mix_in_costs(world):
    first = launched(world)
    world.clock.advance(3600)
    finish(world.shop, first.id)
    world.clock.advance(7200)
    second = world.cluster()
    world.buy(second, offer("b", price=3))
    world.up(second)
    world.clock.advance(1800)

    sums = totals(read_costs(world.store, cluster="train"))

    assert [(t.cluster_id, round(t.usd, 1), t.running) for t in sums] == [
        (first.id, 1.0, False),
        (second.id, 1.5, True),
    ]


def test_a_failed_attempts_machines_are_in_the_bill(world):
    record = world.cluster()

    def bring_up(purchase):
        world.clock.advance(1800)
        if purchase.offer.offer_id == "a":
            raise NodeError("no SSH")

    world.buy(record, offer("a", price=4), offer("b", price=2), bring_up=bring_up)

    (total,) = totals(read_costs(world.store))
    assert total.usd == pytest.approx(4 * 0.5 + 2 * 0.5, rel=0.01)
    assert total.hourly_usd == 2


# -- the next command --------------------------------------------------------------------------


def test_a_cluster_that_a_living_process_works_on_is_left_to_it(world):
    record = world.cluster()
    world.buy(record, offer("a"))

    with Leases(world.store).held(cluster_lease("train")):
        resume(world.new_process())

    assert world.cloud.alive() == ["i-1"]
    assert get_by_id(world.store, record.id).status is ClusterStatus.INIT


def test_a_cluster_that_came_up_meanwhile_is_left_alone(world, monkeypatch):
    """The list of clusters is older than the lease: what counts is what is true under the lease."""
    record = world.cluster()
    world.buy(record, offer("a"))
    shop = world.new_process()
    acquire = Leases.acquire

    def came_up(self, *arguments, **named):
        world.up(record)
        return acquire(self, *arguments, **named)

    monkeypatch.setattr(Leases, "acquire", came_up)
    resume(shop)

    assert world.cloud.alive() == ["i-1"]
    assert get_by_id(world.store, record.id).status is ClusterStatus.UP


def test_a_launch_that_begins_meanwhile_is_left_alone(world, monkeypatch):
    """A cluster that is younger than the list of clusters is no cluster that ended."""
    from arb.provision import resume as module

    begun = []
    listed = module.list_clusters

    def list_then_launch(*arguments, **named):
        found = listed(*arguments, **named)
        if not begun:
            begun.append(world.cluster())
            world.open_intent(begun[0], offer("a"))
            world.cloud.make(world.open_intent(begun[0], offer("b")))
        return found

    monkeypatch.setattr(module, "list_clusters", list_then_launch)
    with Leases(world.store).held(cluster_lease("train")):
        resume(world.new_process())

    assert world.cloud.alive() == ["i-1"]
    assert get_cluster(world.store, "train").status is ClusterStatus.INIT


def test_the_callers_own_cluster_is_left_to_it(world):
    record = world.cluster()
    world.buy(record, offer("a"))

    resume(world.shop, busy="train")

    assert get_by_id(world.store, record.id).status is ClusterStatus.INIT


def test_an_interrupted_launch_is_told_and_ended(world):
    record = world.cluster()
    world.buy(record, offer("a"))

    resume(world.new_process())

    assert "Ending cluster train, whose launch was cut off" in world.told.steps
    assert world.cloud.alive() == []


def test_a_cluster_that_is_up_is_never_touched(world):
    launched(world)
    calls = len(world.cloud.calls)

    resume(world.new_process())

    assert len(world.cloud.calls) == calls
    assert not has_unfinished(world.store)


def test_ending_twice_is_ending_once(world):
    record = launched(world)
    finish(world.shop, record.id)
    calls = len(world.cloud.called("terminate"))

    end_cluster(world.shop, record.id)
    finish(world.shop, record.id)

    assert len(world.cloud.called("terminate")) == calls
    assert get_by_id(world.store, record.id).status is ClusterStatus.GONE


def test_a_machine_that_ended_by_itself_is_confirmed_like_any_other(world):
    record = launched(world)
    world.cloud.change("i-1", state=InstanceState.GONE)

    assert finish(world.shop, record.id) == []

    assert world.billed() == []
