"""Buy a cluster: write its record, walk along the plan's offers, and bring the machines up."""

from __future__ import annotations

from typing import TYPE_CHECKING

from arb.clusters import bringup
from arb.clusters.orders import Orders
from arb.clusters.sshaccess import publish
from arb.nodes.keys import forget_gang_key
from arb.provision.giveback import end_cluster, finish
from arb.provision.patience import buy_patiently
from arb.provision.placing import AbandonedPurchase
from arb.state.clusters import (
    ClusterRecord,
    ClusterStatus,
    get_by_id,
    insert_cluster,
    update_cluster,
)
from arb.state.leases import LeaseLost
from arb.types.tokens import new_id

if TYPE_CHECKING:
    from collections.abc import Callable

    from arb.clusters.launch import Plan
    from arb.clusters.session import Session
    from arb.provision.agreement import Rise
    from arb.provision.order import Purchase
    from arb.provision.shop import Shop

__all__ = ["buy_cluster"]


def buy_cluster(
    session: Session, shop: Shop, plan: Plan, agree: Callable[[Rise], bool]
) -> ClusterRecord:
    """Buy the nodes of a plan and bring them up; return the cluster, which is up.

    Args:
        session: Of this process.
        shop: The means, under the cluster's lease.
        plan: What to buy.
        agree: Puts a price that rose to the user.

    Raises:
        ArbError: As ``buy_patiently``. Everything is being given back.
    """
    record = _insert(session, shop, plan)
    try:
        if plan.terms.try_blocked:
            shop.blocklist.forget()
        orders = Orders(session, plan, record, agree)
        buy_patiently(
            shop,
            orders.first(),
            lambda purchase: _bring_up(session, shop, record, purchase),
            orders.again if plan.terms.retry_until_up else None,
        )
        shop.journal.check_wanted(record.id)
        up = _update(shop, record, status=ClusterStatus.UP, ready_at=session.store.now())
    except AbandonedPurchase:
        end_cluster(shop, record.id)  # a wish, which the next command carries out
        raise
    except BaseException:
        session.progress.state("")
        _give_back(shop, record)
        raise
    publish(session)
    return up


def _give_back(shop: Shop, record: ClusterRecord) -> None:
    """End what was made, unless another process took that over; tell what goes on costing money."""
    try:
        for machine in finish(shop, record.id):
            why = machine.terminate_detail or "the provider has not confirmed it yet"
            price = f"${machine.price_usd_hour:.2f} an hour"
            shop.progress.warn(f"{machine.key} ends later and costs {price} until then: {why}")
    except LeaseLost:
        shop.progress.warn(f"another command took cluster {record.name} over and ends it")
        _forget_key(shop, record.id)


def _forget_key(shop: Shop, cluster_id: str) -> None:
    """Forget a key that was made after the other process had forgotten the cluster's."""
    now = get_by_id(shop.journal.store, cluster_id)
    if now is not None and now.status is ClusterStatus.GONE:
        forget_gang_key(shop.vault, cluster_id)


def _bring_up(session: Session, shop: Shop, record: ClusterRecord, purchase: Purchase) -> None:
    offer = purchase.offer
    bought = _update(
        shop, record, provider=offer.provider, region=offer.region, offer_json=offer.to_json()
    )
    bringup.bring_up(session, bought, purchase)


def _insert(session: Session, shop: Shop, plan: Plan) -> ClusterRecord:
    record = ClusterRecord(
        id=new_id(),
        name=plan.cluster,
        status=ClusterStatus.INIT,
        created_at=session.store.now(),
        num_nodes=plan.num_nodes,
        task_json=plan.task.model_dump_json(exclude={"secrets"}),
    )
    with shop.journal.write() as tx:
        insert_cluster(tx, record)
    return record


def _update(shop: Shop, record: ClusterRecord, **changes: object) -> ClusterRecord:
    with shop.journal.write() as tx:
        changed = update_cluster(tx, record.id, **changes)  # type: ignore[arg-type]  # typed by the callee
    return changed or record
