"""Buying a cluster: its record, the walk over the plan's offers, and the way up."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from arb.clusters import bringup
from arb.clusters.catalog import Wanted, ranked_offers
from arb.clusters.sshaccess import publish
from arb.errors import NoOfferError
from arb.provision.agreement import Agreement
from arb.provision.giveback import finish
from arb.provision.order import Extras, Order
from arb.provision.patience import buy_patiently
from arb.state.clusters import ClusterRecord, ClusterStatus, insert_cluster, update_cluster
from arb.state.leases import LeaseLost
from arb.state.tokens import new_id

if TYPE_CHECKING:
    from collections.abc import Callable

    from arb.clusters.launch import Plan
    from arb.clusters.session import Session
    from arb.optimizer import Ranking
    from arb.provision.agreement import Rise
    from arb.provision.order import Purchase
    from arb.provision.shop import Shop
    from arb.tasks import Task
    from arb.types import Offer

__all__ = ["Terms", "buy_cluster", "find_offers"]


@dataclass(frozen=True, slots=True)
class Terms:
    """How to buy.

    Attributes:
        max_slippage: How far a price may rise between planning and buying, 0.05 is five percent;
            None takes the configured one.
        retry_until_up: When nothing can be bought, wait and go round again.
        try_blocked: Also try what an earlier refusal keeps out.
        self_ending: Only offers whose nodes can end themselves.
        objective: What the best offer is; empty takes the configured one.
        near: Client regions for the objective ``latency``; empty takes the configured ones.
    """

    max_slippage: float | None = None
    retry_until_up: bool = False
    try_blocked: bool = False
    self_ending: bool = False
    objective: str = ""
    near: tuple[str, ...] = ()


def find_offers(session: Session, task: Task, terms: Terms) -> Ranking:
    """Return what can be bought for a task; empty when that is nothing now and can be waited for.

    Raises:
        NoOfferError: As ``ranked_offers``.
    """
    from arb.optimizer import Ranking

    try:
        wanted = Wanted(
            buying=True,
            self_ending=terms.self_ending,
            objective=terms.objective,
            near=terms.near,
        )
        return ranked_offers(session, task, wanted)
    except NoOfferError as error:
        if not (terms.retry_until_up and error.code == "sold-out"):
            raise
        session.progress.step(error.summary)
        return Ranking(())


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
        agreement = Agreement(plan.usd_hour, _slippage(session, plan), agree)
        orders = _Orders(session, plan, record, agreement)
        buy_patiently(
            shop,
            orders.first(),
            lambda purchase: _bring_up(session, shop, record, purchase),
            orders.again if plan.terms.retry_until_up else None,
        )
        shop.journal.check_wanted(record.id)
        up = _update(shop, record, status=ClusterStatus.UP, ready_at=session.store.now())
    except BaseException:
        session.progress.state("")
        _give_back(shop, record)
        raise
    publish(session)
    return up


class _Orders:
    """What is asked of the walk, round after round."""

    def __init__(
        self, session: Session, plan: Plan, record: ClusterRecord, agreement: Agreement
    ) -> None:
        self._session = session
        self._plan = plan
        self._record = record
        self._agreement = agreement

    def first(self) -> Order:
        """Return the order of the plan's own offers."""
        return self._order(self._plan.ranking)

    def again(self) -> Order:
        """Return the order of what is offered now."""
        plan = self._plan
        return self._order(find_offers(self._session, plan.task, plan.terms))

    def _order(self, ranking: Ranking | None) -> Order:
        plan = self._plan
        return Order(
            cluster=self._record.name,
            cluster_id=self._record.id,
            offers=ranking.offers if ranking else (),
            count=plan.num_nodes,
            authorized_key=self._session.client_key.public,
            extras=partial(_extras, ranking),
            standing=ranking.standing if ranking else None,
            bringup_timeout_s=self._session.config.bringup_timeout * 60,
            agreement=self._agreement,
        )


def _slippage(session: Session, plan: Plan) -> float:
    if plan.terms.max_slippage is not None:
        return plan.terms.max_slippage
    return session.config.max_slippage / 100


def _give_back(shop: Shop, record: ClusterRecord) -> None:
    """End what was made, unless another process took that over."""
    try:
        finish(shop, record.id)
    except LeaseLost:
        shop.progress.warn(f"another command took cluster {record.name} over and ends it")


def _extras(ranking: Ranking | None, offer: Offer) -> Extras:
    """Return what the alternative of the task that an offer satisfies asks for besides."""
    if ranking is None:
        return Extras()
    wanted = ranking.alternative_of(offer)
    return Extras(
        ports=wanted.ports,
        labels=wanted.labels,
        disk_gib=wanted.disk_gib,
        image=wanted.images.get(offer.region, wanted.images.get("", "")),
    )


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
