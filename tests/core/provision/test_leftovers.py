"""What purchases left beside machines: found when nobody knows the purchase, and removed."""

from __future__ import annotations

import pytest
from support.fakecloud import FakeCloud, offer

from arb.errors import CredentialsError, ProviderUnavailable
from arb.provision.giveback import finish
from arb.provision.reaper import end_orphans, survey
from arb.provision.resume import has_unfinished, resume
from arb.state.attempts import AttemptState, get_attempt
from arb.state.clusters import list_clusters
from arb.types import Leftovers


@pytest.fixture
def told(world):
    """Return a world whose cloud tells what is left."""
    world.cloud.on_leftovers = []
    return world


def bought(world, name="train"):
    record = world.cluster(name)
    world.buy(record, offer("a"))
    world.up(record)
    world.clock.advance(3600)
    return record


def stray(world, cluster="zzzzzzzz"):
    return f"arb-{world.store.owner()}-{cluster}-000"


def look(world):
    (found,) = survey(world.shop, ["fake"], beside=True)
    return found


def left(world):
    return [leftover.token for leftover in look(world).leftovers]


def reap(world):
    found = look(world)
    end_orphans(world.shop, found.orphans, found.leftovers)


def lose_state(world):
    world.close()
    for path in (world.folder / "home").glob("state.db*"):
        if path.name != "state.db.owner":
            path.unlink()
    world.clock.advance(61)
    world.new_process()


def test_a_rule_whose_machine_was_never_made_is_removed_after_the_state_was_lost(told):
    token = stray(told)
    told.cloud.leftovers = {token}
    bought(told)
    lose_state(told)

    told.clock.advance(61)
    resume(told.shop)

    assert told.cloud.leftovers == set()
    assert told.cloud.alive() == []
    assert get_attempt(told.store, token).state is AttemptState.CLOSED
    assert list_clusters(told.store) == []
    assert not has_unfinished(told.store)


def test_a_removal_that_fails_is_carried_on_with_by_the_next_command(told):
    def in_use(_):
        raise ProviderUnavailable("in use", code="in-use")

    told.cloud.leftovers = {stray(told)}
    told.cloud.on_cleanup = [in_use, lambda _: None]
    reap(told)
    assert told.cloud.leftovers
    assert has_unfinished(told.store)

    resume(told.new_process())

    assert told.cloud.leftovers == set()
    assert not has_unfinished(told.store)


def test_the_account_is_that_of_the_look(told):
    told.cloud.account = "team-1"
    told.cloud.leftovers = {stray(told)}
    reap(told)
    (cluster,) = told.cloud.called("cleanup")
    assert cluster.account == "team-1"


def test_what_a_living_cluster_has_is_not_left_over(told):
    record = bought(told)
    (attempt,) = told.attempts(record)
    told.cloud.leftovers = {attempt.id}
    assert left(told) == []


def test_what_belongs_to_a_machine_goes_with_it(told):
    record = bought(told)
    (attempt,) = told.attempts(record)
    told.cloud.leftovers = {attempt.id}
    lose_state(told)
    assert left(told) == []


def test_a_launch_that_is_under_way_keeps_what_it_made(told):
    request = told.open_intent(told.cluster(), offer("a"))
    told.cloud.leftovers = {request.token}
    assert left(told) == []


def test_what_turned_up_long_after_its_cluster_had_ended_is_removed(told):
    record = bought(told)
    (attempt,) = told.attempts(record)
    finish(told.shop, record.id)
    told.cloud.leftovers = {attempt.id}
    assert left(told) == [], "a listing may lag"
    told.clock.advance(3600)
    assert left(told) == [attempt.id]
    reap(told)
    assert told.cloud.leftovers == set()


def test_nothing_of_anybody_else_is_touched(told):
    told.cloud.leftovers = {"arb-zzzzzzzz-yyyyyyyy-000", "web", "", f"{stray(told)}-0000"}
    assert left(told) == []


def test_what_may_belong_to_a_machine_that_could_not_be_listed_is_left_alone(told):
    told.cloud.leftovers = {stray(told)}
    honest = told.cloud._listing

    def cut_short(query):
        from dataclasses import replace

        return replace(honest(query), complete=frozenset({"r2"}), errors={"r1": "x"})

    told.cloud._listing = cut_short
    assert left(told) == []
    told.cloud._listing = honest
    assert left(told) == [stray(told)]


@pytest.mark.parametrize(
    ("error", "again"),
    [(ProviderUnavailable("503", code="http"), True), (CredentialsError("no", code="no"), False)],
    ids=["silent", "forbidden"],
)
def test_who_cannot_say_what_is_left_is_asked_again_where_that_helps(told, error, again):
    def fails(_):
        raise error

    told.cloud.on_leftovers = [fails]
    bought(told)
    lose_state(told)
    told.clock.advance(61)

    resume(told.shop)

    assert told.cloud.alive() == [], "machines are ended all the same"
    assert bool(has_unfinished(told.store)) is again
    assert any("rules, groups and disks were not listed" in w for w in told.told.warnings)


def test_a_region_that_cannot_say_it_is_told_and_asked_again(told):
    told.cloud.on_leftovers = [lambda _: Leftovers(frozenset(), {"r1": "503"})]
    assert look(told).unlisted == {"r1": "503"}


def test_a_provider_that_has_no_such_hook_has_nothing_left(world):
    assert isinstance(world.cloud, FakeCloud)
    assert left(world) == []
