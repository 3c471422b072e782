"""Clusters that end by themselves after their job, even if the client is gone by then."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from arb.provision.records import instance_ref
from arb.state.clusters import update_cluster
from arb.types import Capability

if TYPE_CHECKING:
    from arb.clusters.nodes import ClusterNode, Nodes
    from arb.clusters.session import Session
    from arb.state.clusters import ClusterRecord

__all__ = ["arm", "can_end_itself"]

_RULE: Final = json.dumps({"down": True, "idle_s": 0})


def can_end_itself(session: Session, cluster: ClusterRecord) -> bool:
    """Say whether the nodes of a cluster can end their own billing, with nobody there."""
    return session.plugins.provider(cluster.provider).can(Capability.SELF_TERMINATE)


def arm(session: Session, nodes: Nodes) -> None:
    """Tell every node that can to end itself once its jobs are done.

    That they were told is on disk first: what such a node leaves when it ended, for instance a
    stopped machine with its disk, is then given back by the reaper.
    """
    with session.store.write() as tx:
        update_cluster(tx, nodes.cluster.id, autostop_json=_RULE)
    nodes.on_all(lambda node: _arm(session, node))


def _arm(session: Session, node: ClusterNode) -> None:
    provider = session.plugins.provider(node.machine.provider)
    if not provider.has("arb_self_terminate"):
        return
    recipe = provider.self_terminate(instance_ref(node.machine))
    if recipe is not None and not recipe.needs_account_key:
        node.agent().call("end_when_idle", command=recipe.command, idle_s=0)
