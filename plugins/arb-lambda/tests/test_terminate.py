"""Giving back."""

from __future__ import annotations

import pytest
from clouds.lambda_cloud import OTHER_KEY
from clouds.lambda_cloud.customer import OWNER, Customer

from arb.errors import CredentialsError, ProviderUnavailable, RateLimited
from arb.types import InstanceRef, Termination
from arb_lambda import plugin

END = "POST /instance-operations/terminate"
LOOK = "GET /instances/ID"


@pytest.fixture
def machine(account):
    return account.buy().instances[0]


def billed(account):
    return [entry.id for entry in account.cloud.ledger().alive("machine")]


def test_an_end_is_confirmed_by_a_status(account, machine):
    assert account.terminate(machine) == Termination.GONE
    assert billed(account) == []


def test_an_end_that_takes_time_is_pending_until_it_is_over(account, machine):
    account.cloud.configure(end_delay_s=60)
    answers = [account.terminate(machine) for _ in range(2)]
    assert [(a.gone, a.detail) for a in answers] == [
        (False, "asked to end"),
        (False, "terminating"),
    ]
    assert account.cloud.ledger().count(END) == 1  # nothing is ended twice
    assert billed(account) == [machine.id]
    account.cloud.advance(61)
    assert account.terminate(machine) == Termination.GONE


def test_a_booting_machine_is_pending_until_it_can_be_ended(account):
    account.cloud.configure(boot_delay_s=120)
    (machine,) = account.buy().instances
    answer = account.terminate(machine)
    assert (answer.gone, answer.detail) == (False, "cannot end while booting")
    assert account.cloud.ledger().count(END) == 0
    account.cloud.advance(121)
    assert account.terminate(machine).gone


def test_a_booting_machine_that_may_end_is_ended(account):
    account.cloud.configure(boot_delay_s=120, booting_can_end=True)
    (machine,) = account.buy().instances
    assert account.terminate(machine).gone
    assert billed(account) == []


@pytest.mark.parametrize(
    ("status", "code"),
    [(400, "global/invalid-parameters"), (409, "global/conflict"), (500, "global/unknown")],
)
def test_a_refusal_that_says_not_now_is_pending(account, machine, status, code):
    body = {"error": {"code": code, "message": "?"}}
    account.cloud.fault("status", match=END, status=status, body=body)
    answer = account.terminate(machine)
    assert (answer.gone, answer.detail) == (False, f"cannot end now ({code})")
    assert account.terminate(machine).gone


def test_what_was_preempted_is_ended_because_it_may_be_billed(account, machine):
    account.cloud.preempt(machine.id)
    assert billed(account) == [machine.id]
    assert account.terminate(machine).gone
    assert billed(account) == []


def test_what_was_preempted_and_cannot_be_ended_has_ended(account, machine):
    account.cloud.configure(preempted_can_end=False, preempted_bills=False)
    account.cloud.preempt(machine.id)
    assert [i.detail for i in account.list().instances] == ["preempted"]  # for ever
    assert account.terminate(machine).gone


def test_a_refusal_to_end_what_was_preempted_is_not_its_end_while_it_may_be_ended(account, machine):
    account.cloud.preempt(machine.id)
    error = {"code": "global/conflict", "message": "?"}
    account.cloud.fault("status", match=END, status=409, body={"error": error})
    assert not account.terminate(machine).gone
    assert billed(account) == [machine.id]


def test_an_end_of_what_was_preempted_is_one_whatever_it_is_called_then(account, machine):
    account.cloud.preempt(machine.id)
    shown = account.cloud.shown(machine.id)
    assert shown["status"] == "preempted"
    told = {"data": {"terminated_instances": [shown]}}
    account.cloud.fault("status", match=END, status=200, body=told)
    assert account.terminate(machine).gone


def test_an_unhealthy_machine_is_ended(account, machine):
    account.cloud.make_unhealthy(machine.id)
    assert account.terminate(machine).gone


def test_what_was_ended_before_is_gone_listed_or_not(account, machine):
    assert account.terminate(machine).gone
    assert account.terminate(machine).gone
    account.cloud.advance(61)
    assert account.terminate(machine).gone
    assert account.cloud.ledger().count(END) == 1


def test_not_found_means_nothing_at_first_and_gone_later(account, machine):
    made = {"made_at": account.cloud.clock.now() - 10, "account": account.list().account}
    unknown = InstanceRef("lambda", "f" * 32, "us-east-1", "t", **made)
    answer = plugin.arb_terminate(account.context(), unknown)
    assert (answer.gone, answer.detail) == (False, "not shown yet")
    assert 10 < answer.retry_after_s <= 20
    account.cloud.advance(21)
    assert plugin.arb_terminate(account.context(), unknown) == Termination.GONE


def test_a_wrong_path_is_not_the_end_of_a_machine(account, machine):
    body = {"error": {"code": "global/not-found", "message": "?"}}
    account.cloud.fault("status", match=LOOK, status=404, body=body)
    with pytest.raises(ProviderUnavailable):
        account.terminate(machine)
    assert billed(account) == [machine.id]


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ({"kind": "status"}, ProviderUnavailable),
        ({"kind": "status", "status": 400, "body": {"error": "?"}}, ProviderUnavailable),
        ({"kind": "status", "status": 429}, RateLimited),
        ({"kind": "status", "status": 401}, CredentialsError),
        ({"kind": "drop"}, ProviderUnavailable),
        ({"kind": "garbage"}, ProviderUnavailable),
    ],
    ids=["503", "strange 400", "429", "401", "lost", "garbage"],
)
def test_no_good_answer_is_never_gone(account, machine, fault, error):
    account.cloud.fault(match=END, **fault)
    with pytest.raises(error):
        account.terminate(machine)
    assert account.terminate(machine).gone


@pytest.mark.parametrize("data", [None, [], {}, {"id": "another", "status": "terminated"}], ids=str)
def test_news_of_another_form_is_no_end(account, machine, data):
    account.cloud.fault("status", match=LOOK, status=200, body={"data": data})
    with pytest.raises(ProviderUnavailable):
        account.terminate(machine)
    assert billed(account) == [machine.id]


@pytest.mark.parametrize("data", [None, [], {}, {"terminated_instances": 7}], ids=str)
def test_an_end_that_is_not_named_is_looked_for_again(account, machine, data):
    account.cloud.fault("status", match=END, status=200, body={"data": data})
    assert account.terminate(machine).detail == "asked to end"
    assert account.terminate(machine).gone


# -- accounts ------------------------------------------------------------------------------


def test_a_machine_of_another_account_is_left_alone(account, machine, tmp_path):
    other = Customer(account.cloud, tmp_path / "other", OTHER_KEY)
    own = account.list().account
    for who, claimed in ((other, own), (account, "somebody")):
        with pytest.raises(CredentialsError, match=claimed):
            who.terminate(machine, account=claimed)
    assert billed(account) == [machine.id]
    assert account.cloud.ledger().count(END) == 0


def test_a_machine_whose_account_was_never_told_is_ended(account, machine):
    assert account.terminate(machine, account="").gone


def test_without_anything_that_stands_for_the_account_the_machine_itself_does(
    account, machine, tmp_path
):
    bought_under = account.list().account
    account.cloud.delete_key(f"arb-{OWNER}")
    elsewhere = Customer(account.cloud, tmp_path / "elsewhere")
    stranger = Customer(account.cloud, tmp_path / "stranger", OTHER_KEY)
    assert elsewhere.list().account == ""
    with pytest.raises(CredentialsError):
        stranger.terminate(machine, account=bought_under)
    assert elsewhere.terminate(machine, account=bought_under).gone
