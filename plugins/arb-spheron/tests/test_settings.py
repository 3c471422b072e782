"""Options and environment."""

from __future__ import annotations

import pytest

from arb.errors import UsageError
from arb_spheron.settings import API_URL, read_settings


def read(account, env=None, **options):
    account.options = options
    account.env = env or {}
    return read_settings(account.context())


def test_without_options_the_public_address_and_the_current_team_are_used(account):
    settings = read(account)
    assert (settings.api_url, settings.team) == (API_URL, "")


@pytest.mark.parametrize(
    "text",
    ["https://x.example", "https://x.example/", "https://x.example/api", "https://x.example/api/"],
)
def test_the_address_may_be_written_with_and_without_api(account, text):
    assert read(account, api_url=text).api_url == "https://x.example"
    assert read(account, {"SPHERON_API_BASE": text}).api_url == "https://x.example"


def test_an_option_beats_the_variable(account):
    env = {"SPHERON_TEAM_ID": "team_b", "SPHERON_API_BASE": "https://b.example"}
    settings = read(account, env, team="team_a", api_url="https://a.example")
    assert (settings.api_url, settings.team) == ("https://a.example", "team_a")


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"team": 7}, "spheron.team must be a text"),
        ({"team": ""}, "spheron.team must be a text"),
        ({"api_url": "app.spheron.ai"}, "spheron.api_url is no address"),
        ({"api_url": "ftp://x.example"}, "spheron.api_url is no address"),
        ({"api_url": "http://x.example"}, "spheron.api_url is not encrypted"),
        ({"api_url": "https://me:secret@x.example"}, "must not hold a password"),
    ],
)
def test_options_that_cannot_be_used_are_named(account, options, told):
    with pytest.raises(UsageError, match=told) as caught:
        read(account, **options)
    assert "secret" not in str(caught.value)
