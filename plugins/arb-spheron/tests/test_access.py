"""Reaching a machine, and what it would need to end itself."""

from __future__ import annotations

import shutil
import subprocess

import pytest
from clouds.spheron.settings import KEY

from arb.errors import ProviderUnavailable
from arb.types import Instance, InstanceRef, InstanceState, ListQuery
from arb_spheron import plugin


@pytest.mark.parametrize("ports", ["sshPort", "forwards"])
@pytest.mark.parametrize("tell_user", [True, False])
def test_the_endpoint_is_what_the_listing_says(account, ports, tell_user):
    account.cloud.configure(ports=ports, tell_user=tell_user)
    account.buy()
    (instance,) = plugin.arb_list_instances(account.context(), ListQuery()).instances
    (machine,) = account.cloud.machines()
    endpoint = plugin.arb_ssh_ports(instance)
    assert (endpoint.host, endpoint.port, endpoint.user) == (
        machine["address"],
        machine["port"],
        machine["user"],
    )


def test_without_an_address_it_is_asked_again(account):
    instance = Instance("spheron", "dep_1", "CANADA-1", InstanceState.PENDING)
    with pytest.raises(ProviderUnavailable, match="no address yet"):
        plugin.arb_ssh_ports(instance)


def test_only_the_key_file_is_mounted(account):
    assert plugin.arb_credential_mounts(account.context()) == {}
    folder = account.context().home / ".spheron"
    folder.mkdir()
    (folder / "api_key").write_text(KEY)
    (folder / "token").touch()  # an empty file holds no key
    mounts = plugin.arb_credential_mounts(account.context())
    assert mounts == {"~/.spheron/api_key": str(folder / "api_key")}


@pytest.mark.skipif(shutil.which("curl") is None, reason="no curl here")
def test_a_node_ends_itself_with_the_accounts_key_and_shows_it_nowhere(account, tmp_path):
    (machine,) = account.buy().instances
    account.cloud.advance(1201)
    reference = InstanceRef("spheron", machine.id, machine.region, machine.token)
    recipe = plugin.arb_self_terminate(account.context(), reference)
    assert recipe.needs_account_key
    assert KEY not in recipe.command
    (tmp_path / "node" / ".spheron").mkdir(parents=True)
    (tmp_path / "node" / ".spheron" / "token").write_text(f"{KEY}\n")
    environment = {"HOME": str(tmp_path / "node"), "PATH": "/usr/bin:/bin"}
    subprocess.run(["sh", "-c", recipe.command], env=environment, check=True, timeout=30)
    assert account.cloud.ledger().alive("machine") == []


def test_ports_need_nothing(account):
    assert plugin.arb_open_ports() is None
