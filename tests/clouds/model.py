"""A simulated cloud's machines over time, and its settings. Times are the cloud's."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from arb_local.room import Place

if TYPE_CHECKING:
    from clouds.ledger import Entry
    from clouds.userdata import UserData

__all__ = ["NoRoom", "Order", "Settings", "Vm", "VmState"]

_NEVER = float("inf")


class VmState(StrEnum):
    """Where a machine is in its life; each cloud has words of its own for these."""

    BOOTING = "booting"
    RUNNING = "running"
    STOPPING = "stopping"
    STOPPED = "stopped"
    ENDING = "ending"
    GONE = "gone"
    """Ended; ``Vm.reason`` says why: ``user``, ``preempted``, ``hardware``, ``failed-start``."""


class NoRoom(Exception):
    """A place is full, or a quota is used up.

    Attributes:
        place: The place whose rule said no; None when a quota did.
        quota: Name of the quota; empty when a place did.
    """

    def __init__(self, place: Place | None = None, quota: str = "") -> None:
        super().__init__(f"no room: {place or quota}")
        self.place, self.quota = place, quota


@dataclass(frozen=True)
class Order:
    """A machine that a client asked for, in the base's words.

    ``tags`` are whatever the cloud wants to find again; ``quotas`` names what it counts against,
    with the amount.
    """

    name: str
    kind: str
    region: str
    price_usd_hour: float
    user_data: UserData
    zone: str = ""
    spot: bool = False
    quotas: dict[str, float] = field(default_factory=dict)
    tags: dict[str, Any] = field(default_factory=dict)

    @property
    def place(self) -> Place:
        """Where it counts for capacity."""
        return Place(self.kind, self.region, self.zone, self.spot)


@dataclass
class Settings:
    """How a cloud behaves until told otherwise.

    Attributes:
        boot_delay_s: From the order to *running*.
        ssh_delay_s: From the order until the node accepts connections, in real time.
        boots: ``ok``; ``stuck``: it stays *booting*; ``fail``: it fails after ``boot_delay_s``;
            ``taken``: it is preempted then; ``mute``: it runs, and its SSH server never answers.
        stop_delay_s: From a stop to *stopped*.
        end_delay_s: From a termination to *gone*.
        listing_lag_s: Listings show the state of so long ago: new machines are missing, ended ones
            still run.
        page_size: At most so many rows on a page; 0 leaves it to the request.
        failing_regions: Regions whose listing fails.
        power_off: What a machine that switches itself off becomes: ``gone``, ``stopped``, or
            ``running`` (it goes on costing money).
    """

    boot_delay_s: float = 0
    ssh_delay_s: float = 0
    boots: str = "ok"
    stop_delay_s: float = 0
    end_delay_s: float = 0
    listing_lag_s: float = 0
    page_size: int = 0
    failing_regions: list[str] = field(default_factory=list)
    power_off: str = "running"


@dataclass
class Vm:
    """One machine. What it is at a time follows from the times alone.

    Attributes:
        entry: Its line in the ledger, which ends with it.
        runs_at: When it is *running* for the first time; infinite when it never comes up.
        ends_at: When it is *gone*; infinite while nobody ends it.
        ending_at: When its end was asked for.
        notice_at: When its preemption was announced.
        switches: ``(at, state)`` of stops and starts.
    """

    id: str
    order: Order
    made_at: float
    runs_at: float
    entry: Entry
    node: str = ""
    address: str = ""
    port: int = 22
    user: str = ""
    ends_at: float = _NEVER
    ending_at: float = _NEVER
    notice_at: float = _NEVER
    reason: str = ""
    switches: list[tuple[float, VmState]] = field(default_factory=list)
    node_ended: bool = False

    @property
    def name(self) -> str:
        """Its name or tag."""
        return self.entry.name

    def state(self, at: float) -> VmState | None:
        """Return what it is at a time; None before it was made."""
        if at < self.made_at:
            return None
        if at >= self.ends_at:
            return VmState.GONE
        if at >= self.ending_at:
            return VmState.ENDING
        if at < self.runs_at:
            return VmState.BOOTING
        return next((s for t, s in reversed(self.switches) if t <= at), VmState.RUNNING)

    def is_counted(self, at: float) -> bool:
        """Say whether it takes room at a time."""
        return self.state(at) not in {None, VmState.GONE, VmState.STOPPED}
