"""Launching: use the cluster of that name, or buy one; bring its nodes up; hand the job over."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from arb.clusters import names
from arb.clusters.announce import announce, ask_policies
from arb.clusters.catalog import placed, ranked_offers
from arb.clusters.ending import arm, only_self_ending
from arb.clusters.jobs import Launched, check_workdir, submit
from arb.clusters.lock import cluster_lock
from arb.clusters.nodes import Nodes
from arb.clusters.refresh import lost_nodes
from arb.errors import UsageError
from arb.state.clusters import (
    ClusterRecord,
    ClusterStatus,
    get_by_id,
    get_cluster,
    insert_cluster,
    update_cluster,
)
from arb.state.tokens import new_id
from arb.text import counted

if TYPE_CHECKING:
    from arb.clusters.session import Session
    from arb.optimizer import Ranking
    from arb.provision.order import Purchase
    from arb.tasks import Task

__all__ = ["Plan", "Wish", "plan_launch", "run_launch"]


@dataclass(frozen=True, slots=True)
class Wish:
    """What the user asked for.

    Attributes:
        task: Resolved.
        cluster: Name; empty takes a new one.
        down: Terminate the cluster when the job has ended.
        detach: Nobody will be there to do that: its nodes must do it themselves.
    """

    task: Task
    cluster: str = ""
    down: bool = False
    detach: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """What a launch will do. ``ranking`` is None when a cluster is used that is up already.

    ``usd_hour`` is what is added to the bill by the best offer, all nodes together.
    """

    task: Task
    cluster: str
    num_nodes: int
    ranking: Ranking | None
    usd_hour: float
    down: bool = False


def plan_launch(session: Session, wish: Wish) -> Plan:
    """Find out what a launch would buy, without buying.

    Raises:
        UsageError: The name or the task does not fit the cluster that is up.
        NoOfferError: As ``ranked_offers``.
    """
    task = placed(session, wish.task)
    ask_policies(session, task)
    if task.workdir:
        check_workdir(task.workdir)
    cluster = wish.cluster or names.new_name(task.name)
    record = get_cluster(session.store, names.check_name(cluster))
    if record is not None and _is_usable(session, record):
        _check_fits(task, record)
        return Plan(task, cluster, task.num_nodes, None, 0.0, wish.down)
    ranking = ranked_offers(session, task)
    if wish.down and wish.detach:
        ranking = only_self_ending(session, ranking)
    usd_hour = ranking.offers[0].price_usd_hour * task.num_nodes
    return Plan(task, cluster, task.num_nodes, ranking, usd_hour, wish.down)


def run_launch(session: Session, plan: Plan) -> Launched:
    """Carry a plan out.

    Two launches of one name at once get one cluster: the second waits for the first and then uses
    what it made.

    Raises:
        ArbError: Whatever went wrong. What was bought and cannot be used is being given back.
    """
    from arb.provision.resume import resume

    try:
        with cluster_lock(session, plan.cluster):
            resume(session.shop, busy=plan.cluster)
            record, bought = _ensure_up(session, plan)
            job_id = _hand_over(session, plan, Nodes(session, record))
    except KeyboardInterrupt:
        _tell_what_is_up(session, plan.cluster)
        raise
    finally:
        announce(session)
    return Launched(get_by_id(session.store, record.id) or record, job_id, bought)


def _tell_what_is_up(session: Session, name: str) -> None:
    """After Ctrl-C: a cluster that was up by then stays, and is paid for."""
    record = get_cluster(session.store, name)
    if record is not None and record.status is ClusterStatus.UP:
        session.progress.warn(f"cluster {name} is up and stays; end it with: arb down {name}")


def _ensure_up(session: Session, plan: Plan) -> tuple[ClusterRecord, bool]:
    record = get_cluster(session.store, plan.cluster)
    if record is not None and _is_usable(session, record):
        _check_fits(plan.task, record)
        session.progress.step(f"Using cluster {record.name}, which is up")
        return record, False
    if record is not None:
        _clear_away(session, record)
    if plan.ranking is None:
        summary = f"cluster {plan.cluster} ended meanwhile"
        raise UsageError(summary, code="cluster-ended", hint="launch again to buy a new one")
    return _buy(session, plan), True


def _is_usable(session: Session, record: ClusterRecord) -> bool:
    """Say whether a cluster is up with all its nodes; tell which are gone."""
    if record.status is not ClusterStatus.UP:
        return False
    lost = lost_nodes(session, record)
    for machine in lost:
        why = machine.reason.value or machine.detail
        session.progress.step(f"{record.name} lost rank {machine.rank} ({why}): to be replaced")
    return not lost


def _clear_away(session: Session, record: ClusterRecord) -> None:
    """End what an interrupted launch or an unfinished down left under this name."""
    from arb.provision.giveback import finish

    session.progress.step(f"Cluster {record.name} was left {record.status}: ending it first")
    left = finish(session.shop, record.id)
    if left:
        summary = f"cluster {record.name} still has {counted(len(left), 'machine')} ending later"
        hint = "use another name, or wait; see: arb status"
        raise UsageError(summary, code="cluster-ending", hint=hint)


def _buy(session: Session, plan: Plan) -> ClusterRecord:
    from arb.clusters.sshaccess import publish
    from arb.provision.giveback import finish
    from arb.provision.order import Order
    from arb.provision.walk import buy

    record = _insert(session, plan)
    try:
        order = Order(
            cluster=record.name,
            cluster_id=record.id,
            offers=plan.ranking.offers if plan.ranking else (),
            count=plan.num_nodes,
            authorized_key=session.client_key.public,
            ports=plan.task.resources.ports,
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
    from arb.clusters.bringup import bring_up

    offer = purchase.offer
    bought = _update(
        session, record, provider=offer.provider, region=offer.region, offer_json=offer.to_json()
    )
    bring_up(session, bought, purchase)


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


def _hand_over(session: Session, plan: Plan, nodes: Nodes) -> int:
    """Copy the workdir and submit setup and run as one job."""
    if not (plan.task.run or plan.task.setup or plan.task.workdir):
        return 0
    number = submit(session, nodes, plan.task, with_setup=True)
    if plan.down:
        arm(session, nodes)
    return number


def _check_fits(task: Task, record: ClusterRecord) -> None:
    if task.num_nodes > record.num_nodes:
        summary = (
            f"cluster {record.name} has {counted(record.num_nodes, 'node')}, not {task.num_nodes}"
        )
        hint = "use another cluster name, or end this one first: arb down " + record.name
        raise UsageError(summary, code="cluster-too-small", hint=hint)
    provider = task.resources.place[0]
    if provider and record.provider and provider != record.provider:
        summary = f"cluster {record.name} is at {record.provider}, the task asks for {provider}"
        raise UsageError(summary, code="cluster-elsewhere", hint="use another cluster name")
