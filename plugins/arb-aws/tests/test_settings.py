"""Options are checked before anything is asked of AWS."""

from __future__ import annotations

import pytest

from arb.errors import UsageError
from arb_aws.settings import OPTIONS, Settings


def test_nothing_said_is_the_documented_defaults():
    settings = Settings.of({})
    assert (settings.public_ip, settings.ssh_port, settings.disk_gib) == (True, 22, 100)
    assert settings.ssh_source_ranges == ("0.0.0.0/0",)
    assert settings.image_in("us-east-1") == ""


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("profile", ""),
        ("regions", "us-east-1"),
        ("regions", ["us-east-1a"]),
        ("regions", []),
        ("subnets", ["subnet-0123456789abcdef0"]),
        ("subnets", {"us-east-1": "vpc-0123456789abcdef0"}),
        ("public_ip", "yes"),
        ("ssh_source_ranges", ["anywhere"]),
        ("ssh_port", 0),
        ("ssh_port", True),
        ("ssh_user", "root"),
        ("ssh_user", "Ubuntu User"),
        ("image", 7),
        ("disk_type", "ssd"),
        ("disk_gib", 4),
        ("notice", "never"),
        ("endpoint_url", "localhost:4566"),
    ],
)
def test_a_value_that_cannot_be_meant_is_refused_by_its_name(name, value):
    with pytest.raises(UsageError, match=rf"provider_options\.aws\.{name}") as caught:
        Settings.of({name: value})
    assert caught.value.hint == OPTIONS[name]


def test_an_unknown_option_names_the_closest():
    with pytest.raises(UsageError, match="did you mean 'regions'"):
        Settings.of({"region": ["us-east-1"]})


def test_maps_by_region_are_taken_apart():
    settings = Settings.of(
        {
            "subnets": {
                "us-east-1": "subnet-0123456789abcdef0",
                "us-west-2": ["subnet-0123456789abcdef1", "subnet-0123456789abcdef2"],
            },
            "image": {"us-east-1": "ami-0123456789abcdef0"},
        }
    )
    assert settings.subnets["us-east-1"] == ("subnet-0123456789abcdef0",)
    assert len(settings.subnets["us-west-2"]) == 2
    assert settings.image_in("us-east-1") == "ami-0123456789abcdef0"
    assert settings.image_in("us-west-2") == ""
    assert Settings.of({"image": "/my/image"}).image_in("us-west-2") == "/my/image"
