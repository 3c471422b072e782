"""The reaper: what is listed against what is known, what it ends and what it never touches."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from support.fakecloud import FakeCloud, offer

from arb.errors import CredentialsError, NodeError, NoOfferError, ProviderUnavailable
from arb.provision.giveback import finish
from arb.provision.reaper import certain, end_orphans, survey, tidy
from arb.provision.resume import has_unfinished, resume
from arb.provision.verdicts import Kind
from arb.state.attempts import AttemptState, get_attempt, update_attempt
from arb.state.clusters import ClusterStatus, get_by_id, list_clusters, update_cluster
from arb.state.costs import read_costs
from arb.state.events import MACHINE_REAPED, read_events
from arb.state.machines import get_machine, update_machine
from arb.types import InstanceState, Termination


def up(world, name="train", count=1, **changes):
    record = world.cluster(name, count=count)
    world.buy(record, offer("a", **changes))
    world.up(record)
    world.clock.advance(3600)
    return record


def look(world, **kwargs):
    (found,) = survey(world.shop, ["fake"], **kwargs)
    return found


def kinds(found):
    return {sighting.instance.id: sighting.kind for sighting in found.sightings}


def reap(world):
    return end_orphans(world.shop, look(world).orphans)


def second_machine(world, id_, like="i-1", **changes):
    """Put another machine of the same token into the cloud."""
    values = {"id": id_, "made_at": world.clock.now()} | changes
    world.cloud.machines[id_] = replace(world.cloud.machines[like], **values)


def assert_touches_nothing(world, kind, count=1):
    before = world.cloud.alive()
    assert list(kinds(look(world)).values()) == [kind] * count
    assert reap(world) == []
    assert world.cloud.alive() == before
    assert world.cloud.called("terminate") == []


# -- what is left alone -----------------------------------------------------------------------------


def test_machines_of_a_cluster_that_is_up_are_ours(world):
    up(world, count=2)
    assert_touches_nothing(world, Kind.OURS, count=2)


def test_a_launch_that_is_under_way_is_left_to_it(world):
    record = world.cluster()
    request = world.open_intent(record, offer("a"))
    world.cloud.make(request)
    assert_touches_nothing(world, Kind.UNDER_WAY)


def test_a_machine_of_an_open_intent_is_left_to_the_give_back_however_old_it_is(world):
    record = world.cluster()
    request = world.open_intent(record, offer("a"))
    world.cloud.make(request)
    world.clock.advance(3600)
    assert_touches_nothing(world, Kind.UNDER_WAY)


def test_other_owners_are_shown_when_asked_for_and_never_touched(world):
    up(world)
    token = "arb-zzzzzzzz-yyyyyyyy-000-0000"
    second_machine(world, "i-9", token=token)
    honest = world.cloud._listing

    def by_owner(query):
        listing = honest(query)
        shown = [i for i in listing.instances if f"-{query.owner or 'zzzzzzzz'}-" in i.token]
        return replace(listing, instances=tuple(shown if query.owner else listing.instances))

    world.cloud._listing = by_owner

    assert kinds(look(world)) == {"i-1": Kind.OURS}
    found = look(world, all_owners=True)
    assert kinds(found) == {"i-1": Kind.OURS, "i-9": Kind.FOREIGN}
    assert found.orphans == []


def test_a_provider_that_lists_more_than_it_was_asked_for_hands_nobody_elses_over(world):
    up(world)
    second_machine(world, "i-9", token="arb-zzzzzzzz-yyyyyyyy-000-0000")
    second_machine(world, "i-8", token="web-server-1")
    second_machine(world, "i-7", token="")

    assert [kind for id_, kind in kinds(look(world)).items() if id_ != "i-1"] == [Kind.FOREIGN] * 3
    assert reap(world) == []
    assert len(world.cloud.alive()) == 4


def test_a_machine_whose_end_was_confirmed_a_moment_ago_may_be_listed_on(world):
    record = up(world)
    finish(world.shop, record.id)
    world.cloud.change("i-1", state=InstanceState.RUNNING)
    world.clock.advance(20)
    assert kinds(look(world)) == {"i-1": Kind.ENDING}
    assert reap(world) == []


def test_a_machine_that_is_ending_is_left_to_the_give_back(world):
    later = Termination(gone=False, retry_after_s=1200, detail="minimum run time")
    world.cloud.on_terminate[""] = [lambda _: later]
    record = up(world)
    finish(world.shop, record.id)
    assert kinds(look(world)) == {"i-1": Kind.ENDING}


def test_a_machine_that_merely_stopped_is_not_ended(world):
    """Its user may have stopped it at the provider's console."""
    up(world)
    world.cloud.change("i-1", state=InstanceState.STOPPED)
    assert_touches_nothing(world, Kind.OURS)


# -- what is ended ----------------------------------------------------------------------------------


def late(world):
    """A machine turns up under a purchase that was called over."""

    def lost(request):
        world.cloud.make(request)
        raise ProviderUnavailable("502", code="http")

    world.cloud.info = replace(world.cloud.info, listing_lag_s=0)
    world.cloud.on_provision = [lost]
    world.cloud.hidden_until["i-1"] = world.clock.now() + 120
    record = world.cluster()
    with pytest.raises(NoOfferError):
        world.buy(record, offer("a", price=2))
    finish(world.shop, record.id)
    assert world.states(record) == ["failed"]
    assert not has_unfinished(world.store)
    world.clock.advance(121)
    return record


def test_what_turns_up_after_its_purchase_had_ended_is_ended(any_world):
    world = any_world
    record = late(world)

    assert kinds(look(world)) == {"i-1": Kind.LATE}
    assert reap(world) == []

    assert world.cloud.alive() == []
    assert world.states(record) == ["closed"]
    assert get_by_id(world.store, record.id).status is ClusterStatus.GONE
    assert len(world.cloud.called("cleanup")) >= 2, "what the order made beside machines goes too"
    (row,) = read_costs(world.store)
    assert (row.cluster, row.attempt_state, row.running) == ("train", "closed", False)
    assert row.usd == pytest.approx(2 * 121 / 3600, rel=0.05)
    (event,) = read_events(world.store, cluster="train", kinds=[MACHINE_REAPED])
    assert json.loads(event.data)["why"] == "late"


def test_an_orphan_that_cannot_end_yet_is_ended_by_the_next_command(any_world):
    world = any_world
    later = Termination(gone=False, retry_after_s=1200, detail="20 min left")
    world.cloud.on_terminate["i-1"] = [lambda _: later, lambda _: Termination.GONE]
    record = late(world)

    (left,) = reap(world)

    assert left.terminate_detail == "20 min left"
    assert world.states(record) == ["giving-back"]
    world.clock.advance(1201)
    resume(world.new_process())
    assert world.cloud.alive() == []
    assert world.states(record) == ["closed"]
    assert not has_unfinished(world.store)


def test_a_machine_made_beside_those_in_use_is_ended_and_those_are_not(any_world):
    world = any_world
    record = up(world, count=2)
    second_machine(world, "i-9", like="i-1", made_at=world.clock.now() - 700)

    assert kinds(look(world)) == {"i-1": Kind.OURS, "i-2": Kind.OURS, "i-9": Kind.DOUBLE}
    reap(world)

    assert world.cloud.alive() == ["i-1", "i-2"]
    assert world.states(record) == ["ready"]
    assert get_by_id(world.store, record.id).status is ClusterStatus.UP


def test_what_turns_up_while_the_rest_is_given_back_is_ended(world):
    later = Termination(gone=False, retry_after_s=5000, detail="minimum run time")
    world.cloud.on_terminate["i-1"] = [lambda _: later]
    record = world.cluster()
    with pytest.raises(NoOfferError):
        world.buy(record, offer("a"), bring_up=broken)
    assert world.states(record) == ["giving-back"]
    second_machine(world, "i-9", like="i-1")
    assert kinds(look(world))["i-9"] is Kind.UNDER_WAY
    world.clock.advance(601)

    assert kinds(look(world))["i-9"] is Kind.LATE
    reap(world)
    assert world.cloud.alive() == ["i-1"]


def broken(_):
    raise NodeError("no SSH", code="no-ssh")


def test_a_young_one_may_still_be_the_launchs(world):
    up(world)
    second_machine(world, "i-9", like="i-1", made_at=world.clock.now() - 500)
    assert kinds(look(world))["i-9"] is Kind.UNDER_WAY


def test_a_machine_that_was_called_gone_and_is_not_is_ended(any_world):
    world = any_world
    record = up(world)
    machine = get_machine(world.store, "fake", "i-1")
    with world.store.write() as tx:
        update_machine(tx, "fake", "i-1", state=InstanceState.GONE)
        update_attempt(tx, machine.attempt_id, state=AttemptState.CLOSED)
        update_cluster(tx, record.id, status=ClusterStatus.GONE)
    world.clock.advance(600)

    assert kinds(look(world)) == {"i-1": Kind.BACK}
    reap(world)

    assert world.cloud.alive() == []
    (row,) = read_costs(world.store)
    assert row.seconds == pytest.approx(4200, abs=5), "it was paid for all the time"


@pytest.mark.parametrize(("lag_s", "after_s", "kind"), [
    (0, 59, Kind.ENDING), (0, 61, Kind.BACK), (90, 89, Kind.ENDING), (90, 91, Kind.BACK),
])  # fmt: skip
def test_what_has_just_ended_may_be_listed_for_a_while(world, lag_s, after_s, kind):
    world.cloud.info = replace(world.cloud.info, listing_lag_s=lag_s)
    record = up(world)
    with world.store.write() as tx:
        update_machine(tx, "fake", "i-1", state=InstanceState.GONE)
        update_cluster(tx, record.id, status=ClusterStatus.GONE)
    world.clock.advance(after_s)

    assert kinds(look(world)) == {"i-1": kind}


def test_a_machine_that_was_called_gone_while_its_cluster_is_up_serves_again(world):
    up(world, count=2)
    with world.store.write() as tx:
        update_machine(tx, "fake", "i-1", state=InstanceState.GONE)
    world.clock.advance(600)

    assert kinds(look(world))["i-1"] is Kind.RETURNED

    assert world.billed() == ["i-1", "i-2"]
    assert kinds(look(world)) == {"i-1": Kind.OURS, "i-2": Kind.OURS}


def test_what_ended_itself_as_it_was_told_to_is_ended_for_good(world):
    record = up(world)
    with world.store.write() as tx:
        update_cluster(tx, record.id, autostop_json='{"down": true, "idle_s": 0}')
    world.cloud.change("i-1", state=InstanceState.STOPPED)

    assert kinds(look(world)) == {"i-1": Kind.HALTED}
    reap(world)

    assert world.cloud.alive() == []


# -- state that was lost ----------------------------------------------------------------------------


def lose_state(world):
    """Remove the database, as a user does who frees disk space; the owner's mark stays."""
    world.close()
    for path in (world.folder / "home").glob("state.db*"):
        if path.name != "state.db.owner":
            path.unlink()
    world.clock.advance(1)
    world.new_process()


def test_machines_of_a_lost_state_are_found_and_ended_by_the_next_command(world):
    up(world, count=2, price=3)
    lose_state(world)
    assert has_unfinished(world.store)

    resume(world.shop)

    assert world.cloud.alive() == []
    assert world.billed() == []
    assert list_clusters(world.store) == []
    assert {ref.id for ref in world.cloud.called("terminate")} == {"i-1", "i-2"}
    assert len(world.cloud.called("cleanup")) == 1
    assert "The state of this ARB_HOME was lost: looking for its machines" in world.told.steps


def test_a_listing_that_may_lag_behind_the_loss_is_not_the_last(world):
    up(world)
    world.cloud.hidden_until["i-1"] = world.clock.now() + 20
    lose_state(world)

    resume(world.shop)
    assert world.cloud.alive() == ["i-1"]
    world.clock.advance(world.cloud.info.listing_lag_s + 1)
    resume(world.new_process())

    assert world.cloud.alive() == []
    assert not has_unfinished(world.store)


def test_what_a_lost_state_had_bought_is_in_the_bill_as_the_provider_tells_it(world):
    up(world)
    world.cloud.change("i-1", price_usd_hour=4.0)
    lose_state(world)

    resume(world.shop)

    (row,) = read_costs(world.store)
    assert row.cluster.startswith("lost-")
    assert row.usd == pytest.approx(4.0, rel=0.01)


def test_the_bill_says_when_nobody_knows_what_a_lost_state_paid(world):
    up(world)
    lose_state(world)

    resume(world.shop)

    (row,) = read_costs(world.store)
    assert (row.usd, row.note[:25]) == (0, "its price is not known, a")


def test_a_provider_that_does_not_answer_then_is_asked_by_the_next_command(world):
    up(world)
    lose_state(world)

    def failing(listing):
        raise ProviderUnavailable("503", code="http")

    world.cloud.on_list = [failing, lambda listing: listing]
    resume(world.shop)
    assert world.cloud.alive() == ["i-1"]
    assert any("fake could not be listed: 503" in line for line in world.told.warnings)

    resume(world.new_process())
    assert world.cloud.alive() == []


def test_a_stray_of_a_lost_state_that_must_run_on_is_ended_later(world):
    up(world)
    lose_state(world)
    later = Termination(gone=False, retry_after_s=1200, detail="20 min left")
    world.cloud.on_terminate["i-1"] = [lambda _: later, lambda _: Termination.GONE]

    resume(world.shop)
    (record,) = list_clusters(world.store)
    assert (record.status, record.name[:5]) == (ClusterStatus.TERMINATING, "lost-")

    world.clock.advance(1201)
    resume(world.new_process())
    assert world.cloud.alive() == []
    assert list_clusters(world.store) == []


def test_a_stray_that_is_younger_than_this_state_is_not_ended_unasked(world):
    """It may be another copy's: an ARB_HOME that was copied has the same owner."""
    up(world)
    token = world.cloud.machines["i-1"].token
    second_machine(world, "i-9", token=token[:13] + "zzzzzzzz" + token[21:])

    found = look(world)

    assert kinds(found)["i-9"] is Kind.STRAY
    sure, unsure = certain(world.shop, found.orphans)
    assert (sure, [orphan.instance.id for orphan in unsure]) == ([], ["i-9"])


# -- listings that cannot be trusted ------------------------------------------------------------------


@pytest.mark.parametrize(
    "script",
    [
        lambda listing: replace(listing, instances=(), complete=frozenset(), errors={"r1": "x"}),
        lambda listing: replace(listing, instances=(), complete=frozenset({"r2"})),
        lambda listing: replace(listing, instances=(), account="another"),
    ],
    ids=["cut-short", "other-region", "other-account"],
)
def test_nothing_is_called_gone_on_a_listing_that_is_not_complete(world, script):
    up(world)
    world.cloud.on_list = [script]
    found = look(world)
    assert found.gone == ()
    assert world.billed() == ["i-1"]


def test_what_could_not_be_listed_is_reported(world):
    up(world)
    world.cloud.on_list = [
        lambda listing: replace(listing, complete=frozenset({"r2"}), errors={"r1": "page 2 failed"})
    ]
    assert look(world).unlisted == {"r1": "page 2 failed"}


def test_what_a_complete_listing_does_not_show_is_gone(world):
    up(world)
    del world.cloud.machines["i-1"]
    (machine,) = look(world).gone
    assert machine.instance_id == "i-1"
    assert world.billed() == []


def test_a_young_machine_may_be_missing_from_a_listing(world):
    record = world.cluster()
    world.buy(record, offer("a"))
    world.cloud.hidden_until["i-1"] = world.clock.now() + 1000
    assert look(world).gone == ()
    assert world.billed() == ["i-1"]


def test_one_provider_that_fails_costs_the_others_nothing(world):
    other = FakeCloud(world.clock, name="other")
    world.clouds.append(other)

    def failing(listing):
        raise CredentialsError("no key", code="key")

    other.on_list = [failing]
    record = late(world)

    surveys = survey(world.shop, ["fake", "other"])
    end_orphans(world.shop, [orphan for each in surveys for orphan in each.orphans])

    assert world.cloud.alive() == []
    assert world.states(record) == ["closed"]
    assert [each.error.summary for each in surveys if each.error] == ["no key"]


def test_state_is_read_after_the_provider_was_listed(world):
    """What is listed has an intent on disk by then, however slow the listing was."""
    record = world.cluster()

    def slow(listing):
        request = world.open_intent(record, offer("a"))
        world.cloud.make(request)
        return world.cloud._listing(world.cloud.called("list_instances")[-1])

    world.cloud.on_list = [slow]
    assert kinds(look(world)) == {"i-1": Kind.UNDER_WAY}


def test_an_orphan_that_ended_since_it_was_listed_is_left_in_peace(world):
    record = late(world)
    found = look(world)
    world.clock.advance(1)
    reap(world)
    calls = len(world.cloud.called("terminate"))

    assert end_orphans(world.shop, found.orphans) == []

    assert len(world.cloud.called("terminate")) == calls
    assert world.states(record) == ["closed"]


# -- what is not a machine ---------------------------------------------------------------------------


def test_clusters_that_ended_within_a_day_are_cleaned_up_after_once_more(world):
    first = up(world, "one")
    finish(world.shop, first.id)
    world.clock.advance(86400)
    second = up(world, "two")
    finish(world.shop, second.id)
    world.cloud.calls.clear()

    tidy(world.shop, ["fake"])

    assert [cluster.name for cluster in world.cloud.called("cleanup")] == ["two"]


def test_a_lost_purchase_is_cleaned_up_after_before_it_is_called_over(world):
    """It may have made a rule or a key after its cluster was cleaned up."""

    def lost(request):
        raise ProviderUnavailable("502", code="http")

    world.cloud.on_provision = [lost]
    record = world.cluster()
    with pytest.raises(NoOfferError):
        world.buy(record, offer("a"))
    finish(world.shop, record.id)
    world.cloud.calls.clear()
    world.clock.advance(3601)

    resume(world.new_process())

    cluster = world.cloud.called("cleanup")[0]
    assert cluster.tokens == (world.attempts(record)[0].id,)
    assert world.states(record) == ["closed"]


def test_a_lost_purchase_whose_clean_up_fails_stays_open(world):
    def lost(request):
        raise ProviderUnavailable("502", code="http")

    def failing(cluster):
        raise ProviderUnavailable("still in use", code="http")

    world.cloud.on_provision = [lost]
    record = world.cluster()
    with pytest.raises(NoOfferError):
        world.buy(record, offer("a"))
    finish(world.shop, record.id)
    world.clock.advance(3601)
    world.cloud.on_cleanup = [failing, lambda _: None]

    resume(world.new_process())
    assert world.states(record) == ["unknown"]
    resume(world.new_process())
    assert world.states(record) == ["closed"]


def test_a_machine_without_a_time_of_making_counts_from_its_purchase(world):
    record = world.cluster()
    world.buy(record, offer("a"))
    world.up(record)
    world.clock.advance(300)
    second_machine(world, "i-9", like="i-1", made_at=0)
    assert kinds(look(world))["i-9"] is Kind.UNDER_WAY
    world.clock.advance(600)
    assert kinds(look(world))["i-9"] is Kind.DOUBLE


def test_a_broken_node_given_back_leaves_no_orphan(world):
    """Nothing of the ordinary ways to fail is taken for an orphan."""
    tries = []

    def bring_up(purchase):
        tries.append(purchase)
        if len(tries) == 1:
            raise NodeError("no SSH")

    record = world.cluster(count=2)
    world.buy(record, offer("a"), offer("b"), bring_up=bring_up)
    world.up(record)
    world.clock.advance(3600)

    assert set(kinds(look(world)).values()) == {Kind.ENDING, Kind.OURS}
    assert get_attempt(world.store, tries[0].attempt).state is AttemptState.CLOSED
