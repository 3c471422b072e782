"""Keys in the vault: those that nothing refers to are forgotten, those of a launch under way are not."""

from __future__ import annotations

import pytest
from support.fakecloud import offer

from arb.nodes.keys import gang_key
from arb.provision.giveback import finish
from arb.provision.reaper import tidy
from arb.provision.resume import has_unfinished, resume
from arb.provision.unused_keys import forget_unused_keys
from arb.state.attempts import AttemptState, get_attempt, update_attempt
from arb.state.clusters import ClusterStatus, update_cluster


def test_keys_of_clusters_that_are_up_stay(any_world):
    record = any_world.cluster(count=2)
    any_world.buy(record, offer("a"))
    any_world.up(record)
    gang_key(any_world.shop.vault, record.id)
    before = any_world.key_names()

    forget_unused_keys(any_world.shop)

    assert len(before) == 3
    assert any_world.key_names() == before


def test_keys_of_a_launch_that_another_process_is_making_stay(any_world):
    request = any_world.place(any_world.cluster(), offer("a"))

    forget_unused_keys(any_world.new_process())

    assert any_world.key_names() == [f"host/{request.setups[0].token}"]


def test_a_launch_that_begins_meanwhile_keeps_its_keys(world, monkeypatch):
    """Its intent and its key come between the two looks, at the vault and at the state."""
    vault = world.shop.vault
    names, orders = vault.names, []

    def late(prefix=""):
        found = names(prefix)
        if prefix == "host/":
            orders.append(world.place(world.cluster(), offer("a")))
        return found

    monkeypatch.setattr(vault, "names", late)
    forget_unused_keys(world.shop)
    monkeypatch.undo()

    assert world.key_names() == [f"host/{orders[0].setups[0].token}"]


@pytest.mark.parametrize("state", [AttemptState.CLOSED, AttemptState.FAILED])
def test_keys_that_were_put_down_after_others_had_ended_the_purchase_go(any_world, state):
    record = any_world.cluster()
    request = any_world.open_intent(record, offer("a"))
    with any_world.store.write() as tx:
        update_attempt(tx, request.token, state=state)
        update_cluster(tx, record.id, status=ClusterStatus.GONE)
    any_world.shop.keep_host_keys(request)
    gang_key(any_world.shop.vault, record.id)

    forget_unused_keys(any_world.shop)

    assert any_world.key_names() == []


@pytest.mark.parametrize("lost", [False, True])
def test_of_keys_that_state_does_not_know_those_go_that_nobody_elses_can_be(any_world, lost):
    vault = any_world.shop.vault
    own = f"host/arb-{any_world.store.owner()}-abcdefgh-000-0000"
    others = ["gang/abcdefgh", "host/arb-zzzzzzzz-abcdefgh-000-0000", "host/what"]
    for name in (own, *others, "client/id_ed25519"):
        vault.put(name, b"key")

    forget_unused_keys(any_world.shop, state_was_lost=lost)

    assert vault.names() == ["client/id_ed25519", *([] if lost else others)]


def test_a_purchase_that_is_being_given_back_keeps_its_keys_until_it_is_over(world):
    record = world.cluster()
    request = world.place(record, offer("a"))
    with world.store.write() as tx:
        update_attempt(tx, request.token, state=AttemptState.GIVING_BACK)

    forget_unused_keys(world.shop)
    assert len(world.key_names()) == 1
    finish(world.shop, record.id)

    assert get_attempt(world.store, request.token).state is AttemptState.CLOSED
    assert world.key_names() == []


def test_reaping_forgets_them(world):
    world.shop.vault.put(f"host/arb-{world.store.owner()}-abcdefgh-000-0000", b"key")

    tidy(world.shop, [])

    assert world.key_names() == []


def test_keys_of_a_lost_state_go_at_once_though_its_machines_are_looked_for_again(world):
    world.buy(world.cluster(), offer("a"))
    world.close()
    for path in (world.folder / "home").glob("state.db*"):
        if path.name != "state.db.owner":
            path.unlink()
    world.new_process()
    world.cloud.machines.clear()

    resume(world.shop)

    assert has_unfinished(world.store)
    assert world.key_names() == []
