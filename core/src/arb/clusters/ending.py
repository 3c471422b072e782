"""Clusters that end by themselves when their job is done, also when the client is gone by then."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from arb.errors import NoOfferError
from arb.provision.giveback import instance_ref
from arb.types import Capability

if TYPE_CHECKING:
    from arb.clusters.nodes import ClusterNode, Nodes
    from arb.clusters.session import Session
    from arb.optimizer import Ranking

__all__ = ["arm", "only_self_ending"]


def only_self_ending(session: Session, ranking: Ranking) -> Ranking:
    """Return the offers whose nodes can end their own billing.

    Raises:
        NoOfferError: None can.
    """
    able = Capability.SELF_TERMINATE
    offers = tuple(o for o in ranking.offers if session.plugins.provider(o.provider).can(able))
    if not offers:
        names = ", ".join(sorted({offer.provider for offer in ranking.offers}))
        raise NoOfferError(
            f"nodes of {names} cannot end by themselves",
            code="no-self-terminate",
            hint="leave --detach out: then this command ends the cluster",
        )
    removed = len(ranking.offers) - len(offers)
    return replace(ranking, offers=offers, rejected={**ranking.rejected, "--down": removed})


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
