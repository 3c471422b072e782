"""Options of the user."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from arb.errors import UsageError
from arb_gcp.info import provider_info
from arb_gcp.settings import OPTIONS, Settings


def test_without_options_everything_has_a_default():
    settings = Settings.of({})
    assert settings.network_path == "global/networks/default"
    assert settings.subnetwork_path("us-central1") == ""
    assert (settings.ssh_user, settings.ssh_port, settings.disk_gib) == ("ubuntu", 22, 100)


def test_every_option_that_is_read_is_told_to_the_core():
    assert provider_info().options.keys() == OPTIONS.keys() == set(Settings.__dataclass_fields__)


def test_every_option_is_in_the_documentation():
    page = Path(__file__).parents[3] / "docs" / "gcp.md"
    rows = set(re.findall(r"^\| `(\w+)` \|", page.read_text(), re.MULTILINE))
    assert rows == OPTIONS.keys()


@pytest.mark.parametrize(
    ("options", "network", "subnetwork"),
    [
        ({"network": "n"}, "global/networks/n", ""),
        ({"subnetwork": "s"}, "global/networks/default", "regions/r1/subnetworks/s"),
        (
            {"subnetwork": {"r1": "s", "r2": "t"}},
            "global/networks/default",
            "regions/r1/subnetworks/s",
        ),
        ({"subnetwork": {"r2": "t"}}, "global/networks/default", ""),
        (
            {"network": "projects/host/global/networks/n", "subnetwork": "s"},
            "projects/host/global/networks/n",
            "projects/host/regions/r1/subnetworks/s",
        ),
        (
            {"subnetwork": "projects/h/regions/r1/subnetworks/s"},
            "global/networks/default",
            "projects/h/regions/r1/subnetworks/s",
        ),
    ],
)
def test_networks_are_named_as_requests_name_them(options, network, subnetwork):
    settings = Settings.of(options)
    assert settings.network_path == network
    assert settings.subnetwork_path("r1") == subnetwork


def test_a_shared_network_has_its_rules_in_the_host_project():
    shared = Settings.of({"network": "projects/host/global/networks/n"})
    assert shared.network_project == "host"
    assert Settings.of({}).network_project == ""


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"project": ""}, "project is ''"),
        ({"regions": "us-central1"}, "must be a list"),
        ({"external_ip": "no"}, "must be true or false"),
        ({"ssh_source_ranges": ["10.0.0.0/33"]}, "ranges such as"),
        ({"ssh_user": "root"}, "other than root"),
        ({"ssh_port": 0}, "a port"),
        ({"ssh_port": True}, "a port"),
        ({"disk_gib": 5}, "from 10 on"),
        ({"network": "My Network"}, "a name"),
        ({"endpoints": {"computer": "http://x"}}, "did you mean 'compute'"),
        ({"endpoints": "http://x"}, "must be a map"),
        ({"regionz": ["x"]}, "did you mean 'regions'"),
    ],
)
def test_a_wrong_value_is_told_with_its_option(options, said):
    with pytest.raises(UsageError, match=said):
        Settings.of(options)
