"""What the simulated project holds beside machines, and how it behaves."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from clouds.model import Settings

__all__ = [
    "HOST_PROJECT",
    "OTHER_PROJECT",
    "PROJECT",
    "Firewall",
    "GcpSettings",
    "Operation",
    "stamp",
]

PROJECT = "arb-test"
OTHER_PROJECT = "arb-other"
"""Somebody else's, with an account of its own."""
HOST_PROJECT = "arb-host"
"""One whose network is shared with ours."""
LINK = "https://www.googleapis.com/compute/v1/"


@dataclass
class GcpSettings(Settings):
    """How the simulated Google behaves.

    Attributes:
        operation_s: How long an operation takes.
        is_shown_early: An instance is in lists while its insert operation runs, and vanishes if
            that fails; otherwise it appears when the operation is over.
        open_network: The network has rules of its own that let everybody in; otherwise a machine
            without a rule for port 22 cannot be reached.
        os_login: The project's metadata turn OS Login on: keys in metadata are ignored.
        policies: Constraints of the organization that are broken by every insert.
        zones_down: Zones (or regions) that lists cannot reach.
        lists_fail_whole: As before the version of November 2026: a list over all zones fails when
            one is silent, unless ``returnPartialSuccess`` says that parts will do.
        filters: What lists do with a filter: ``understood``, ``ignored`` or ``refused``.
        image_gib: The least size of a boot disk.
    """

    operation_s: float = 0.2
    is_shown_early: bool = True
    open_network: bool = False
    os_login: bool = False
    policies: list[str] = field(default_factory=list)
    zones_down: list[str] = field(default_factory=list)
    lists_fail_whole: bool = False
    filters: str = "understood"
    image_gib: int = 10
    power_off: str = "stopped"


@dataclass
class Operation:
    """One operation. What it shows follows from its times.

    Attributes:
        kind: ``operationType``.
        target: Path of what it is about, from ``projects/`` on.
        zone: Where; empty for a global one.
        done_at: Its end.
        errors: Why it failed; told once it is over.
    """

    project: str
    name: str
    id: str
    kind: str
    target: str
    target_id: str
    zone: str
    user: str
    made_at: float
    starts_at: float
    done_at: float
    errors: list[dict[str, Any]] = field(default_factory=list)
    message: str = ""
    is_over: bool = False

    def view(self, now: float) -> dict[str, Any]:
        """Return the ``Operation`` resource."""
        place = f"zones/{self.zone}" if self.zone else "global"
        status = "DONE" if self.is_over else "RUNNING" if now >= self.starts_at else "PENDING"
        shown: dict[str, Any] = {
            "kind": "compute#operation",
            "id": self.id,
            "name": self.name,
            "operationType": self.kind,
            "targetLink": LINK + self.target,
            "targetId": self.target_id,
            "status": status,
            "user": self.user,
            "progress": 100 if self.is_over else 0,
            "insertTime": stamp(self.made_at),
            "selfLink": f"{LINK}projects/{self.project}/{place}/operations/{self.name}",
        }
        if self.zone:
            shown["zone"] = f"{LINK}projects/{self.project}/{place}"
        if status != "PENDING":
            shown["startTime"] = stamp(self.starts_at)
        if self.is_over:
            shown["endTime"] = stamp(self.done_at)
        if self.message:
            shown["statusMessage"] = self.message
        if self.errors:
            shown |= {"error": {"errors": [dict(e) for e in self.errors]}}
            quota = self.errors[0]["code"] == "QUOTA_EXCEEDED"
            shown["httpErrorStatusCode"] = 403 if quota else 503
            shown["httpErrorMessage"] = "FORBIDDEN" if quota else "SERVICE UNAVAILABLE"
        return shown


@dataclass
class Firewall:
    """One rule: its body, and its line in the ledger."""

    project: str
    body: dict[str, Any]
    id: str
    made_at: float
    entry: Any


def stamp(at: float) -> str:
    """Return a time as Google writes it."""
    return datetime.fromtimestamp(at, UTC).astimezone().isoformat(timespec="milliseconds")
