"""What goes wrong with the next calls of a simulated cloud."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Any

__all__ = ["Fault", "FaultKind", "Faults"]


class FaultKind(StrEnum):
    """How a call goes wrong."""

    STATUS = "status"
    """It has no effect and is answered with ``status``, ``headers`` and ``body``."""
    DROP = "drop"
    """It has its effect, and the connection is closed without an answer."""
    LATE = "late"
    """No answer; the effect comes ``delay_s`` later by the cloud's clock."""
    RESET = "reset"
    """No effect: the connection is reset before the request is read."""
    GARBAGE = "garbage"
    """It has its effect, and the answer is not what the API says."""
    SLOW = "slow"
    """It has its effect, and the answer takes ``hang_s`` of real time."""


@dataclass
class Fault:
    """One fault, for ``count`` calls.

    Attributes:
        kind: See ``FaultKind``.
        match: Which operations, as a shell pattern: ``POST /api/deployments``, ``RunInstances``.
        count: For how many calls.
        skip: How many matching calls go well before.
        status: Of the answer.
        headers: Of the answer, for instance ``{"Retry-After": "7"}``.
        body: Of the answer: JSON value, or text.
        echo: Send the whole request back instead of ``body``: secrets and all.
        delay_s: Until the late effect, by the cloud's clock.
        hang_s: For how long a late call's connection stays open without an answer, in real time.
    """

    kind: FaultKind
    match: str = "*"
    count: int = 1
    skip: int = 0
    status: int = 503
    headers: dict[str, str] = field(default_factory=dict)
    body: Any = "<html>Service Unavailable</html>"
    echo: bool = False
    delay_s: float = 0
    hang_s: float = 0


class Faults:
    """The faults that are still to come, in the order in which they were set."""

    def __init__(self) -> None:
        self._waiting: list[Fault] = []
        self._lock = threading.Lock()

    def add(self, fault: Fault) -> None:
        """Let a fault happen."""
        with self._lock:
            self._waiting.append(fault)

    def clear(self) -> None:
        """Let everything go well again."""
        with self._lock:
            self._waiting.clear()

    def take(self, operation: str) -> Fault | None:
        """Return what is wrong with this call, if anything; it counts as one."""
        with self._lock:
            for fault in self._waiting:
                if not fnmatchcase(operation, fault.match):
                    continue
                if fault.skip > 0:
                    fault.skip -= 1
                    continue
                fault.count -= 1
                if fault.count <= 0:
                    self._waiting.remove(fault)
                return fault
        return None
