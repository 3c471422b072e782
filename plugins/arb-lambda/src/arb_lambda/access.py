"""Reaching a machine, and what it would need to end itself."""

from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING, Final

from arb.errors import ProviderUnavailable
from arb.types import SelfTerminate, SshEndpoint
from arb_lambda.credentials import KEY_FILE, key_file
from arb_lambda.settings import read_settings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from arb.types import Instance, InstanceRef, ProviderContext

__all__ = ["credential_mounts", "self_terminate", "ssh_endpoint"]

# The key is found in its file and goes through standard input: no argument list ever shows it.
_COMMAND: Final = (
    "key=$(cat @FILES@ 2>/dev/null | sed -n"
    r" -e 's/^[[:space:]]*api_key[[:space:]]*=[[:space:]]*\([^[:space:]]*\)[[:space:]]*$/\1/p'"
    r" -e 's/^[[:space:]]*\([^[:space:]=]*\)[[:space:]]*$/\1/p'"
    """ | tr -d "\\"'" | grep -m 1 .); """
    "for try in $(seq 60); do "
    """printf 'header = "Authorization: Bearer %s"\\n' "$key" | """
    "curl -fsS -m 60 -K - -H 'Content-Type: application/json' -d @BODY@ @URL@ && break; "
    "sleep 60; done"
)


def ssh_endpoint(context: ProviderContext, instance: Instance) -> SshEndpoint:
    """Return where the SSH server of a running machine is."""
    if not instance.address:
        summary = f"lambda: {instance.id} has no address yet"
        raise ProviderUnavailable(summary, code="lambda-no-address")
    settings = read_settings(context)
    return SshEndpoint(instance.address, settings.ssh_port, settings.ssh_user)


def credential_mounts(context: ProviderContext) -> Mapping[str, str]:
    """Return the key file, where there is one: a key in the environment stays there."""
    path = key_file(context.home)
    return {f"~/{KEY_FILE}": str(path)} if path else {}


def self_terminate(context: ProviderContext, instance: InstanceRef) -> SelfTerminate:
    """Return a command that calls the API with the account's key, out of its file on the node."""
    files = " ".join(f"{home}/{KEY_FILE}" for home in ('"$HOME"', "/home/*"))
    url = f"{read_settings(context).api_url}/api/v1/instance-operations/terminate"
    body = json.dumps({"instance_ids": [instance.id]})
    parts = {"@FILES@": files, "@BODY@": shlex.quote(body), "@URL@": shlex.quote(url)}
    command = _COMMAND
    for mark, text in parts.items():
        command = command.replace(mark, text)
    return SelfTerminate(command, needs_account_key=True)
