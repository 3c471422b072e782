"""Clusters that end by themselves when their job is done, also when the client is gone by then."""

from __future__ import annotations

from typing import TYPE_CHECKING

from arb.provision.giveback import instance_ref

if TYPE_CHECKING:
    from arb.clusters.nodes import ClusterNode, Nodes
    from arb.clusters.session import Session

__all__ = ["arm"]


def arm(session: Session, nodes: Nodes) -> None:
    """Tell every node that can to end itself once its jobs are done."""
    nodes.on_all(lambda node: _arm(session, node))


def _arm(session: Session, node: ClusterNode) -> None:
    provider = session.plugins.provider(node.machine.provider)
    if not provider.has("arb_self_terminate"):
        return
    recipe = provider.self_terminate(instance_ref(node.machine))
    if recipe is not None and not recipe.needs_account_key:
        node.agent().call("end_when_idle", command=recipe.command, idle_s=0)
