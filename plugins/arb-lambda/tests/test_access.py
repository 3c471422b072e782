"""Reaching a machine, and what it would need to end itself."""

from __future__ import annotations

import shutil
import subprocess

import pytest
from clouds.lambda_cloud import KEY

from arb.errors import ProviderUnavailable
from arb.types import Instance, InstanceRef, InstanceState, SshEndpoint
from arb_lambda import plugin


def instance(address=""):
    return Instance("lambda", "x", "us-east-1", InstanceState.RUNNING, address=address)


def test_machines_are_reached_as_their_image_says(account):
    account.options = {}
    found = plugin.arb_ssh_ports(account.context(), instance("192.0.2.7"))
    assert found == SshEndpoint("192.0.2.7", 22, "ubuntu")
    account.options = {"ssh_port": 2200, "ssh_user": "ml"}
    found = plugin.arb_ssh_ports(account.context(), instance("192.0.2.7"))
    assert found == SshEndpoint("192.0.2.7", 2200, "ml")


def test_without_an_address_it_is_asked_again(account):
    with pytest.raises(ProviderUnavailable, match="no address yet"):
        plugin.arb_ssh_ports(account.context(), instance())


def test_only_the_key_file_is_mounted(account):
    assert plugin.arb_credential_mounts(account.context()) == {}
    folder = account.context().home / ".lambda_cloud"
    folder.mkdir()
    (folder / "lambda_keys").write_text(f"api_key = {KEY}\n")
    mounts = plugin.arb_credential_mounts(account.context())
    assert mounts == {"~/.lambda_cloud/lambda_keys": str(folder / "lambda_keys")}


@pytest.mark.skipif(shutil.which("curl") is None, reason="no curl here")
@pytest.mark.parametrize(
    "text", [f"ssh_key_name = x\napi_key = {KEY}\n", f'api_key="{KEY}"', f"\n{KEY}\n"]
)
def test_a_node_ends_itself_with_the_accounts_key_and_shows_it_nowhere(account, tmp_path, text):
    account.cloud.configure(calls_per_s=0)
    (machine,) = account.buy().instances
    reference = InstanceRef("lambda", machine.id, machine.region, machine.token)
    recipe = plugin.arb_self_terminate(account.context(), reference)
    assert recipe.needs_account_key
    assert KEY not in recipe.command
    (tmp_path / "node" / ".lambda_cloud").mkdir(parents=True)
    (tmp_path / "node" / ".lambda_cloud" / "lambda_keys").write_text(text)
    environment = {"HOME": str(tmp_path / "node"), "PATH": "/usr/bin:/bin"}
    subprocess.run(["sh", "-c", recipe.command], env=environment, check=True, timeout=30)
    assert account.cloud.ledger().alive("machine") == []
