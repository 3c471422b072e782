"""Options."""

from __future__ import annotations

import pytest

from arb.errors import UsageError
from arb_lambda.settings import API_URL, OPTIONS, Settings, read_settings


def read(account, **options):
    account.options = options
    return read_settings(account.context())


def test_without_options_there_are_defaults(account):
    assert read(account) == Settings()
    assert Settings().api_url == API_URL
    assert set(OPTIONS) == set(Settings.__dataclass_fields__)


@pytest.mark.parametrize(
    "text",
    [
        "https://x.example",
        "https://x.example/",
        "https://x.example/api/v1",
        "https://x.example/api/v1/",
    ],
)
def test_the_address_may_be_written_with_and_without_its_path(account, text):
    assert read(account, api_url=text).api_url == "https://x.example"


def test_ranges_are_read_as_they_are_meant(account):
    settings = read(account, ssh_source_ranges=["198.51.100.0/24", "203.0.113.7"])
    assert settings.ssh_source_ranges == ("198.51.100.0/24", "203.0.113.7/32")


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"image": 7}, r"lambda\.image must be a text"),
        ({"image": ""}, r"lambda\.image must be a text"),
        ({"firewall": "no"}, r"lambda\.firewall must be true or false"),
        ({"ssh_source_ranges": "0.0.0.0/0"}, r"lambda\.ssh_source_ranges must be a list"),
        ({"ssh_source_ranges": []}, r"lambda\.ssh_source_ranges must be a list"),
        ({"ssh_source_ranges": ["everybody"]}, r"lambda\.ssh_source_ranges holds no IPv4 range"),
        ({"ssh_source_ranges": ["10.0.0.1/8"]}, "host bits set"),
        ({"ssh_port": 0}, r"lambda\.ssh_port must be a port"),
        ({"ssh_port": True}, r"lambda\.ssh_port must be a port"),
        ({"ssh_port": "22"}, r"lambda\.ssh_port must be a port"),
        ({"ssh_user": "Root!"}, r"lambda\.ssh_user cannot be 'Root!'"),
        ({"api_url": "cloud.lambda.ai"}, r"lambda\.api_url is no address"),
        ({"api_url": "ftp://x.example"}, r"lambda\.api_url is no address"),
        ({"api_url": "http://x.example"}, r"lambda\.api_url is not encrypted"),
        ({"api_url": "https://me:secret@x.example"}, "must not hold a password"),
    ],
)
def test_options_that_cannot_be_used_are_named(account, options, told):
    with pytest.raises(UsageError, match=told) as caught:
        read(account, **options)
    assert "secret" not in str(caught.value)
