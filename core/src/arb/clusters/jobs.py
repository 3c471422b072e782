"""Hand a task to a cluster. The head's agent keeps the queue; nothing is kept here."""

from __future__ import annotations

import getpass
import json
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from arb.errors import NodeError, NodeUnreachable, UsageError
from arb.text import counted

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from arb.clusters.nodes import ClusterNode, Nodes
    from arb.clusters.session import Session
    from arb.nodes.upload import UploadReport
    from arb.state.clusters import ClusterRecord
    from arb.tasks import Task

__all__ = ["WORKDIR", "Launched", "check_workdir", "last_job", "submit"]

WORKDIR: Final = "~/sky_workdir"

_LOST: Final = frozenset({"connection-lost", "agent-connection-lost"})
"""Codes of connections that were there: the next one is tried, however the first broke."""
_RESEND_EVERY_S: Final = 1.0
_RESEND_FOR_S: Final = 20.0
_NAMED: Final = 5
"""Files that a warning names."""


@dataclass(frozen=True, slots=True)
class Launched:
    """A cluster that is up, and the job that was handed to it; ``job_id`` 0 when there is none."""

    cluster: ClusterRecord
    job_id: int
    bought: bool


def submit(
    session: Session, nodes: Nodes, task: Task, *, with_setup: bool, num_nodes: int = 0
) -> int:
    """Copy the workdir to the nodes and queue the task; return the job's number.

    Args:
        session: Of this process.
        nodes: Of the cluster.
        task: What to run.
        with_setup: Whether its setup runs first, on every rank.
        num_nodes: How many ranks; 0 takes the task's.

    Raises:
        UsageError: The workdir is not a folder.
        NodeError: A node refused, or could not be reached.
    """
    count = num_nodes or task.num_nodes
    if task.folder:
        _copy_workdir(session, nodes.first(count), task.folder)
    return _hand_over(
        session,
        nodes,
        name=task.name,
        run=task.run,
        setup=task.setup if with_setup else "",
        envs=dict(task.envs),
        secrets=dict(task.secrets),
        workdir=WORKDIR,
        num_nodes=count,
        gpus=_gpus(task, nodes.cluster),
        user=_user(),
    )


def _gpus(task: Task, cluster: ClusterRecord) -> float:
    """Return how many GPUs of a node the job takes, whichever alternative the nodes are."""
    offer = json.loads(cluster.offer_json) if cluster.offer_json else {}
    return task.resources.gpus_on(offer.get("accelerator", ""), offer.get("accelerator_count", 0))


def last_job(nodes: Nodes) -> int:
    """Return the number of the newest job.

    Raises:
        NodeError: The cluster has run none.
    """
    jobs = nodes.head.agent().jobs()
    if not jobs:
        raise NodeError(f"cluster {nodes.cluster.name} has run no job", code="no-job")
    return jobs[-1].id


def check_workdir(workdir: str) -> Path:
    """Return the folder to copy.

    Raises:
        UsageError: It is not one.
    """
    folder = Path(workdir).expanduser()
    if not folder.is_dir():
        raise UsageError(f"workdir {workdir} is not a folder", code="workdir")
    return folder


def _hand_over(session: Session, nodes: Nodes, **job: Any) -> int:
    """Submit until there is an answer: by its token the agent knows a job that it has already."""
    token, sent = secrets.token_hex(12), False
    give_up_at = session.clock.monotonic() + _RESEND_FOR_S
    while True:
        try:
            agent = nodes.head.agent()
            sent = True
            return agent.submit(token=token, **job)
        except NodeUnreachable as error:
            nodes.head.forget_agent()
            if not sent and error.code not in _LOST:
                raise
            if session.clock.monotonic() >= give_up_at:
                if sent:
                    name = nodes.cluster.name
                    error.hint = f"the job may be queued all the same: arb queue {name}"
                raise
            session.clock.sleep(_RESEND_EVERY_S)


def _copy_workdir(session: Session, nodes: Sequence[ClusterNode], workdir: str) -> None:
    from arb.nodes.fanout import fan_out

    folder = check_workdir(workdir)
    session.progress.state(f"copying {workdir} to {counted(len(nodes), 'node')}")
    reports = fan_out(lambda node: _copy(node, folder), list(nodes))
    session.progress.state("")
    special = {name for report in reports for name in report.special}
    if special:
        session.progress.warn(f"not copied, as no node can use them: {_some(special)}")
    changed = {name for report in reports for name in report.changed}
    if changed:
        session.progress.warn(f"changed while they were copied: {_some(changed)}")


def _some(names: Collection[str]) -> str:
    """Name a few files."""
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(map(repr, sorted(names)[:_NAMED])) + more


def _copy(node: ClusterNode, folder: Path) -> UploadReport:
    """Copy to one node; a connection that broke on the way is made once more, for what is missing.

    Files that changed meanwhile are copied once more: a build or an editor is done by then.
    """
    from arb.nodes.upload import upload

    try:
        report = upload(node.ssh, folder, WORKDIR)
    except NodeUnreachable as error:
        if error.code not in _LOST:
            raise
        node.forget_agent()
        report = upload(node.ssh, folder, WORKDIR)
    return upload(node.ssh, folder, WORKDIR) if report.changed else report


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return ""
