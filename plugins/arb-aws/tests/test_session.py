"""Credentials come from the context, in AWS's own order, and never from the process."""

from __future__ import annotations

import json

import pytest
from clouds.aws import OTHER_KEY, OWN_KEY, SECRET
from clouds.aws.errors import ec2_xml

from arb.errors import ArbError, CapacityError, CredentialsError, ProviderUnavailable
from arb.types import CheckStatus
from arb_aws import plugin
from arb_aws.client import Client
from arb_aws.session import endpoint_of, proxies_of
from arb_aws.settings import Settings

KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")


@pytest.fixture
def bare(anybody, monkeypatch):
    """Somebody whose process has another one's credentials in its environment."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", OTHER_KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.setenv("AWS_PROFILE", "of-the-process")
    return anybody


def write(customer, name, text):
    path = customer.folder / "home" / ".aws" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def section(name, key=OWN_KEY, **more):
    lines = [f"[{name}]", f"aws_access_key_id = {key}", f"aws_secret_access_key = {SECRET}"]
    return "\n".join([*lines, *(f"{k} = {v}" for k, v in more.items())]) + "\n"


def client(customer):
    return Client.from_context(customer.context())


def test_the_process_is_not_asked(bare):
    with pytest.raises(CredentialsError, match="no credentials") as caught:
        client(bare)
    assert "aws configure" in caught.value.hint


def test_the_environment_of_the_context_comes_first(bare):
    write(bare, "credentials", section("default", OTHER_KEY))
    bare.env |= dict(zip(KEYS, (OWN_KEY, SECRET), strict=True))
    found = client(bare)
    assert (found.account(), found.source()) == (bare.cloud.accounts.own, "AWS_ACCESS_KEY_ID")


def test_the_default_profile_of_the_credentials_file_is_found(bare):
    path = write(bare, "credentials", section("default"))
    found = client(bare)
    assert (found.account(), found.source()) == (bare.cloud.accounts.own, str(path))


@pytest.mark.parametrize("how", ["option", "AWS_PROFILE"])
def test_a_profile_is_named_by_option_or_environment(bare, how):
    write(bare, "credentials", section("default", OTHER_KEY) + section("work"))
    if how == "option":
        bare.env |= dict(zip(KEYS, (OTHER_KEY, SECRET), strict=True))  # the option is meant
        bare.options["profile"] = "work"
    else:
        bare.env["AWS_PROFILE"] = "work"
    assert client(bare).account() == bare.cloud.accounts.own


def test_files_may_be_elsewhere(bare, tmp_path):
    path = tmp_path / "keys"
    path.write_text(section("default"))
    bare.env["AWS_SHARED_CREDENTIALS_FILE"] = str(path)
    assert client(bare).source() == str(path)
    bare.env["AWS_SHARED_CREDENTIALS_FILE"] = "~/keys"
    path.rename(bare.folder / "home" / "keys")
    assert client(bare).account() == bare.cloud.accounts.own


def test_the_region_of_a_profile_is_the_one_that_is_asked(bare):
    write(bare, "credentials", section("default"))
    write(bare, "config", "[default]\nregion = us-west-2\n")
    assert client(bare).home_region() == "us-west-2"
    bare.env["AWS_REGION"] = "us-east-2"
    assert client(bare).home_region() == "us-east-2"


def test_a_role_of_a_profile_is_taken_and_kept_where_the_aws_command_keeps_it(bare):
    write(bare, "credentials", section("base"))
    arn = f"arn:aws:iam::{bare.cloud.accounts.own}:role/arb"
    write(bare, "config", f"[profile work]\nrole_arn = {arn}\nsource_profile = base\n")
    bare.options["profile"] = "work"
    bare.env["AWS_ENDPOINT_URL"] = bare.cloud.url
    bare.env["AWS_REGION"] = "us-east-1"
    found = client(bare)
    assert "assume-role" in found.source()
    assert found.credentials().get_frozen_credentials().token
    assert list((bare.folder / "home" / ".aws" / "cli" / "cache").iterdir())


def test_a_role_that_wants_a_second_factor_says_what_to_do(bare):
    write(bare, "credentials", section("base"))
    arn = f"arn:aws:iam::{bare.cloud.accounts.own}:role/arb"
    more = "mfa_serial = arn:aws:iam::1:mfa/me"
    write(bare, "config", f"[profile work]\nrole_arn = {arn}\nsource_profile = base\n{more}\n")
    bare.options["profile"] = "work"
    bare.env["AWS_REGION"] = "us-east-1"
    with pytest.raises(CredentialsError, match="second factor") as caught:
        client(bare).account()
    assert "aws sts get-caller-identity" in caught.value.hint


def test_a_program_may_give_the_credentials(bare):
    told = {"Version": 1, "AccessKeyId": OWN_KEY, "SecretAccessKey": SECRET}
    write(bare, "told.json", json.dumps(told))
    path = bare.folder / "home" / ".aws" / "told.json"
    write(bare, "config", f"[default]\ncredential_process = cat {path}\n")
    assert client(bare).account() == bare.cloud.accounts.own


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("[default]\naws_access_key_id = AKIAHALF\n", "aws-credentials-unusable"),
        ("", "aws-no-profile"),
    ],
    ids=["half a key", "no such profile"],
)
def test_credentials_that_cannot_be_used_are_told_without_a_part_of_them(bare, text, code):
    write(bare, "credentials", text)
    if code == "aws-no-profile":
        bare.options["profile"] = "work"
    with pytest.raises(CredentialsError) as caught:
        client(bare)
    assert caught.value.code == code
    assert "AKIAHALF" not in str(caught.value)


def test_an_ended_single_sign_on_says_how_to_log_in(bare):
    sso = "sso_start_url = https://x\nsso_region = us-east-1\nsso_account_id = 1\nsso_role_name = r"
    write(bare, "config", f"[default]\n{sso}\n")
    with pytest.raises(CredentialsError) as caught:
        client(bare).account()
    assert caught.value.hint == "run: aws sso login"


@pytest.mark.parametrize(
    ("env", "service", "wanted"),
    [
        ({}, "ec2", None),
        ({"AWS_ENDPOINT_URL": "http://all"}, "ec2", "http://all"),
        (
            {"AWS_ENDPOINT_URL": "http://all", "AWS_ENDPOINT_URL_EC2": "http://one"},
            "ec2",
            "http://one",
        ),
        ({"AWS_ENDPOINT_URL_SERVICE_QUOTAS": "http://q"}, "service-quotas", "http://q"),
        (
            {"AWS_ENDPOINT_URL": "http://a", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true"},
            "ec2",
            None,
        ),
    ],
)
def test_services_may_be_elsewhere(anybody, env, service, wanted):
    anybody.env |= env
    assert endpoint_of(anybody.context(), Settings(), service) == wanted
    assert endpoint_of(anybody.context(), Settings(endpoint_url="http://o"), service) == "http://o"


def test_proxies_are_the_contexts():
    env = {"HTTPS_PROXY": "http://proxy:3128", "no_proxy": "localhost,.internal"}
    assert proxies_of(env, "https://ec2.us-east-1.amazonaws.com") == {"https": "http://proxy:3128"}
    assert proxies_of(env, "https://ec2.internal") == {}
    assert proxies_of({}, "https://ec2.us-east-1.amazonaws.com") == {}


def test_a_web_identity_is_read_from_the_contexts_environment(bare, tmp_path):
    (tmp_path / "token").write_text("a.b.c")
    arn = f"arn:aws:iam::{bare.cloud.accounts.own}:role/arb"
    bare.env |= {"AWS_WEB_IDENTITY_TOKEN_FILE": str(tmp_path / "token"), "AWS_ROLE_ARN": arn}
    assert client(bare).source() == "a role with a web identity token"
    bare.env["AWS_ROLE_ARN"] = "short"
    with pytest.raises(CredentialsError, match="RoleArn"):
        client(bare).account()
    bare.env["AWS_ROLE_ARN"] = arn
    (tmp_path / "token").unlink()
    bare.env["AWS_ROLE_SESSION_NAME"] = "another"  # nothing is kept of it
    with pytest.raises(CredentialsError, match="token") as caught:
        client(bare).account()
    assert caught.value.code == "aws-credentials-unusable"


def test_proxies_are_left_out_for_a_regions_address(bare):
    bare.env |= dict(zip(KEYS, (OWN_KEY, SECRET), strict=True))
    bare.env |= {"HTTPS_PROXY": "http://proxy:3128", "NO_PROXY": ".us-west-2.amazonaws.com"}
    bare.options = {}
    found = client(bare)
    proxies = [found._client("ec2", r, "X").meta.config.proxies for r in ("us-west-2", "us-east-1")]
    assert proxies == [{}, {"https": "http://proxy:3128"}]


def test_the_environments_retries_do_not_hide_what_was_refused(account):
    account.env |= {"AWS_MAX_ATTEMPTS": "9", "AWS_RETRY_MODE": "adaptive"}
    account.cloud.say("RunInstances", "InsufficientInstanceCapacity", status=500, count=9)
    with pytest.raises(CapacityError):
        account.provision(account.request())
    assert account.cloud.ledger().count("RunInstances") == 1


# -- set-ups that do not work ----------------------------------------------------------------

ROLE = "[profile w]\nrole_arn = arn:aws:iam::1:role/x\nsource_profile = base\n"


def outcomes(customer):
    """Return what the hooks say: whatever is wrong with a set-up, none of them breaks."""
    checked = plugin.arb_check(customer.context())
    raised = []
    for call in (customer.list, lambda: plugin.arb_catalog(customer.context())):
        with pytest.raises(ArbError) as caught:
            call()
        raised.append(caught.value)
    assert len({error.code for error in raised}) == 1
    return checked, raised[0]


def test_a_role_that_is_refused_is_named_and_one_that_is_not_answered_is_no_refusal(bare):
    write(bare, "credentials", section("base"))
    write(bare, "config", ROLE)
    bare.options["profile"] = "w"
    bare.cloud.deny("sts:AssumeRole")
    checked, error = outcomes(bare)
    assert checked.status is CheckStatus.REFUSED
    assert (error.code, error.exit_code) == ("aws-role-refused", 4)
    assert "AssumeRole" in error.summary
    assert "AssumeRole" in checked.summary
    bare.cloud.allow()
    bare.cloud.fault("drop", match="AssumeRole", count=99)
    checked, error = outcomes(bare)
    assert checked.status is CheckStatus.UNREACHABLE
    assert type(error) is ProviderUnavailable


@pytest.mark.parametrize(
    ("config", "told"),
    [
        ("this is [ not a configuration", "config"),
        (ROLE.replace("base", "zz").replace("profile w", "default"), "zz"),
        ("[default]\ncredential_process = false", "custom-process"),
        ("[default]\ncredential_process = echo SECRET", "JSONDecodeError"),
        ("[default]\ncredential_process = /no/such/program", "/no/such/program"),
    ],
)
def test_a_configuration_that_gives_no_keys_says_what_is_wrong_with_it(bare, config, told):
    write(bare, "config", f"{config}\n")
    checked, error = outcomes(bare)
    assert (checked.status, error.code) == (CheckStatus.REFUSED, "aws-credentials-unusable")
    assert told in error.summary
    assert told in checked.summary
    assert "SECRET" not in error.summary
    assert "~/.aws/config" in error.hint


@pytest.mark.parametrize(
    ("variable", "value", "told"),
    [
        ("AWS_REGION", "us_east 1", "us_east 1"),
        ("AWS_PROFILE", "nope", "nope"),
        ("AWS_DEFAULTS_MODE", "bogus", "bogus"),
        ("AWS_STS_REGIONAL_ENDPOINTS", "bogus", "bogus"),
        ("AWS_ENDPOINT_URL", "localhost:4566", "localhost:4566"),
    ],
)
def test_a_variable_that_makes_no_sense_is_told_even_with_good_keys(bare, variable, value, told):
    bare.env |= dict(zip(KEYS, (OWN_KEY, SECRET), strict=True)) | {variable: value}
    if variable == "AWS_ENDPOINT_URL":
        bare.options = {}
    checked, error = outcomes(bare)
    assert checked.status is CheckStatus.REFUSED
    assert isinstance(error, CredentialsError)
    assert told in error.summary


def test_no_way_to_aws_names_the_address_and_what_to_look_at(bare):
    bare.env |= dict(zip(KEYS, (OWN_KEY, SECRET), strict=True))
    bare.options = {"endpoint_url": "http://me:hunter2@127.0.0.1:9"}
    checked, error = outcomes(bare)
    assert checked.status is CheckStatus.UNREACHABLE
    assert "http://127.0.0.1:9" in error.summary
    assert "hunter2" not in error.summary
    assert "AWS_ENDPOINT_URL" in error.hint
    bare.options = {"endpoint_url": bare.cloud.url}
    bare.env["HTTP_PROXY"] = "http://127.0.0.1:9"
    assert "HTTP_PROXY" in outcomes(bare)[1].hint


def test_a_log_in_page_in_between_is_no_answer(account):
    page = "<html><body>Welcome to the hotel</body></html>"
    account.cloud.fault("status", match="GetCallerIdentity", status=200, body=page, count=99)
    checked, error = outcomes(account)
    assert checked.status is CheckStatus.UNREACHABLE
    assert error.code == "aws-unreadable"
    assert "log-in page" in error.hint


def test_keys_that_even_sts_does_not_know_are_asked_about_once(account):
    body = ec2_xml("AuthFailure", "AWS was not able to validate the provided access credentials")
    account.cloud.fault("status", status=401, body=body, count=999)
    checked, error = outcomes(account)
    assert (checked.status, error.code) == (CheckStatus.REFUSED, "aws-credentials-refused")
