"""Calls: keys, limits, time-outs, broken answers, and what errors never say."""

from __future__ import annotations

import time

import pytest
from clouds.spheron.settings import KEY

from arb.errors import CredentialsError, ProviderUnavailable, RateLimited
from arb_spheron.client import SpheronClient


def get(account, path="/api/teams"):
    with SpheronClient.open(account.context()) as client:
        return client.get(path)


def operations(account):
    return [call.operation for call in account.cloud.ledger().calls]


def test_the_key_goes_into_the_header_and_every_read_costs_one_of_the_budget(account):
    assert get(account) == [{"id": "team_0001", "name": "arb test"}]
    assert account.budgets.taken == ["read"]


def test_a_netrc_does_not_replace_the_key(account, tmp_path, monkeypatch):
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password wrong\n")
    monkeypatch.setenv("NETRC", str(netrc))
    assert get(account)


def test_without_a_key_nothing_is_sent(anybody):
    with pytest.raises(CredentialsError, match="no API key") as caught:
        get(anybody)
    assert "SPHERON_API_KEY" in caught.value.hint
    assert operations(anybody) == []


@pytest.mark.parametrize(
    ("key", "settings", "code"),
    [
        ("sai_pk_wrong", {}, "spheron-key-refused"),
        ("sai_pk_wrong", {"echo_key": True}, "spheron-key-refused"),
        (KEY, {"api_enabled": False}, "spheron-forbidden"),
    ],
    ids=["refused", "refused and repeated", "not enabled"],
)
def test_a_refused_key_is_told_without_it(account, key, settings, code):
    account.cloud.configure(**settings)
    account.env = {"SPHERON_API_KEY": key}
    with pytest.raises(CredentialsError) as caught:
        get(account)
    assert caught.value.code == code
    assert caught.value.hint
    assert "sai_pk_wrong" not in repr(caught.value) + caught.value.hint


def test_a_refusal_without_words_is_one(account):
    account.cloud.fault("status", status=403, body="")
    with pytest.raises(CredentialsError):
        get(account)


def test_a_firewalls_page_is_no_refusal_of_the_key(account):
    account.cloud.fault("status", status=403, body="<html>Access denied</html>")
    with pytest.raises(ProviderUnavailable):
        get(account)


@pytest.mark.parametrize("kind", ["status", "reset", "drop", "garbage"])
def test_a_read_that_failed_is_tried_once_more(account, kind):
    account.cloud.fault(kind, match="GET *")
    assert get(account)
    assert operations(account) == ["GET /api/teams"] * 2
    assert account.budgets.taken == ["read"] * 2


@pytest.mark.parametrize("kind", ["status", "reset", "drop", "garbage"])
def test_a_read_that_failed_twice_is_no_answer(account, kind):
    account.cloud.fault(kind, match="GET *", count=2, body={"error": f"sent: {KEY}"})
    with pytest.raises(ProviderUnavailable, match="spheron") as caught:
        get(account)
    assert KEY not in repr(caught.value) + repr(caught.value.__context__)


def test_no_second_try_without_time_for_it(account):
    account.budget_s = 2
    account.cloud.fault("status", match="GET *")
    with pytest.raises(ProviderUnavailable):
        get(account)


@pytest.mark.parametrize(
    ("headers", "waits"),
    [
        ({"Retry-After": "7"}, 7),
        ({"retry-after": "7"}, 7),
        ({"Retry-After": "7.5"}, 7.5),
        ({"Retry-After": "900000"}, 3600),
        ({"Retry-After": "soon"}, 60),
        ({}, 60),
    ],
    ids=["told", "small letters", "a part", "too long to be true", "nonsense", "not told"],
)
def test_too_many_requests_say_when_to_come_back(account, headers, waits):
    account.cloud.fault("status", status=429, headers=headers)
    with pytest.raises(RateLimited) as caught:
        get(account)
    assert caught.value.retry_after_s == waits
    assert len(operations(account)) == 1


def test_the_wait_may_be_told_in_the_body(account):
    account.cloud.fault("status", status=429, body={"error": "slow down", "retryAfter": 33})
    with pytest.raises(RateLimited) as caught:
        get(account)
    assert caught.value.retry_after_s == 33


def test_retry_after_may_be_a_date(account):
    from email.utils import formatdate

    date = formatdate(account.cloud.clock.now() + 90, usegmt=True)
    account.cloud.fault("status", status=429, headers={"Retry-After": date})
    with pytest.raises(RateLimited) as caught:
        get(account)
    assert 80 < caught.value.retry_after_s <= 90


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
    with pytest.raises(ProviderUnavailable, match="no time was left"):
        get(account)


def test_a_server_that_is_not_there_is_told_without_an_address_of_a_request(account):
    account.options = {"api_url": "http://127.0.0.1:9"}
    account.budget_s = 2
    with pytest.raises(ProviderUnavailable, match="no connection"):
        get(account)


def test_a_redirect_is_not_followed_with_the_key(account):
    account.cloud.fault(
        "status", status=302, headers={"Location": f"{account.cloud.url}/api/balance"}, count=2
    )
    with pytest.raises(ProviderUnavailable):
        get(account)
    assert set(operations(account)) == {"GET /api/teams"}
