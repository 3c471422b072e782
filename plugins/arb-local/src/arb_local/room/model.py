"""What a machine is asked to be, what it is, and what can go wrong with the asking."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from arb_local.room.capacity import Place

__all__ = [
    "EndReason",
    "Fault",
    "Machine",
    "MachineSpec",
    "MachineState",
    "NoCapacity",
    "RoomError",
    "RoomFile",
    "UnknownMachine",
]


class MachineState(StrEnum):
    """Where a machine is in its life."""

    PENDING = "pending"
    """Made; its address does not accept connections yet."""
    RUNNING = "running"
    """Its address accepts connections."""
    STOPPED = "stopped"
    """No process; its folder is kept."""
    TERMINATING = "terminating"
    """Its end was decided; processes or its folder may be left."""
    GONE = "gone"
    """No process, no folder."""


class EndReason(StrEnum):
    """Why a machine ended."""

    NONE = ""
    USER = "user"
    PREEMPTED = "preempted"
    HARDWARE = "hardware"
    FAILED_START = "failed-start"
    UNKNOWN = "unknown"


class Fault(StrEnum):
    """How a machine misbehaves from the start."""

    NONE = ""
    STUCK = "stuck"
    """It stays PENDING and never accepts a connection."""
    DIES_AT_BOOT = "dies-at-boot"
    """It ends by itself before it accepted one, as FAILED_START."""
    NO_SSH = "no-ssh"
    """It is RUNNING, and its address refuses connections."""


class RoomError(Exception):
    """The room could not do what it was asked."""


class UnknownMachine(RoomError):
    """No machine with this id is in the room, now."""


class NoCapacity(RoomError):
    """A place has no room for one more machine.

    Attributes:
        place: Where the limit is, as wide as the rule that set it.
        limit: How many machines may be there at once.
        made: Ids of the machines of the same call that were made before the limit was reached.
    """

    def __init__(self, place: Place, limit: int, made: tuple[str, ...] = ()) -> None:
        super().__init__(f"no capacity for {place}: {limit} at most")
        self.place, self.limit, self.made = place, limit, made


@dataclass(frozen=True, slots=True)
class RoomFile:
    """A file that is there before the first boot.

    Attributes:
        path: ``~/x`` is below the machine's home; ``/x`` is below its folder's ``root``.
        content: The text; may be secret.
        mode: Permission bits.
    """

    path: str
    content: str = field(repr=False)
    mode: int = 0o600


@dataclass(frozen=True, slots=True)
class MachineSpec:
    """What a machine is asked to be.

    Attributes:
        token: The caller's name for it, unique in the room: a second ``make`` returns the first.
        kind: Instance type; with ``region``, ``zone`` and ``spot`` what capacity is counted by.
        region: Free text.
        zone: Free text.
        spot: Capacity class.
        user: Login name; empty means the name of the user who runs the room.
        authorized_keys: OpenSSH public key lines that are let in.
        host_key: OpenSSH private key (PEM text) that it shows; empty makes one.
        files: In place before the first boot.
        boot_commands: Shell lines run once, in order, at the first boot, as the room's user.
        boot_delay_s: Time from power-on to the first accepted connection, at every boot.
        bringup_timeout_s: It ends itself after this time unless ``~/.arb/armed`` was removed;
            0 means never.
        life_s: It is preempted this long after it was made; 0 means never.
        notice_s: The warning before that.
        capacity: Limit for its exact place where no rule was set; None means no limit.
        fault: How it misbehaves.
        wrong_host_key_s: For this time after power-on it shows a host key of nobody.
        devices: Ids of devices of which no two machines get the same one, for instance GPUs.
        device_count: How many of them this machine gets; a stopped machine keeps them.
        device_variable: The variable that lists them, with commas.
        environment: Added to the environment of every process on it.
        path: Folders put before its ``PATH``.
        sftp: Whether file transfer (SFTP, SCP) is offered.
        tags: Whatever the caller wants to find again.
    """

    token: str
    kind: str = ""
    region: str = ""
    zone: str = ""
    spot: bool = False
    user: str = ""
    authorized_keys: tuple[str, ...] = ()
    host_key: str = field(default="", repr=False)
    files: tuple[RoomFile, ...] = ()
    boot_commands: tuple[str, ...] = ()
    boot_delay_s: float = 0
    bringup_timeout_s: float = 0
    life_s: float = 0
    notice_s: float = 0
    capacity: int | None = None
    fault: Fault = Fault.NONE
    wrong_host_key_s: float = 0
    devices: tuple[str, ...] = ()
    device_count: int = 0
    device_variable: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    path: tuple[str, ...] = ()
    sftp: bool = True
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Machine:
    """One machine as it is now. Times are seconds since the epoch.

    ``boot_id`` changes with every boot; it and ``host_key`` (public line) may be empty for a
    machine that is gone. ``folder`` holds ``home``, ``boot.d`` and the rest.
    """

    id: str
    token: str
    state: MachineState
    kind: str
    region: str
    zone: str
    spot: bool
    address: str
    port: int
    user: str
    made_at: float
    folder: Path
    host_key: str = ""
    boot_id: str = ""
    reason: EndReason = EndReason.NONE
    detail: str = ""
    gone_at: float = 0
    notice_at: float = 0
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def home(self) -> Path:
        """Its home folder."""
        return self.folder / "home"
