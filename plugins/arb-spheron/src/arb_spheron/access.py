"""Reaching a machine, and what it would need to end itself."""

from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING, Final

from arb.errors import ProviderUnavailable
from arb.types import SelfTerminate, SshEndpoint
from arb_spheron.credentials import KEY_FILES, key_file
from arb_spheron.settings import read_settings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from arb.types import Instance, InstanceRef, ProviderContext

__all__ = ["credential_mounts", "self_terminate", "ssh_endpoint"]

# The key is found in a file and goes through standard input: no argument list ever shows it.
# Refused for the first twenty minutes, and perhaps for a minute of bad network: so it is repeated.
_COMMAND: Final = (
    "key=$(cat {files} 2>/dev/null | grep -o 'sai_pk_[A-Za-z0-9_-]*' | head -n 1); "
    "for try in $(seq 60); do "
    """printf 'header = "Authorization: Bearer %s"\\n' "$key" | """
    "curl -fsS -m 60 -K - -X DELETE {url} && break; sleep 60; done"
)


def ssh_endpoint(instance: Instance) -> SshEndpoint:
    """Return where the SSH server of a running machine is."""
    if not instance.address:
        summary = f"spheron: {instance.id} has no address yet"
        raise ProviderUnavailable(summary, code="spheron-no-address")
    facts = json.loads(instance.payload or "{}")
    return SshEndpoint(instance.address, facts.get("port", 22), facts.get("user", "ubuntu"))


def credential_mounts(context: ProviderContext) -> Mapping[str, str]:
    """Return the key file, where there is one: a key in the environment stays there."""
    path = key_file(context.home)
    return {f"~/.spheron/{path.name}": str(path)} if path else {}


def self_terminate(context: ProviderContext, instance: InstanceRef) -> SelfTerminate:
    """Return a command that calls the API with the account's key, out of its file on the node."""
    names = [f"{home}/{name}" for home in ('"$HOME"', "/home/*") for name in KEY_FILES]
    url = f"{read_settings(context).api_url}/api/deployments/{instance.id}"
    command = _COMMAND.format(files=" ".join(names), url=shlex.quote(url))
    return SelfTerminate(command, needs_account_key=True)
