"""Giving back, with a floor of twenty minutes."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from clouds.spheron.customer import Account
from clouds.spheron.settings import OTHER_KEY

from arb.errors import CredentialsError, ProviderUnavailable, RateLimited
from arb.types import InstanceRef, Termination
from arb_spheron import plugin

DELETE = "DELETE /api/deployments/ID"


def ref(instance, **changes):
    facts = {"made_at": instance.made_at, "account": "team_0001"} | changes
    return InstanceRef("spheron", instance.id, instance.region, instance.token, **facts)


def end(caller, instance, **changes):
    return plugin.arb_terminate(caller.context(), ref(instance, **changes))


@pytest.fixture
def machine(account):
    return account.buy().instances[0]


def billed(account):
    return [entry.id for entry in account.cloud.ledger().alive("machine")]


def test_in_the_first_twenty_minutes_the_wait_is_told(account, machine):
    account.cloud.advance(3 * 60)
    answer = end(account, machine)
    assert not answer.gone
    now = account.cloud.clock.now()
    times = [datetime.fromtimestamp(now + 17 * 60 + s, UTC) for s in (-1, 0, 60)]
    told = {f"minimum run time, until {until:%H:%M} UTC" for until in times}
    assert answer.detail in told  # a time: it is shown until then
    assert answer.retry_after_s == 17 * 60
    account.cloud.advance(answer.retry_after_s)
    assert end(account, machine) == Termination.GONE
    assert billed(account) == []


@pytest.mark.parametrize(
    ("body", "wait_s"),
    [
        ({"error": "Minimum runtime not met", "timeRemaining": 12}, 720),
        ({"error": "Minimum runtime not met", "message": "Time remaining: 12 minutes."}, 720),
        ({"error": "x", "message": "Instance must run for at least 20 minutes."}, 60),
        ({"error": "Minimum runtime not met", "timeRemaining": 0}, 30),
        ({"error": "Minimum runtime not met", "timeRemaining": 900}, 1200),
        ({"error": "Minimum runtime not met", "timeRemaining": "soon"}, 60),
        ({"error": "?", "timeRemaining": "12"}, 720),
        ({"error": "Minimum runtime not met", "currentStatus": "failed", "timeRemaining": 5}, 300),
    ],
    ids=[
        *("number", "text", "neither", "nothing left", "other unit", "nonsense"),
        *("number as a text", "of what failed"),
    ],
)
def test_the_wait_is_read_from_number_or_text(account, machine, body, wait_s):
    account.cloud.fault("status", match=DELETE, status=400, body=body)
    answer = end(account, machine)
    assert (answer.gone, answer.retry_after_s) == (False, wait_s)


@pytest.mark.parametrize("how", [{}, {"empty_delete": True}], ids=["told", "empty answer"])
def test_an_end_is_confirmed_by_a_status(account, machine, how):
    account.cloud.configure(**how)
    account.cloud.advance(1201)
    assert end(account, machine) == Termination.GONE


def test_an_end_that_takes_time_is_pending_until_it_is_over(account, machine):
    account.cloud.configure(end_delay_s=60, empty_delete=True)
    account.cloud.advance(1201)
    answer = end(account, machine)
    assert (answer.gone, answer.detail) == (False, "asked to end")
    assert billed(account) == [machine.id]
    account.cloud.advance(61)
    assert end(account, machine) == Termination.GONE


@pytest.mark.parametrize("why", ["preempt", "break_machine"])
def test_what_ended_by_itself_is_gone(account, machine, why):
    getattr(account.cloud, why)(machine.id)
    assert end(account, machine) == Termination.GONE


def test_what_was_ended_before_is_gone(account, machine):
    account.cloud.advance(1201)
    assert [end(account, machine).gone for _ in range(2)] == [True, True]


def test_what_failed_is_ended_and_then_gone(account, machine):
    account.cloud.fail_machine(machine.id)
    assert billed(account) == [machine.id]
    assert end(account, machine) == Termination.GONE
    assert billed(account) == []
    assert end(account, machine) == Termination.GONE


def test_what_failed_may_be_held_to_the_floor(account, machine):
    account.cloud.configure(floor_holds=("running", "deploying", "failed"), floor_from="created")
    account.cloud.fail_machine(machine.id)
    answer = end(account, machine)
    assert (answer.gone, answer.retry_after_s) == (False, 1200)
    account.cloud.advance(1200)
    assert end(account, machine).gone


def test_another_state_that_cannot_end_is_pending(account, machine):
    body = {"error": "Cannot terminate instance", "currentStatus": "deploying"}
    account.cloud.fault("status", match=DELETE, status=400, body=body)
    answer = end(account, machine)
    assert (answer.gone, answer.detail) == (False, "cannot end while deploying")


@pytest.mark.parametrize("status", [400, 403, 404, 409, 422])
def test_the_minimum_is_known_by_its_text_at_any_status(account, machine, status):
    body = {"error": "Minimum runtime not met", "message": "Time remaining: 9 minutes."}
    account.cloud.fault("status", match=DELETE, status=status, body=body)
    answer = end(account, machine)
    assert (answer.gone, answer.retry_after_s) == (False, 540)


def test_a_refusal_that_names_no_status_is_looked_up(account, machine):
    account.cloud.advance(1201)
    body = {
        "error": "Cannot terminate instance",
        "message": "Instance has already been terminated.",
    }
    account.cloud.fault("status", match=DELETE, status=400, body=body)
    with pytest.raises(ProviderUnavailable):
        end(account, machine)
    end(account, machine)
    account.cloud.fault("status", match=DELETE, status=400, body=body)
    assert end(account, machine) == Termination.GONE


@pytest.mark.parametrize(
    "body",
    [
        "<html>Not Found</html>",
        {"error": "Not Found"},
        {"error": "Cannot DELETE /api/deployments/dep_00000001"},
        {"error": "User not found", "code": "NOT_FOUND"},
    ],
    ids=["page", "of nothing", "of the address", "of the user"],
)
def test_a_404_that_is_not_about_the_machine_is_not_its_end(account, machine, body):
    account.cloud.advance(1201)
    account.cloud.fault("status", match=DELETE, status=404, body=body)
    with pytest.raises(ProviderUnavailable):
        end(account, machine)
    assert end(account, machine) == Termination.GONE
    account.cloud.fault("status", match=DELETE, status=404, body=body)
    assert end(account, machine) == Termination.GONE  # the listing shows that it ended


def test_what_failed_and_cannot_be_ended_is_gone_once_no_minimum_can_hold_it(account, machine):
    account.cloud.fail_machine(machine.id)
    body = {"error": "Cannot terminate instance", "currentStatus": "failed"}
    account.cloud.fault("status", match=DELETE, status=400, body=body, count=2)
    answer = end(account, machine)
    assert (answer.gone, answer.detail) == (False, "cannot end while failed")
    account.cloud.advance(1201)
    assert end(account, machine) == Termination.GONE


def test_not_found_means_nothing_at_first_and_gone_later(account):
    now = account.cloud.clock.now()
    made = {"made_at": now - 10, "account": "team_0001"}
    unknown = InstanceRef("spheron", "dep_nothing", "CANADA-1", "t", **made)
    answer = plugin.arb_terminate(account.context(), unknown)
    assert (answer.gone, answer.detail) == (False, "not shown yet")
    assert answer.retry_after_s == pytest.approx(20, abs=1)
    account.cloud.advance(21)
    assert plugin.arb_terminate(account.context(), unknown) == Termination.GONE


def test_another_accounts_machine_is_not_called_gone(account, machine, tmp_path):
    other = Account(account.cloud, tmp_path / "other", OTHER_KEY)
    for who, account_of in ((other, "team_0001"), (account, "team_0900")):
        with pytest.raises(CredentialsError, match=account_of):
            end(who, machine, account=account_of)
    assert billed(account) == [machine.id]
    assert account.cloud.ledger().count(DELETE) == 0


def test_a_machine_of_another_team_of_the_same_user_can_be_ended(account, machine):
    account.cloud.add_team("team_0002", "the other one")
    account.cloud.advance(1201)
    account.options["team"] = "team_0002"
    assert end(account, machine) == Termination.GONE


def test_a_machine_whose_account_was_never_told_is_ended(account, machine):
    account.cloud.advance(1201)
    assert end(account, machine, account="") == Termination.GONE


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
    ids=["500", "strange 400", "429", "401", "lost", "garbage"],
)
def test_no_good_answer_is_never_gone(account, machine, fault, error):
    account.cloud.advance(1201)
    account.cloud.fault(match=DELETE, **fault)
    with pytest.raises(error):
        end(account, machine)
    assert end(account, machine).gone
