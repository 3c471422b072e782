"""What plugins of the group ``arb.plugins`` see."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Event", "TaskView"]


@dataclass(frozen=True, slots=True)
class TaskView:
    """A task as policies see it: the resolved document as JSON text, secrets removed."""

    name: str
    num_nodes: int
    document: str


@dataclass(frozen=True, slots=True)
class Event:
    """One line of the append-only log. ``data`` is JSON text without secrets."""

    id: int
    at: float
    kind: str
    cluster: str = ""
    attempt: str = ""
    instance: str = ""
    data: str = "{}"
