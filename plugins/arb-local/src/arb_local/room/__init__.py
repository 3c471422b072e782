"""The machine room: real SSH nodes on this computer, made, broken and ended like a cloud's.

A room is a folder. Every process that opens it sees the same machines; nothing runs for the room
itself. Each machine is a small process tree: an init that adopts every orphan, and an SSH server
with a home folder of its own. Ending a machine ends all of it, daemonised children included.

The room knows nothing of ``arb``'s hooks, so that other simulated clouds can stand on it::

    room = Room(Path("/tmp/room"))
    machine = room.make(MachineSpec(token="one", authorized_keys=(public_key_line,)))
    ...
    room.terminate(machine.id)
"""

from __future__ import annotations

from arb_local.room.capacity import CapacityRule, Place
from arb_local.room.ledger import LedgerEvent, MachineHistory
from arb_local.room.model import (
    EndReason,
    Fault,
    Machine,
    MachineSpec,
    MachineState,
    NoCapacity,
    RoomError,
    RoomFile,
    UnknownMachine,
)
from arb_local.room.room import Room

__all__ = [
    "CapacityRule",
    "EndReason",
    "Fault",
    "LedgerEvent",
    "Machine",
    "MachineHistory",
    "MachineSpec",
    "MachineState",
    "NoCapacity",
    "Place",
    "Room",
    "RoomError",
    "RoomFile",
    "UnknownMachine",
]
