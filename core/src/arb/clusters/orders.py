"""What the walk is asked to buy in each round: the offers of a task, and its terms."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

from arb.catalog.refresh import refresh
from arb.catalog.store import open_catalog
from arb.clusters.catalog import Wanted, alternatives_of, ranked_offers
from arb.clusters.prices import worth_going_on_with
from arb.errors import NoOfferError
from arb.provision.agreement import Agreement
from arb.provision.order import Extras, Order

if TYPE_CHECKING:
    from collections.abc import Callable

    from arb.clusters.launch import Plan
    from arb.clusters.session import Session
    from arb.optimizer import Ranking
    from arb.provision.agreement import Rise
    from arb.state.clusters import ClusterRecord
    from arb.tasks import Task
    from arb.types import Offer

__all__ = ["Orders", "Terms", "find_offers"]

_FRESH_S: Final = 60.0
"""Prices older than this are read again before another round: what was sold out may not be."""


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


class Orders:
    """What is asked of the walk for one cluster.

    Args:
        session: Of this process.
        plan: What was planned.
        record: The cluster.
        agree: Puts a price that rose to the user.
    """

    def __init__(
        self, session: Session, plan: Plan, record: ClusterRecord, agree: Callable[[Rise], bool]
    ) -> None:
        self._session = session
        self._plan = plan
        self._record = record
        self._agreement = Agreement(plan.usd_hour, _slippage(session, plan.terms), agree)

    def first(self) -> Order:
        """Return the order of the plan's own offers."""
        return self._order(self._plan.ranking)

    def again(self) -> Order:
        """Return the order of what is offered now.

        Raises:
            NoOfferError: Nothing is now.
        """
        plan = self._plan
        _read_again(self._session, plan.task)
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
            nearby="; ".join(ranking.nearby) if ranking else "",
        )


def _slippage(session: Session, terms: Terms) -> float:
    if terms.max_slippage is not None:
        return terms.max_slippage
    return session.config.max_slippage / 100


def _read_again(session: Session, task: Task) -> None:
    """Ask whoever may sell to this task for prices and stock of now, unless that was just done."""
    alternatives = alternatives_of(session, task)
    named = {each.provider for each in alternatives if each.provider}
    others = not all(each.provider for each in alternatives)
    with open_catalog(session.home.catalog_db, session.plugins.provider_names()) as catalog:
        rows = catalog.providers()
    before = session.clock.now() - _FRESH_S
    due = [
        row.name
        for row in rows
        if row.tried_at <= before and (row.name in named or (others and not row.owned))
    ]
    if due:
        path, state = session.home.catalog_db, session.progress.state
        enough = worth_going_on_with(named)
        refresh(session.plugins, path, due, clock=session.clock, state=state, enough=enough)


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
