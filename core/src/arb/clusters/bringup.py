"""From running machines to nodes that take jobs: first connection, agent, configuration."""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

from arb.clusters.nodes import Nodes
from arb.clusters.refresh import LossWatch
from arb.nodes.keys import gang_key
from arb.nodes.ready import wait_ready
from arb.state.machines import update_machine
from arb.text import counted
from arb.types import Capability, PeerNetwork

if TYPE_CHECKING:
    from collections.abc import Callable

    from arb.clusters.nodes import ClusterNode
    from arb.clusters.session import Session
    from arb.errors import NodeError
    from arb.nodes.channel import SshChannel
    from arb.plugins.provider import Provider
    from arb.provision.order import Purchase
    from arb.state.clusters import ClusterRecord

__all__ = ["bring_up", "configure"]

_INSTALL_BOOT: Final = '"$HOME"/.arb/bin/arb-agent install-boot'
_BOOT_TIMEOUT_S: Final = 60.0


def bring_up(session: Session, cluster: ClusterRecord, purchase: Purchase) -> None:
    """Wait for every node's SSH server, start its agent and tell it the cluster.

    Raises:
        NodeError: A node did not come up in the provider's readiness time-out, or it is gone.
    """
    provider = session.plugins.provider(purchase.offer.provider)
    limit = session.clock.monotonic() + provider.info.readiness_timeout_s
    nodes = Nodes(session, cluster)
    _tell_limits(session, provider, len(nodes))
    session.progress.state(f"waiting for SSH on {counted(len(nodes), 'node')}")
    losses = LossWatch(session, cluster)
    nodes.on_all(lambda node: _first_contact(session, node, limit, losses.check))
    session.progress.state("starting the agents")
    boots = nodes.on_all(lambda node: node.ssh.open_channel(_INSTALL_BOOT))
    configure(session, cluster, nodes)
    for node, boot in zip(nodes.first(len(nodes)), boots, strict=True):
        _tell_boot(session, node, boot)
    session.progress.state("")


def _tell_limits(session: Session, provider: Provider, count: int) -> None:
    """Say what the user must know of this provider before relying on it."""
    if count > 1 and provider.info.peer_network is PeerNetwork.PUBLIC:
        session.progress.warn(
            f"nodes of {provider.name} reach each other over the internet: what ranks send is not "
            "encrypted unless the task does it"
        )
    if provider.can(Capability.LIVES_ON):
        return  # they are the user's own, and no bill goes on when nobody looks
    if not provider.can(Capability.SELF_TERMINATE):
        session.progress.warn(
            f"nodes of {provider.name} cannot end themselves: only an arb command ends their bill"
        )


def _tell_boot(session: Session, node: ClusterNode, boot: SshChannel) -> None:
    """Warn when the agent will not start with the machine; jobs run all the same."""
    with boot:
        said = boot.recv(4096, _BOOT_TIMEOUT_S).decode(errors="replace").strip()
        if boot.wait(_BOOT_TIMEOUT_S):
            why = said.removeprefix("arb: ") or boot.stderr_tail.decode(errors="replace").strip()
            session.progress.warn(f"{node.ssh.name}: {why}")


def _first_contact(
    session: Session, node: ClusterNode, limit: float, check: Callable[[], None]
) -> None:
    """Connect, and remember the host key as seen: from now on another one is an error."""

    def told(reason: NodeError) -> None:
        session.progress.state(f"{node.ssh.name}: {reason.summary}")

    wait_ready(node.ssh, limit, session.clock, on_wait=told, check=check)
    if node.ssh.pinned_on_first_use:
        session.progress.warn(
            f"{node.ssh.name}: its host key could not be known beforehand; "
            "the key of this first connection is trusted from now on"
        )
    machine = node.machine
    with session.store.write() as tx:
        update_machine(
            tx,
            machine.provider,
            machine.instance_id,
            host_key=node.ssh.host_key or "",
            host_key_seen=True,
        )
    node.agent()


def configure(session: Session, cluster: ClusterRecord, nodes: Nodes) -> None:
    """Tell every agent the cluster; safe to repeat."""
    offer = json.loads(cluster.offer_json)
    gang = gang_key(session.vault, cluster.id) if len(nodes) > 1 else None
    provider = session.plugins.provider(cluster.provider)
    common = {
        "cluster": cluster.name,
        "cluster_id": cluster.id,
        "num_nodes": len(nodes),
        "gpus_per_node": math.ceil(offer["accelerator_count"]),
        "nodes": [_address(node) for node in nodes.first(len(nodes))],
        "notice_probe": _probe(provider),
        "info": {
            "cluster_name": cluster.name,
            "cloud": offer["provider"],
            "region": offer["region"],
            "zone": offer["zone"],
        },
    }

    def tell(node: ClusterNode) -> None:
        own: dict[str, Any] = {"rank": node.rank}
        if gang is not None and node.rank == 0:
            own["gang_private_key"] = gang.private
        elif gang is not None:
            own["gang_public_key"] = gang.public
        node.agent().call("configure", **common, **own)

    nodes.on_all(tell)


def _address(node: ClusterNode) -> dict[str, Any]:
    """Return how peers reach a node."""
    machine = node.machine
    private = machine.private_address or machine.address or machine.ssh_host
    return {
        "rank": node.rank,
        "host": machine.ssh_host,
        "port": machine.ssh_port,
        "user": machine.ssh_user,
        "ip": private,
        "host_key": node.ssh.host_key or "",
    }


def _probe(provider: Provider) -> dict[str, Any] | None:
    if not provider.has("arb_preemption_notice"):
        return None
    probe = provider.preemption_notice()
    return None if probe is None else asdict(probe)
