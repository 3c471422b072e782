"""Tell the plugins of the group ``arb.plugins`` what happened, in order and after the commit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from arb.state.events import read_events
from arb.state.leases import LeaseHeld, Leases
from arb.state.marks import get_mark, set_mark
from arb.types import TaskView

if TYPE_CHECKING:
    from arb.clusters.session import Session
    from arb.tasks import Task

__all__ = ["announce", "ask_policies"]

_MARK: Final = "announced"
_BATCH: Final = 200


def announce(session: Session) -> None:
    """Pass on every event that no process has passed on yet.

    Nothing is loaded when no such plugin is installed. One process at a time does it, and what
    another one does meanwhile is passed on by it or by the next.
    """
    if not session.plugins.names("arb.plugins"):
        return
    try:
        with Leases(session.store).held("announce"):
            while _pass_on(session):
                pass
    except LeaseHeld:
        return


def _pass_on(session: Session) -> bool:
    events = read_events(session.store, after=get_mark(session.store, _MARK), limit=_BATCH)
    for event in events:
        session.plugins.event(event)
    if events:
        with session.store.write() as tx:
            set_mark(tx, _MARK, events[-1].id)
    return bool(events)


def ask_policies(session: Session, task: Task) -> None:
    """Let the installed policies refuse a task before anything is bought.

    Raises:
        ArbError: One did.
    """
    if session.plugins.names("arb.plugins"):
        document = task.model_dump_json(exclude={"secrets"})
        session.plugins.validate_task(TaskView(task.name, task.num_nodes, document))
