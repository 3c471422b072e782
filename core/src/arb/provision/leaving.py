"""Remove what is ours from machines that live on, before they are given back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from arb.errors import NodeError
from arb.nodes.keys import client_key
from arb.types import Capability, Instance, InstanceState

if TYPE_CHECKING:
    from arb.nodes.ssh import SshNode
    from arb.plugins.provider import Provider
    from arb.provision.shop import Shop
    from arb.state.machines import Machine

__all__ = ["RETRY_S", "clear"]

RETRY_S: Final = 35.0
"""A machine that could not be cleared is tried again after so long: it may be down for days."""
_CONNECT_S: Final = 8.0
_REFUSED: Final = "login-refused"


def clear(shop: Shop, provider: Provider, machine: Machine) -> None:
    """End our jobs on a machine that lives on, and take agent, keys and files off it.

    Nothing is done to machines of other providers, and to one that never let us in and does not now:
    there nothing of ours can be. Repeating it is fine.

    Raises:
        NodeError: It could not be reached, or something of it still runs: it must not be given
            back yet, because whoever takes it next would find our jobs there.
        ArbError: The provider cannot say where it is.
    """
    if not provider.can(Capability.LIVES_ON):
        return
    try:
        with _node(shop, provider, machine) as node:
            for line in _removed(node):
                shop.progress.warn(f"{machine.key}: {line}")
    except NodeError as error:
        if machine.host_key_seen or error.code != _REFUSED:
            raise


def _node(shop: Shop, provider: Provider, machine: Machine) -> SshNode:
    """Return how a machine is reached now: its provider knows better than the record."""
    from arb.nodes.ssh import SshNode

    endpoint = provider.ssh_ports(_as_instance(machine))
    key = endpoint.host_key or machine.host_key
    return SshNode(
        endpoint,
        client_key(shop.vault, shop.journal.store.owner()),
        key or None,
        host_key_seen=bool(key),
        name=machine.key,
        connect_timeout_s=_CONNECT_S,
    )


def _removed(node: SshNode) -> list[str]:
    from arb.nodes.removal import remove_agent

    return remove_agent(node)


def _as_instance(machine: Machine) -> Instance:
    return Instance(
        machine.provider,
        machine.instance_id,
        machine.region,
        InstanceState.RUNNING,
        token=machine.token,
        zone=machine.zone,
        address=machine.address,
        private_address=machine.private_address,
        instance_type=machine.instance_type,
        payload=machine.handle,
    )
