"""Listing machines."""

from __future__ import annotations

import json

import pytest
from clouds.lambda_cloud import OTHER_KEY
from clouds.lambda_cloud.customer import OWNER, Customer

from arb.errors import CredentialsError, ProviderUnavailable
from arb.types import GoneReason, InstanceState

LIST = "GET /instances"


def ids(listing):
    return {instance.id for instance in listing.instances}


def test_a_listing_covers_everything_of_the_account(account):
    result = account.buy()
    listing = account.list(owner=OWNER)
    (instance,) = listing.instances
    assert (instance.id, instance.state) == (result.instances[0].id, InstanceState.RUNNING)
    assert listing.account == result.account != ""
    assert listing.covers("anywhere", result.account)
    assert not listing.covers("anywhere", "another")


def test_machines_of_others_are_never_shown(account):
    for name in ("web-1", "arb-training", f"arb-{OWNER}", f"my-arb-{OWNER}-clusterx-000-0000"):
        account.cloud.add_foreign(name)
    assert account.list().instances == ()


def test_a_listing_shows_what_is_asked_for(account):
    near = account.buy().instances[0]
    far = account.buy(offer=account.offer(region="us-west-1")).instances[0]
    assert ids(account.list()) == {near.id, far.id}
    assert ids(account.list(owner="strangerx")) == set()
    assert ids(account.list(tokens=frozenset({far.token}))) == {far.id}
    assert ids(account.list(regions=frozenset({"us-east-1"}))) == {near.id}
    both = {"tokens": frozenset({near.token}), "regions": frozenset({"us-west-1"})}
    assert ids(account.list(**both)) == set()


def test_a_machine_that_was_renamed_by_hand_is_still_ours(account):
    (bought,) = account.buy().instances
    account.cloud.find(bought.id).entry.name = "renamed"
    (instance,) = account.list().instances
    assert (instance.id, instance.token) == (bought.id, bought.token)


def test_a_machine_that_is_booting_has_no_address(account):
    account.cloud.configure(boot_delay_s=300)
    account.buy()
    (instance,) = account.list().instances
    assert (instance.state, instance.address) == (InstanceState.PENDING, "")
    account.cloud.advance(301)
    (instance,) = account.list().instances
    assert (instance.state, bool(instance.address)) == (InstanceState.RUNNING, True)


def test_what_was_preempted_is_lost_and_may_still_be_billed(account):
    (bought,) = account.buy().instances
    account.cloud.preempt(bought.id)
    (instance,) = account.list().instances
    assert (instance.state, instance.reason) == (InstanceState.TERMINATING, GoneReason.PREEMPTED)
    assert instance.detail == "preempted"
    assert [e.id for e in account.cloud.ledger().alive("machine")] == [bought.id]


def test_an_unhealthy_machine_is_kept_and_told(account):
    (bought,) = account.buy().instances
    account.cloud.make_unhealthy(bought.id)
    (instance,) = account.list().instances
    assert (instance.state, instance.detail) == (InstanceState.RUNNING, "unhealthy")


def test_a_terminated_machine_is_shown_while_lambda_shows_it(account):
    (bought,) = account.buy().instances
    account.terminate(bought)
    (instance,) = account.list().instances
    assert (instance.state, instance.reason) == (InstanceState.GONE, GoneReason.USER)
    account.cloud.advance(61)
    assert account.list().instances == ()


@pytest.mark.parametrize("data", [None, {}, ["x"], [{"status": "active"}], [{"id": "x"}]], ids=str)
def test_an_answer_of_another_form_is_no_empty_listing(account, data):
    account.buy()
    account.cloud.fault("status", match=LIST, status=200, body={"data": data})
    with pytest.raises(ProviderUnavailable, match="another form"):
        account.list()


def test_a_refused_key_lists_nothing(account):
    account.env = {"LAMBDA_API_KEY": "secret_wrong"}
    with pytest.raises(CredentialsError):
        account.list()


# -- whose account -------------------------------------------------------------------------


def test_another_account_is_another(account, tmp_path):
    result = account.buy()
    other = Customer(account.cloud, tmp_path / "other", OTHER_KEY)
    listing = other.list()
    assert (listing.instances, listing.account) == ((), "")
    assert not listing.covers("us-east-1", result.account)


def test_the_account_is_asked_for_once(account):
    account.buy()
    before = account.cloud.ledger().count("GET /ssh-keys")
    account.list()
    account.list()
    assert account.cloud.ledger().count("GET /ssh-keys") == before


def test_every_computer_calls_the_account_the_same(account, tmp_path):
    result = account.buy()
    elsewhere = Customer(account.cloud, tmp_path / "elsewhere")
    assert elsewhere.list().account == result.account


def test_the_account_stays_the_same_when_our_ssh_key_is_deleted_and_made_anew(account):
    first = account.buy()
    account.cloud.delete_key(f"arb-{OWNER}")
    assert account.list().account == first.account
    assert account.buy().account == first.account


def test_what_is_kept_of_the_account_holds_no_key(account):
    account.buy()
    kept = (account.folder / "data" / "accounts.json").read_text()
    assert account.env["LAMBDA_API_KEY"] not in kept
    assert len(json.loads(kept)) == 1


def test_a_damaged_memory_costs_one_look(account):
    result = account.buy()
    (account.folder / "data" / "accounts.json").write_text("[")
    assert account.list().account == result.account
