"""Launch: use the cluster of that name or buy one, bring its nodes up, hand the job over."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from arb.clusters import names
from arb.clusters.announce import announce, ask_policies
from arb.clusters.buying import buy_cluster
from arb.clusters.catalog import placed
from arb.clusters.ending import arm
from arb.clusters.fit import check_fits
from arb.clusters.jobs import Launched, check_workdir, submit
from arb.clusters.lock import cluster_lock
from arb.clusters.nodes import Nodes
from arb.clusters.orders import Terms, find_offers
from arb.clusters.ownkeys import refuse_own_keys
from arb.clusters.reaping import reap_along
from arb.clusters.refresh import how_to_go_on, lost_nodes, stopped_nodes
from arb.errors import NoOfferError, UsageError
from arb.provision.giveback import finish
from arb.provision.resume import has_unfinished, resume
from arb.state.clusters import (
    ClusterRecord,
    ClusterStatus,
    get_by_id,
    get_cluster,
)
from arb.text import counted

if TYPE_CHECKING:
    from collections.abc import Callable

    from arb.clusters.session import Session
    from arb.optimizer import Ranking
    from arb.provision.agreement import Rise
    from arb.provision.shop import Shop
    from arb.tasks import Task

__all__ = ["Plan", "Terms", "Wish", "plan_launch", "run_launch"]


@dataclass(frozen=True, slots=True)
class Wish:
    """What the user asked for.

    Attributes:
        task: Resolved.
        cluster: Name; empty takes a new one.
        down: Terminate the cluster when the job has ended.
        detach: Nobody will be there to do that: its nodes must do it themselves.
        terms: How to buy.
    """

    task: Task
    cluster: str = ""
    down: bool = False
    detach: bool = False
    terms: Terms = field(default_factory=Terms)


@dataclass(frozen=True, slots=True)
class Plan:
    """What a launch will do. ``ranking`` is None when a cluster is used that is up already.

    ``usd_hour`` is what is added to the bill by the best offer, all nodes together. With
    ``retry_until_up`` the ranking may be empty: nothing that will do is available now.
    """

    task: Task
    cluster: str
    num_nodes: int
    ranking: Ranking | None
    usd_hour: float
    down: bool = False
    terms: Terms = field(default_factory=Terms)

    @property
    def waits(self) -> bool:
        """Whether nothing can be bought now, and the launch will wait until something can."""
        return self.ranking is not None and not len(self.ranking.offers)


def plan_launch(session: Session, wish: Wish) -> Plan:
    """Find out what a launch would buy, without buying.

    Where nothing is left because a launch that died still has it, that is given back first.

    Raises:
        UsageError: The name or the task does not fit the cluster that is up.
        NoOfferError: As ``ranked_offers``.
    """
    task = placed(session, wish.task)
    ask_policies(session, task)
    if task.folder:
        check_workdir(task.folder)
    refuse_own_keys(task, session.user_home, session.home.root)
    cluster = names.check_name(wish.cluster or names.new_name(task.name))
    named = replace(wish, task=task, cluster=cluster)
    try:
        return _plan(session, named)
    except NoOfferError:
        if not has_unfinished(session.store):
            raise
    _give_back_rest(session, cluster)
    return _plan(session, named)


def _plan(session: Session, wish: Wish) -> Plan:
    task, cluster = wish.task, wish.cluster
    record = get_cluster(session.store, cluster)
    if record is not None and _is_usable(session, record):
        check_fits(task, record)
        return Plan(task, cluster, task.num_nodes, None, 0.0, wish.down)
    terms = replace(wish.terms, self_ending=wish.down and wish.detach)
    ranking = find_offers(session, task, terms)
    best = ranking.offers[0].price_usd_hour if len(ranking.offers) else 0.0
    return Plan(task, cluster, task.num_nodes, ranking, best * task.num_nodes, wish.down, terms)


def _give_back_rest(session: Session, cluster: str) -> None:
    """End what launches that died left half made, under this name and others."""
    with cluster_lock(session, cluster) as lease:
        resume(session.shop, busy=cluster)
        record = get_cluster(session.store, cluster)
        if record is not None and record.status is not ClusterStatus.UP:
            _clear_away(session, session.shop.under(lease), record)


def run_launch(
    session: Session, plan: Plan, agree: Callable[[Rise], bool] = lambda _: True
) -> Launched:
    """Carry a plan out.

    Two launches of one name at once get one cluster: the second waits for the first and then uses
    what it made.

    Args:
        session: Of this process.
        plan: What to do.
        agree: Puts it to the user when the best price has risen since it was planned.

    Raises:
        ArbError: Whatever went wrong. What was bought and cannot be used is being given back.
    """
    try:
        with cluster_lock(session, plan.cluster) as lease:
            resume(session.shop, busy=plan.cluster)
            reap_along(session, plan.ranking.offers if plan.ranking else None)
            shop = session.shop.under(lease)
            record, bought = _ensure_up(session, shop, plan, agree)
            job_id = _hand_over(session, shop, plan, record, bought=bought)
    finally:
        announce(session)
    return Launched(get_by_id(session.store, record.id) or record, job_id, bought)


def _ensure_up(
    session: Session, shop: Shop, plan: Plan, agree: Callable[[Rise], bool]
) -> tuple[ClusterRecord, bool]:
    record = get_cluster(session.store, plan.cluster)
    if record is not None and _is_usable(session, record, told=plan.ranking is not None):
        check_fits(plan.task, record)
        session.progress.step(f"Using cluster {record.name}, which is up")
        return record, False
    if record is not None:
        _clear_away(session, shop, record)
    if plan.ranking is None:
        summary = f"cluster {plan.cluster} ended meanwhile"
        raise UsageError(summary, code="cluster-ended", hint="launch again to buy a new one")
    return buy_cluster(session, shop, plan, agree), True


def _is_usable(session: Session, record: ClusterRecord, *, told: bool = False) -> bool:
    """Say whether a cluster is up with all its nodes; tell which are gone unless that was told.

    Raises:
        UsageError: Its nodes are stopped. What is on their disks is not thrown away unasked.
    """
    if record.status is not ClusterStatus.UP:
        return False
    lost = lost_nodes(session, record)
    for machine in lost if not told else ():
        why = machine.reason.value or machine.detail
        session.progress.step(f"{record.name} lost rank {machine.rank} ({why}): to be replaced")
    if not lost and stopped_nodes(session, record):
        summary = f"cluster {record.name} is stopped"
        raise UsageError(summary, code="cluster-stopped", hint=how_to_go_on(record))
    return not lost


def _clear_away(session: Session, shop: Shop, record: ClusterRecord) -> None:
    """End what an interrupted launch or an unfinished down left under this name."""
    session.progress.step(f"Ending what is left of cluster {record.name} first")
    left = finish(shop, record.id)
    after = get_by_id(session.store, record.id)
    if left or (after is not None and after.status is not ClusterStatus.GONE):
        what = counted(len(left), "machine") if left else "rules, groups or disks"
        summary = f"cluster {record.name} still has {what} ending later"
        hint = "use another name, or wait; see: arb status"
        raise UsageError(summary, code="cluster-ending", hint=hint)


def _hand_over(
    session: Session, shop: Shop, plan: Plan, record: ClusterRecord, *, bought: bool
) -> int:
    """Copy the workdir and submit setup and run as one job.

    A cluster that was bought for a job that cannot begin ends at once if it was to end with it.
    """
    if not (plan.task.run or plan.task.setup or plan.task.folder):
        return 0
    try:
        nodes = Nodes(session, record)
        number = submit(session, nodes, plan.task, with_setup=True)
        if plan.down:
            arm(session, nodes)
    except BaseException:
        if bought:
            _end_or_tell(session, shop, plan, record)
        raise
    return number


def _end_or_tell(session: Session, shop: Shop, plan: Plan, record: ClusterRecord) -> None:
    if plan.down:
        finish(shop, record.id)
    else:
        session.progress.warn(f"cluster {record.name} is up; end it with: arb down {record.name}")
