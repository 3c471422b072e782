"""What ``arb check`` says."""

from __future__ import annotations

import pytest
from clouds.lambda_cloud import KEY

from arb.errors import RateLimited
from arb.types import CheckStatus
from arb_lambda import plugin


def check(account):
    return plugin.arb_check(account.context())


def forbid(account, operation):
    error = {"code": "global/forbidden", "message": "You may not do this."}
    account.cloud.fault("status", match=operation, status=403, body={"error": error})


def test_a_key_that_works_tells_what_runs_and_where_it_was_found(account):
    account.buy()
    result = check(account)
    assert (result.status, result.source) == (CheckStatus.OK, "LAMBDA_API_KEY")
    assert result.summary == "the API key works; 2 machines in the account, 1 of arb"
    assert result.may == ("list machines", "prices", "SSH keys", "firewall rule sets")


def test_a_check_only_reads(account):
    check(account)
    assert {call.operation.split()[0] for call in account.cloud.ledger().calls} == {"GET"}
    assert account.cloud.ledger().alive() == []


def test_the_key_file_is_named(account):
    home = account.context().home
    (home / ".lambda_cloud").mkdir()
    key = account.env.pop("LAMBDA_API_KEY")
    (home / ".lambda_cloud" / "lambda_keys").write_text(f"api_key = {key}\n")
    assert check(account).source == "~/.lambda_cloud/lambda_keys"


@pytest.mark.parametrize(
    ("operation", "missing"),
    [
        ("GET /firewall-rulesets", "firewall rule sets"),
        ("GET /ssh-keys", "SSH keys"),
        ("GET /instance-types", "prices"),
    ],
)
def test_what_the_key_may_not_do_is_named(account, operation, missing):
    forbid(account, operation)
    result = check(account)
    assert (result.status, result.missing) == (CheckStatus.LIMITED, (missing,))
    assert missing not in result.may
    assert result.hint


def test_without_a_key_prices_work_and_the_hint_says_how_to_get_one(anybody):
    result = check(anybody)
    assert result.status is CheckStatus.NOT_CONFIGURED
    assert "https://cloud.lambda.ai/api-keys" in result.hint
    assert anybody.cloud.ledger().calls == []


@pytest.mark.parametrize("key", ["secret_wrong", "no key at all"])
def test_a_refused_key_is_refused(account, key):
    account.cloud.configure(echo=True)
    account.env = {"LAMBDA_API_KEY": key}
    result = check(account)
    assert result.status is CheckStatus.REFUSED
    assert result.hint
    assert key not in repr(result)


@pytest.mark.parametrize(
    ("state", "told", "hint"),
    [
        ("inactive", "account is inactive", "payment method"),
        ("address", "billing address is invalid", "correct it"),
        ("forbidden", "does not allow this", "a key of somebody who may"),
    ],
)
def test_an_account_that_may_not_is_refused_with_what_to_do(account, state, told, hint):
    if state == "address":  # only launches are refused so
        body = {"error": {"code": "global/invalid-address", "message": "?", "suggestion": "?"}}
        account.cloud.fault("status", match="GET /instances", status=403, body=body)
    elif state == "forbidden":
        forbid(account, "GET /instances")
    else:
        account.cloud.configure(account=state)
    result = check(account)
    assert (result.status, told in result.summary) == (CheckStatus.REFUSED, True)
    assert hint in result.hint
    assert KEY not in repr(result)


def test_an_option_that_cannot_be_used_is_named(account):
    account.options["ssh_port"] = "x"
    result = check(account)
    assert (result.status, "lambda.ssh_port" in result.summary) == (CheckStatus.REFUSED, True)
    assert "arb config set" in result.hint


@pytest.mark.parametrize("fault", ["status", "reset", "garbage"])
def test_no_answer_is_unreachable(account, fault):
    account.cloud.fault(fault, count=2)
    result = check(account)
    assert (result.status, bool(result.hint)) == (CheckStatus.UNREACHABLE, True)


def test_a_used_up_budget_is_unreachable(account):
    account.budgets.raises = RateLimited("lambda: the budget is used up", retry_after_s=9)
    assert check(account).status is CheckStatus.UNREACHABLE


def test_an_answer_that_nobody_understands_is_unreachable_too(account):
    account.cloud.fault("status", match="GET /instances", status=200, body={"rows": 7})
    result = check(account)
    assert result.status is CheckStatus.UNREACHABLE
    assert "another form" in result.summary
