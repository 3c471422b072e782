"""Access tokens: exchanged, kept for their hour, never told."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from clouds.gcp.customer import Customer

from arb.errors import CredentialsError, ProviderUnavailable
from arb.types import CheckStatus
from arb_gcp import plugin

TOKEN = "oauth.token"


def files(account):
    return sorted((account.folder / "cache").glob("token-*"))


def test_one_exchange_serves_all_calls_of_an_hour(account):
    account.list()
    account.list()
    assert account.cloud.ledger().count(TOKEN) == 1
    (kept,) = files(account)
    assert kept.stat().st_mode & 0o777 == 0o600
    account.cloud.advance(3500)
    account.list()
    assert account.cloud.ledger().count(TOKEN) == 2


def test_other_credentials_do_not_get_the_kept_token(account):
    account.list()
    key = account.env["GOOGLE_APPLICATION_CREDENTIALS"]
    account.cloud.write_key(key, other=True)
    assert account.list().account == "arb-other"
    assert len(files(account)) == 2


def test_a_kept_token_that_is_refused_is_exchanged_once(account):
    account.list()
    (kept,) = files(account)
    kept.write_text(json.dumps({"value": "ya29.stale", "expires_at": 9e12}))
    assert account.list().account == "arb-test"
    assert account.cloud.ledger().count(TOKEN) == 2


def test_a_damaged_file_costs_an_exchange(account):
    account.list()
    (kept,) = files(account)
    kept.write_text("{")
    account.list()
    assert account.cloud.ledger().count(TOKEN) == 2


def test_an_account_that_was_taken_away_is_a_credentials_error(account):
    account.list()
    account.cloud.revoke()
    with pytest.raises(CredentialsError, match="account not found") as raised:
        account.list()
    assert raised.value.code == "gcp-credentials-refused"
    assert "eyJ" not in str(raised.value.to_dict())


def test_a_key_that_is_cut_short_is_a_credentials_error(account):
    path = account.env["GOOGLE_APPLICATION_CREDENTIALS"]
    key = json.loads(Path(path).read_text()) | {"private_key": "-----BEGIN PRIVATE KEY-----\nabc"}
    Path(path).write_text(json.dumps(key))
    result = plugin.arb_check(account.context())
    assert result.status is CheckStatus.REFUSED
    assert "abc" not in repr(result)


@pytest.mark.parametrize("kind", ["dropped", "unavailable"])
def test_a_token_server_in_trouble_says_nothing_of_the_account(account, kind, monkeypatch):
    monkeypatch.setattr("time.sleep", lambda _: None)  # google-auth waits between its tries
    faults = {"dropped": {"kind": "reset"}, "unavailable": {"kind": "status", "status": 503}}
    account.cloud.fault(**faults[kind], match=TOKEN, count=9)
    with pytest.raises(ProviderUnavailable):
        account.list()


def test_a_users_own_credentials_work_and_are_counted_against_their_project(
    paper_gcp, tmp_path, monkeypatch
):
    uri = "google.oauth2.credentials._GOOGLE_OAUTH2_TOKEN_ENDPOINT"
    monkeypatch.setattr(uri, f"{paper_gcp.url}/token")
    user = Customer(paper_gcp, tmp_path / "user", key="user")
    assert user.list().account == "arb-test"
    paper_gcp.revoke("someone@example.com")
    with pytest.raises(CredentialsError, match="expired or revoked"):
        user.list()


def test_somebody_of_a_workforce_pool_works(paper_gcp, tmp_path):
    account = Customer(paper_gcp, tmp_path / "pool", key="user")
    document = {
        "type": "external_account_authorized_user",
        "audience": "//iam.googleapis.com/locations/global/workforcePools/p/providers/x",
        "client_id": "i",
        "client_secret": "s",
        "refresh_token": paper_gcp.accounts.refresh_token,
        "token_url": f"{paper_gcp.url}/token",
        "token_info_url": f"{paper_gcp.url}/introspect",
        "quota_project_id": "arb-test",
    }
    Path(account.env["GOOGLE_APPLICATION_CREDENTIALS"]).write_text(json.dumps(document))
    assert account.list().account == "arb-test"


def test_an_account_may_act_as_another(paper_gcp, tmp_path, monkeypatch):
    address = f"{paper_gcp.url}/v1/projects/-/serviceAccounts/{{}}:generateAccessToken"
    monkeypatch.setattr("google.auth.iam._IAM_ENDPOINT", address)  # google-auth lets no file say it
    account = Customer(paper_gcp, tmp_path / "acting", key="impersonation", project="arb-test")
    assert plugin.arb_check(account.context()).summary.startswith("launcher@arb-test")


def test_on_a_google_machine_its_own_account_is_used(paper_gcp, tmp_path):
    host = paper_gcp.url.removeprefix("http://")
    inside = Customer(paper_gcp, tmp_path / "inside", key="", project="arb-test")
    inside.env = {"GCE_METADATA_HOST": host}
    assert inside.list().account == "arb-test"
    assert files(inside) == []  # the metadata server keeps them


def test_an_unknown_type_of_credentials_is_refused_with_its_name(account):
    path = account.env["GOOGLE_APPLICATION_CREDENTIALS"]
    Path(path).write_text(json.dumps({"type": "from_the_future", "project_id": "arb-test"}))
    with pytest.raises(CredentialsError, match="from_the_future"):
        account.list()
