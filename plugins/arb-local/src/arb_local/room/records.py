"""One machine's folder: its layout, its record and what can be read off it."""

from __future__ import annotations

import contextlib
import os
import shlex
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from arb_local.room.capacity import Place
from arb_local.room.files import is_locked, make_private, read_json, write_json, write_text
from arb_local.room.hostkeys import public_line
from arb_local.room.model import EndReason, Machine, MachineSpec, MachineState
from arb_local.room.processes import Owner

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Folder", "machine_of_facts", "new_record", "place_of"]

_SECRET = {"host_key", "files", "authorized_keys"}
_LATER = {"cutting": False, "devices": []}
"""Fields that records of older versions do not have."""
_POWER_HEAD = "#!/bin/sh\n# Ends or restarts this node, not the computer.\n"


class Folder:
    """``ROOM/machines/ID``.

    ========================  ======================================================
    ``machine.json``          the record
    ``power.lock``            held while the machine has power: launcher or init live
    ``change.lock``           held by whoever switches it on or off or ends it
    ``home`` ``boot.d``       HOME and ARB_BOOT_DIR
    ``bin``                   ``poweroff``, ``shutdown`` and ``reboot`` of this machine
    ``root``                  files with absolute paths
    ``run``                   of this boot: ``boot_id``, ``listening``, ``init.json``, ``node.log``
    ``served``                there once the SSH server ran
    ========================  ======================================================
    """

    def __init__(self, room: Path, machine_id: str, *, hidden: bool = False) -> None:
        self.id = machine_id
        self.shown = room / "machines" / machine_id
        self.path = self.shown.with_name(f".new-{machine_id}") if hidden else self.shown
        self.removed = self.shown.with_name(f".gone-{machine_id}")
        self.run = self.path / "run"
        self.home = self.path / "home"
        self.boot_scripts = self.path / "boot.d"
        self.power_lock = self.path / "power.lock"
        self.change_lock = self.path / "change.lock"
        self.listening = self.run / "listening"
        self.served = self.path / "served"
        self.armed = self.home / ".arb" / "armed"
        self.notice = self.home / ".arb-local" / "preemption-notice"

    def read(self) -> dict[str, Any] | None:
        """Return the record, None when the machine is gone."""
        record: dict[str, Any] | None = read_json(self.path / "machine.json")
        return record and {**_LATER, **record}

    def update(self, **changes: Any) -> dict[str, Any]:
        """Change the record. The caller holds the change lock."""
        record = {**(self.read() or {}), **changes}
        write_json(self.path / "machine.json", record)
        return record

    def owner(self, record: Mapping[str, Any]) -> Owner:
        """Say how the machine's processes are recognised."""
        init = read_json(self.run / "init.json")
        return Owner(str(self.path), record["mark"], (init["pid"], init["start"]) if init else None)

    def has_power(self) -> bool:
        """Say whether its launcher or init lives."""
        return is_locked(self.power_lock)

    def reset_run(self) -> None:
        """Forget the last boot, but for its log."""
        for path in (self.listening, self.run / "init.json", self.run / "boot_id", self.notice):
            path.unlink(missing_ok=True)

    def host_key(self) -> str:
        """Return the private host key."""
        return (self.path / "host_key").read_text()

    def fill(self, spec: MachineSpec, record: Mapping[str, Any], host_key: str) -> None:
        """Write everything that is there before the first boot, below ``self.path``."""
        for folder in (self.path, self.run, self.home, self.boot_scripts, self.home / ".ssh"):
            make_private(folder)
        write_text(self.path / "host_key", host_key)
        keys = "".join(f"{key.strip()}\n" for key in spec.authorized_keys)
        write_text(self.home / ".ssh" / "authorized_keys", keys)
        if spec.bringup_timeout_s > 0:
            make_private(self.armed.parent)
            write_text(self.armed, "remove this file to let the machine live\n")
        for file in spec.files:
            target = self._target(file.path)
            make_private(target.parent)
            write_text(target, file.content, mode=file.mode)
        self._write_power_commands()
        write_json(self.path / "machine.json", record)

    def _target(self, path: str) -> Path:
        below = self.home if path.startswith("~/") else self.path / "root"
        target = Path(os.path.normpath(below / path.removeprefix("~").lstrip("/")))
        if not target.is_relative_to(below):
            raise ValueError(f"a file of a machine must stay below it: {path}")
        return target

    def _write_power_commands(self) -> None:
        make_private(self.path / "bin")
        init = shlex.quote(str(self.shown / "run" / "init.json"))
        read_pid = rf"sed 's/[^0-9]*\([0-9]*\).*/\1/' {init}"
        for name, number in (("poweroff", "TERM"), ("shutdown", "TERM"), ("reboot", "USR1")):
            text = f'{_POWER_HEAD}kill -{number} "$({read_pid})"\n'
            write_text(self.path / "bin" / name, text, mode=0o700)

    def machine(self, record: Mapping[str, Any]) -> Machine:
        """Return the machine as it is now."""
        boot_id = ""
        with contextlib.suppress(FileNotFoundError):
            boot_id = (self.run / "boot_id").read_text().strip()
        return _machine(
            record,
            self._state(record),
            folder=self.path,
            boot_id=boot_id,
            reason=EndReason(record["reason"]),
            detail=record["detail"],
        )

    def _state(self, record: Mapping[str, Any]) -> MachineState:
        if record["phase"]:
            return MachineState.TERMINATING
        if record["power"] == "off":
            return MachineState.STOPPED
        return MachineState.RUNNING if self.listening.exists() else MachineState.PENDING


def new_record(
    spec: MachineSpec, machine_id: str, address: tuple[str, int], host_key: str
) -> dict[str, Any]:
    """Return the record of a machine that is about to be made, without secrets."""
    record = {key: value for key, value in asdict(spec).items() if key not in _SECRET}
    record |= {"id": machine_id, "address": address[0], "port": address[1]}
    record |= {"host_key": public_line(host_key), "power": "on", "cutting": False, "phase": ""}
    if spec.device_count:
        devices = ",".join(spec.devices)
        record["environment"] = {**spec.environment, spec.device_variable: devices}
    return record | {"reason": "", "detail": "", "end_at": 0.0, "notice_at": 0.0}


def machine_of_facts(facts: Mapping[str, Any], folder: Path, gone_at: float) -> Machine:
    """Return a machine that is gone, from the facts of its last event in the ledger."""
    return _machine(
        facts["machine"],
        MachineState.GONE,
        folder=folder,
        reason=EndReason(facts["reason"]),
        detail=facts["detail"],
        gone_at=gone_at,
    )


def place_of(record: Mapping[str, Any]) -> Place:
    """Return the exact place that a machine counts for."""
    return Place(record["kind"], record["region"], record["zone"], record["spot"])


def facts_of(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the ledger keeps of a machine."""
    return {key: record[key] for key in _FACTS}


_FACTS = (
    "id",
    "token",
    "kind",
    "region",
    "zone",
    "spot",
    "address",
    "port",
    "user",
    "made_at",
    "host_key",
    "notice_at",
    "tags",
)


def _machine(record: Mapping[str, Any], state: MachineState, **rest: Any) -> Machine:
    return Machine(**{key: record[key] for key in _FACTS}, state=state, **rest)
