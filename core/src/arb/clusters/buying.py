"""Buying a cluster: its record, the walk over the plan's offers, and the way up."""

from __future__ import annotations

from typing import TYPE_CHECKING

from arb.clusters import bringup
from arb.clusters.sshaccess import publish
from arb.provision.giveback import finish
from arb.provision.order import Extras, Order
from arb.provision.walk import buy
from arb.state.clusters import ClusterRecord, ClusterStatus, insert_cluster, update_cluster
from arb.state.tokens import new_id

if TYPE_CHECKING:
    from arb.clusters.launch import Plan
    from arb.clusters.session import Session
    from arb.provision.order import Purchase

__all__ = ["buy_cluster"]


def buy_cluster(session: Session, plan: Plan) -> ClusterRecord:
    """Buy the nodes of a plan and bring them up; return the cluster, which is up.

    Raises:
        ArbError: As ``buy``. Everything is being given back.
    """
    record = _insert(session, plan)
    try:
        order = Order(
            cluster=record.name,
            cluster_id=record.id,
            offers=plan.ranking.offers if plan.ranking else (),
            count=plan.num_nodes,
            authorized_key=session.client_key.public,
            extras=lambda _: Extras(ports=plan.task.resources.ports),
            bringup_timeout_s=session.config.bringup_timeout * 60,
        )
        buy(session.shop, order, lambda purchase: _bring_up(session, record, purchase))
        session.journal.check_wanted(record.id)
        up = _update(session, record, status=ClusterStatus.UP, ready_at=session.store.now())
    except BaseException:
        session.progress.state("")
        finish(session.shop, record.id)
        raise
    publish(session)
    return up


def _bring_up(session: Session, record: ClusterRecord, purchase: Purchase) -> None:
    offer = purchase.offer
    bought = _update(
        session, record, provider=offer.provider, region=offer.region, offer_json=offer.to_json()
    )
    bringup.bring_up(session, bought, purchase)


def _insert(session: Session, plan: Plan) -> ClusterRecord:
    record = ClusterRecord(
        id=new_id(),
        name=plan.cluster,
        status=ClusterStatus.INIT,
        created_at=session.clock.now(),
        num_nodes=plan.num_nodes,
        task_json=plan.task.model_dump_json(exclude={"secrets"}),
    )
    with session.store.write() as tx:
        insert_cluster(tx, record)
    return record


def _update(session: Session, record: ClusterRecord, **changes: object) -> ClusterRecord:
    with session.store.write() as tx:
        changed = update_cluster(tx, record.id, **changes)  # type: ignore[arg-type]  # typed by the callee
    return changed or record
