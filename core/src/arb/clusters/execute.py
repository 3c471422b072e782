"""Run a task on a cluster that is up."""

from __future__ import annotations

from typing import TYPE_CHECKING

from arb.clusters import names
from arb.clusters.jobs import Launched, submit
from arb.clusters.nodes import Nodes
from arb.clusters.ownkeys import refuse_own_keys
from arb.clusters.refresh import told_if_gone
from arb.errors import UsageError
from arb.state.clusters import ClusterRecord, ClusterStatus
from arb.text import counted

if TYPE_CHECKING:
    from arb.clusters.session import Session
    from arb.tasks import Task

__all__ = ["execute", "usable"]


def usable(session: Session, name: str) -> ClusterRecord:
    """Return a cluster that is up.

    Raises:
        UsageError: There is none of this name, or it is not up.
    """
    record = names.find(session.store, name)
    if record.status is not ClusterStatus.UP:
        summary = f"cluster {name} is {record.status}, not up"
        raise UsageError(summary, code="cluster-not-up", hint="see: arb status")
    return record


def execute(session: Session, name: str, task: Task) -> Launched:
    """Copy the workdir and queue the task, without its setup.

    Raises:
        UsageError: The cluster is not up, has too few nodes, or the task takes keys of ``~/.ssh`` along.
        NodeError: A node refused, is gone or could not be reached.
    """
    record = usable(session, name)
    if task.num_nodes > record.num_nodes:
        summary = f"cluster {name} has {counted(record.num_nodes, 'node')}, not {task.num_nodes}"
        raise UsageError(summary, code="cluster-too-small")
    refuse_own_keys(task, session.user_home, session.home.root)
    with told_if_gone(session, record):
        number = submit(session, Nodes(session, record), task, with_setup=False)
    return Launched(record, number, bought=False)
