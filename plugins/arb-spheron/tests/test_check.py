"""What ``arb check`` says."""

from __future__ import annotations

import pytest

from arb.errors import ProviderUnavailable, RateLimited
from arb.types import CheckStatus
from arb_spheron import plugin


def check(account):
    return plugin.arb_check(account.context())


def test_a_key_that_works_names_team_balance_and_where_it_was_found(account):
    result = check(account)
    assert (result.status, result.source) == (CheckStatus.OK, "SPHERON_API_KEY")
    assert result.summary == "team arb test, $42.50 left"
    assert "launch" in result.may


def test_other_teams_are_counted_and_the_configured_one_is_shown(account):
    account.cloud.add_team("team_0002", "research", balance=7)
    account.options["team"] = "research"
    assert check(account).summary == "team research, $7.00 left, 1 other team"


def test_a_key_file_is_named(account):
    home = account.context().home
    (home / ".spheron").mkdir()
    (home / ".spheron" / "token").write_text(account.env.pop("SPHERON_API_KEY"))
    assert check(account).source == "~/.spheron/token"


def test_an_empty_balance_is_limited(account):
    account.cloud.set_balance(0)
    result = check(account)
    assert (result.status, result.missing) == (CheckStatus.LIMITED, ("launch",))
    assert "top up" in result.hint


def test_a_balance_may_be_a_text(account):
    body = {"teams": [{"teamId": "t", "teamName": "crew", "balance": "0.00"}]}
    account.cloud.fault("status", status=200, body=body)
    assert check(account).status is CheckStatus.LIMITED


@pytest.mark.parametrize("shape", ["array", "teams", "data"])
@pytest.mark.parametrize(
    "answer", [{"status": 404, "body": {"error": "?"}}, {"status": 200, "body": {"teams": []}}]
)
def test_where_no_balance_is_told_the_teams_are(account, shape, answer):
    account.cloud.configure(teams_shape=shape)
    account.cloud.fault("status", match="GET /api/balance", **answer)
    result = check(account)
    assert (result.status, result.summary) == (CheckStatus.OK, "team arb test")


def test_without_a_key_prices_work_and_the_hint_says_how_to_get_one(anybody):
    result = check(anybody)
    assert result.status is CheckStatus.NOT_CONFIGURED
    assert "SPHERON_API_KEY" in result.hint
    assert anybody.cloud.ledger().calls == []


@pytest.mark.parametrize("key", ["sai_pk_wrong", "no key at all"])
def test_a_refused_key_is_refused(account, key):
    account.cloud.configure(echo_key=True)
    account.env = {"SPHERON_API_KEY": key}
    result = check(account)
    assert result.status is CheckStatus.REFUSED
    assert result.hint
    assert key not in repr(result)


def test_api_access_that_is_not_enabled_is_refused_with_what_to_do(account):
    account.cloud.configure(api_enabled=False)
    result = check(account)
    assert (result.status, "enable API access" in result.hint) == (CheckStatus.REFUSED, True)


def test_a_team_that_is_not_the_users_is_refused(account):
    account.options["team"] = "research"
    result = check(account)
    assert result.status is CheckStatus.REFUSED
    assert "team_0001 (arb test)" in result.hint


def test_an_option_that_cannot_be_used_is_named(account):
    account.options["team"] = 7
    result = check(account)
    assert (result.status, "spheron.team" in result.summary) == (CheckStatus.REFUSED, True)


@pytest.mark.parametrize("fault", ["status", "reset", "garbage"])
def test_no_answer_is_unreachable(account, fault):
    account.cloud.fault(fault, count=2)
    result = check(account)
    assert (result.status, bool(result.hint)) == (CheckStatus.UNREACHABLE, True)


def test_a_used_up_budget_is_unreachable(account):
    account.budgets.raises = RateLimited("spheron: the budget is used up", retry_after_s=9)
    assert check(account).status is CheckStatus.UNREACHABLE


def test_an_answer_that_nobody_understands_is_an_error(account):
    account.cloud.fault("status", status=200, body={"balance": 7})
    with pytest.raises(ProviderUnavailable, match="tells no teams"):
        check(account)
