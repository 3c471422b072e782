"""Calls: keys, limits, time-outs, broken answers, and what errors never say."""

from __future__ import annotations

import time

import pytest
from clouds.lambda_cloud import KEY

from arb.errors import CredentialsError, ProviderUnavailable, RateLimited
from arb_lambda.client import LambdaClient
from arb_lambda.errors import Reply

REGIONS = "GET /regions"


def get(account, path="/regions"):
    with LambdaClient.open(account.context()) as client:
        return client.get(path)


def operations(account):
    return [call.operation for call in account.cloud.ledger().calls]


def test_the_key_goes_into_the_header_and_every_call_costs_one_of_the_budget(account):
    assert get(account)[0] == {"name": "us-east-1", "description": "Virginia, USA"}
    assert account.budgets.taken == ["api"]


def test_a_netrc_does_not_replace_the_key(account, tmp_path, monkeypatch):
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password wrong\n")
    monkeypatch.setenv("NETRC", str(netrc))
    assert get(account)


def test_without_a_key_nothing_is_sent(anybody):
    with pytest.raises(CredentialsError, match="no API key") as caught:
        get(anybody)
    assert "LAMBDA_API_KEY" in caught.value.hint
    assert operations(anybody) == []


@pytest.mark.parametrize(
    ("key", "settings", "code"),
    [
        ("secret_wrong", {}, "lambda-key-refused"),
        ("secret_wrong", {"echo": True}, "lambda-key-refused"),
        (KEY, {"account": "inactive", "echo": True}, "lambda-account-inactive"),
    ],
    ids=["refused", "refused and repeated", "inactive"],
)
def test_a_refused_account_is_told_without_the_key(account, key, settings, code):
    account.cloud.configure(**settings)
    account.env = {"LAMBDA_API_KEY": key}
    with pytest.raises(CredentialsError) as caught:
        get(account)
    assert caught.value.code == code
    assert caught.value.hint
    assert key not in repr(caught.value) + caught.value.hint


@pytest.mark.parametrize("status", [400, 401, 403, 503])
@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("global/account-inactive", "lambda-account-inactive"),
        ("global/invalid-address", "lambda-billing-address"),
        ("global/forbidden", "lambda-forbidden"),
        ("global/invalid-api-key", "lambda-key-refused"),
    ],
)
def test_what_counts_is_the_code_at_any_status(account, status, code, told):
    error = {"code": code, "message": "?"}
    account.cloud.fault("status", match=REGIONS, status=status, body={"error": error})
    with pytest.raises(CredentialsError) as caught:
        get(account)
    assert caught.value.code == told
    assert len(operations(account)) == 1


def test_a_refusal_that_is_new_to_us_is_one_of_the_account(account):
    body = {"error": {"code": "global/suspended", "message": "?"}}
    account.cloud.fault("status", match=REGIONS, status=403, body=body)
    with pytest.raises(CredentialsError, match="does not allow this"):
        get(account)


@pytest.mark.parametrize("code", ["global/quota-exceeded", "global/forbidden", "global/whatever"])
def test_too_many_requests_is_a_limit_whatever_its_code(account, code):
    body = {"error": {"code": code, "message": "?"}}
    account.cloud.fault("status", match=REGIONS, status=429, body=body)
    assert get(account)


@pytest.mark.parametrize(
    ("told", "waits"),
    [("1.5", 1.5), ("\xb2", 2), ("-3", 2), ("9" * 400, 2), ("Wed, 31 Dec 9999 23:59:59", 2)],
)
def test_a_wait_is_read_where_it_is_one(told, waits):
    now = 0.0 if "Dec" not in told else 3e11
    assert Reply(429, None, {"Retry-After": told}).retry_after_s(now) == pytest.approx(waits, abs=1)


def test_a_firewalls_page_is_no_refusal_of_the_key(account):
    account.cloud.fault("status", status=403, body="<html>Access denied</html>")
    with pytest.raises(ProviderUnavailable):
        get(account)


@pytest.mark.parametrize("kind", ["status", "reset", "drop", "garbage"])
def test_a_read_that_failed_is_tried_once_more(account, kind):
    account.cloud.fault(kind, match="GET *")
    assert get(account)
    assert operations(account) == [REGIONS] * 2
    assert account.budgets.taken == ["api"] * 2


@pytest.mark.parametrize("kind", ["status", "reset", "drop", "garbage"])
def test_a_read_that_failed_twice_is_no_answer(account, kind):
    account.cloud.fault(kind, match="GET *", count=2, body={"error": f"sent: {KEY}"})
    with pytest.raises(ProviderUnavailable, match="lambda") as caught:
        get(account)
    assert KEY not in repr(caught.value) + repr(caught.value.__context__)


def test_trouble_behind_lambda_is_no_answer_and_named(account):
    error = {"code": "provider/internal-unavailable", "message": "Provider unavailable"}
    account.cloud.fault("status", status=400, body={"error": error})
    with pytest.raises(ProviderUnavailable, match="provider/internal-unavailable"):
        get(account)


def test_no_second_try_without_time_for_it(account):
    account.budget_s = 2
    account.cloud.fault("status", match="GET *")
    with pytest.raises(ProviderUnavailable):
        get(account)
    assert len(operations(account)) == 1


@pytest.mark.parametrize(
    ("headers", "waits"),
    [({"Retry-After": "7"}, 7), ({"Retry-After": "soon"}, 2), ({}, 2)],
    ids=["told", "nonsense", "not told"],
)
def test_a_limit_is_waited_for_once(account, headers, waits):
    before = account.cloud.clock.now()
    account.cloud.fault("status", status=429, headers=headers)
    assert get(account)
    assert waits <= account.cloud.clock.now() - before < waits + 1
    account.cloud.fault("status", status=429, headers=headers, count=2)
    with pytest.raises(RateLimited) as caught:
        get(account)
    assert caught.value.retry_after_s == waits


def test_a_limit_that_is_too_long_to_wait_for_says_when_to_come_back(account):
    from email.utils import formatdate

    date = formatdate(account.cloud.clock.now() + 90, usegmt=True)
    account.cloud.fault("status", status=429, headers={"Retry-After": date})
    with pytest.raises(RateLimited) as caught:
        get(account)
    assert 80 < caught.value.retry_after_s <= 90
    assert len(operations(account)) == 1


def test_a_used_up_budget_sends_nothing(account):
    account.budgets.raises = RateLimited("used up", retry_after_s=9)
    with pytest.raises(RateLimited, match="used up"):
        get(account)
    assert operations(account) == []


def test_a_call_ends_before_its_deadline(account):
    account.budget_s = 0.6
    account.cloud.fault("late", hang_s=10)
    begun = time.monotonic()
    with pytest.raises(ProviderUnavailable, match="no answer in time"):
        get(account)
    assert time.monotonic() - begun < 0.6
    account.budget_s = 0.1
    account.budgets.raises = None
    account.cloud.advance(2)
    with pytest.raises(ProviderUnavailable, match="no time was left"):
        get(account)


def test_a_server_that_is_not_there_is_told(account):
    account.options = {"api_url": "http://127.0.0.1:9"}
    account.budget_s = 2
    with pytest.raises(ProviderUnavailable, match="no connection"):
        get(account)


def test_a_redirect_is_not_followed_with_the_key(account):
    where = {"Location": f"{account.cloud.url}/api/v1/instances"}
    account.cloud.fault("status", status=302, headers=where, count=2)
    with pytest.raises(ProviderUnavailable):
        get(account)
    assert set(operations(account)) == {REGIONS}


@pytest.mark.parametrize("body", [[], {"rows": []}, 7], ids=str)
def test_an_answer_without_data_is_none(account, body):
    account.cloud.fault("status", match=REGIONS, status=200, body=body)
    with pytest.raises(ProviderUnavailable):
        get(account)


@pytest.mark.parametrize("data", [None, {}, ["x"], [{}], [{"name": 7}]], ids=str)
def test_a_list_of_another_form_is_no_list(account, data):
    account.cloud.fault("status", match=REGIONS, status=200, body={"data": data})
    with LambdaClient.open(account.context()) as client, pytest.raises(ProviderUnavailable):
        client.rows("/regions", "name")
