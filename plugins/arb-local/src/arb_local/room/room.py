"""The room itself: every operation that makes, changes or ends machines."""

from __future__ import annotations

import contextlib
import os
import secrets
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from arb_local.room import addresses, hostkeys
from arb_local.room.capacity import CapacityRule, Place, count, limit_for
from arb_local.room.environment import login_name
from arb_local.room.files import (
    locked,
    make_private,
    read_json,
    remove_tree,
    try_lock,
    write_json,
)
from arb_local.room.ledger import Ledger, LedgerEvent, MachineHistory
from arb_local.room.model import (
    EndReason,
    Machine,
    MachineState,
    NoCapacity,
    RoomError,
    UnknownMachine,
)
from arb_local.room.power import PowerSwitch
from arb_local.room.processes import new_mark
from arb_local.room.records import Folder, facts_of, machine_of_facts, new_record, place_of
from arb_local.room.spawn import start_launcher

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from arb_local.room.model import MachineSpec

__all__ = ["Room"]


class Room:
    """All machines below one folder. Objects are cheap, hold nothing, and may be many.

    Args:
        path: The folder; made when it is missing.
        now: Seconds since the epoch, for ``made_at`` and the ledger. Machines themselves (delays,
            notices) live in real time.
    """

    def __init__(self, path: Path, *, now: Callable[[], float] = time.time) -> None:
        self.path = make_private(path).resolve()
        self.machines = make_private(self.path / "machines")
        self.book = Ledger(self.path / "ledger.jsonl")
        self.now = now
        self._lock = self.path / "room.lock"
        self._rules = self.path / "capacity.json"
        self._power = PowerSwitch(self.path, self.book, now)

    # -- making ----------------------------------------------------------------------------

    def make(self, spec: MachineSpec) -> Machine:
        """Make one machine and switch it on. See ``make_all``."""
        return self.make_all([spec])[0]

    def make_all(
        self, specs: Sequence[MachineSpec], *, partial: bool = False
    ) -> tuple[Machine, ...]:
        """Make machines and switch them on, without waiting for any.

        A token that the room knows, also one whose machine ended within the last hour, makes
        nothing: that machine is returned.

        Args:
            specs: One for each machine.
            partial: Keep those that fit when some do not; ``NoCapacity.made`` names them.

        Raises:
            NoCapacity: A place is full.
            RoomError: There is no address left.
        """
        locks: dict[str, int] = {}
        try:
            with locked(self._lock):
                machines, refusal = self._make_locked(specs, locks, partial=partial)
            if locks:
                start_launcher(self.path, locks)
        finally:
            for fd in locks.values():
                os.close(fd)
        if refusal:
            raise NoCapacity(refusal.place, refusal.limit, tuple(m.id for m in machines))
        return machines

    def _make_locked(
        self, specs: Sequence[MachineSpec], locks: dict[str, int], *, partial: bool
    ) -> tuple[tuple[Machine, ...], NoCapacity | None]:
        self._clean()
        records = self._records()
        known = {record["token"]: record for record in records}
        gone = {m.token: m for m in self.recently_gone()}
        fresh = [s for s in specs if s.token not in known and s.token not in gone]
        wanted, refusal = self._fitting(fresh, records)
        if refusal and not partial:
            raise refusal
        made = self._create(wanted, records, locks)
        known |= {record["token"]: record for record in made}
        machines = tuple(
            self._folder(known[s.token]["id"]).machine(known[s.token])
            if s.token in known
            else gone[s.token]
            for s in specs
            if s.token in known or s.token in gone
        )
        return machines, refusal

    def _fitting(
        self, specs: Sequence[MachineSpec], records: Sequence[dict[str, Any]]
    ) -> tuple[Sequence[MachineSpec], NoCapacity | None]:
        """Return the specs that have room, up to the first that has none."""
        rules: dict[str, int | None] = read_json(self._rules) or {}
        used = [place_of(r) for r in records if r["power"] == "on"]
        busy = {device for r in records for device in r["devices"]}
        fitting: list[MachineSpec] = []
        for spec in specs:
            place = Place(spec.kind, spec.region, spec.zone, spec.spot)
            rule = limit_for(place, rules, spec.capacity)
            if rule.limit is not None and count(rule.place, used) >= rule.limit:
                return fitting, NoCapacity(rule.place, rule.limit)
            devices = tuple(d for d in spec.devices if d not in busy)[: spec.device_count]
            if len(devices) < spec.device_count:
                return fitting, NoCapacity(place, len(spec.devices) // spec.device_count)
            used.append(place)
            busy.update(devices)
            fitting.append(replace(spec, devices=devices))
        return fitting, None

    def _create(
        self,
        specs: Sequence[MachineSpec],
        records: Sequence[dict[str, Any]],
        locks: dict[str, int],
    ) -> Sequence[dict[str, Any]]:
        """Write the folders, then the ledger, then show the folders to others."""
        taken = {(r["address"], r["port"]) for r in records}
        made = []
        for spec in specs:
            address = addresses.pick(taken)
            taken.add(address)
            made.append(self._prepare(spec, address))
        self.book.append(
            LedgerEvent(r["made_at"], "made", r["id"], {"machine": facts_of(r)}) for r in made
        )
        for record in made:
            hidden = self.machines / f".new-{record['id']}"
            lock = try_lock(hidden / "power.lock")
            if lock is None:
                raise RoomError(f"machine {record['id']} has power before it was made")
            locks[record["id"]] = lock
            hidden.rename(self.machines / record["id"])
        return made

    def _prepare(self, spec: MachineSpec, address: tuple[str, int]) -> dict[str, Any]:
        machine_id = f"n-{secrets.token_hex(5)}"
        host_key = spec.host_key or hostkeys.generate()
        record = new_record(spec, machine_id, address, host_key)
        now = self.now()
        record |= {"user": spec.user or login_name(), "made_at": now, "mark": new_mark()}
        record |= {"end_at": time.time() + spec.life_s if spec.life_s else 0.0}
        record |= {"bringup_at": time.time() + spec.bringup_timeout_s}
        Folder(self.path, machine_id, hidden=True).fill(spec, record, host_key)
        return record

    # -- looking ---------------------------------------------------------------------------

    def list(self) -> tuple[Machine, ...]:
        """Return the machines that are not gone, oldest first."""
        self._clean_if_idle()
        self._settle()
        found = [self._folder(r["id"]).machine(r) for r in self._records()]
        return tuple(sorted(found, key=lambda m: (m.made_at, m.id)))

    def recently_gone(self, within_s: float = 3600) -> tuple[Machine, ...]:
        """Return the machines that ended within the last seconds, oldest first."""
        gone: dict[str, Machine] = {}
        for event in self.book.recent(self.now() - within_s):
            if event.event == "gone" and event.id not in gone:
                folder = self._folder(event.id).path
                gone[event.id] = machine_of_facts(event.facts, folder, event.at)
        return tuple(m for m in gone.values() if not (m.folder / "machine.json").exists())

    def get(self, machine_id: str) -> Machine:
        """Return one machine that is not gone.

        Raises:
            UnknownMachine: There is none with this id.
        """
        folder = self._folder(machine_id)
        if folder.read() is not None:
            self._power.settle(folder)
        record = folder.read()
        if record is None:
            raise UnknownMachine(f"no machine {machine_id} in {self.path}")
        return folder.machine(record)

    def find(self, name: str) -> Machine:
        """Return the machine with an id or a token.

        Raises:
            UnknownMachine: There is none.
        """
        for machine in self.list():
            if name in {machine.id, machine.token}:
                return machine
        raise UnknownMachine(f"no machine {name} in {self.path}")

    def wait(self, machine_id: str, state: MachineState, timeout_s: float = 20) -> Machine:
        """Wait until a machine is in a state and return it.

        Raises:
            RoomError: It is not in time.
            UnknownMachine: It went away meanwhile.
        """
        deadline = time.monotonic() + timeout_s
        while (machine := self.get(machine_id)).state is not state:
            if time.monotonic() > deadline:
                raise RoomError(f"machine {machine_id} is {machine.state}, not {state}")
            time.sleep(0.01)
        return machine

    def history(self) -> tuple[MachineHistory, ...]:
        """Return every machine that was ever made, in the order of making."""
        with locked(self._lock):
            self._clean(within_s=None)
            return tuple(self.book.histories())

    # -- changing --------------------------------------------------------------------------

    def terminate(
        self, machine_id: str, reason: EndReason = EndReason.USER, *, timeout_s: float = 20
    ) -> bool:
        """End a machine: every process, its folder. A machine that is not there is ended already.

        Returns:
            Whether it is gone. False: something is left after ``timeout_s``; call again.
        """
        return self._power.end(self._folder(machine_id), reason, "", timeout_s)

    def fail(self, machine_id: str) -> bool:
        """Break a machine: it ends at once, without a warning, as HARDWARE. See ``terminate``."""
        self.get(machine_id)
        return self.terminate(machine_id, EndReason.HARDWARE)

    def preempt(self, machine_id: str, notice_s: float = 0) -> bool:
        """Take a machine away, after a warning that its file ``Machine.notice`` shows.

        Returns:
            Whether it is gone already: False while the notice runs.

        Raises:
            UnknownMachine: There is no such machine.
        """
        self.get(machine_id)
        folder = self._folder(machine_id)
        if notice_s > 0:
            self._power.give_notice(folder, notice_s)
            return False
        return self.terminate(machine_id, EndReason.PREEMPTED)

    def reboot(self, machine_id: str) -> Machine:
        """Switch a machine off and on: every process ends, the home is kept, boot scripts run.

        Raises:
            UnknownMachine: There is no such machine.
            RoomError: Something on it could not be ended.
        """
        self._power.restart(self._folder(machine_id))
        return self.get(machine_id)

    def stop(self, machine_id: str) -> Machine:
        """Switch a machine off and keep its folder. A stopped one stays stopped.

        Raises:
            UnknownMachine: There is no such machine.
            RoomError: Something on it could not be ended.
        """
        self._power.off(self._folder(machine_id), "")
        return self.get(machine_id)

    def start(self, machine_id: str) -> Machine:
        """Switch a stopped machine on. A running one keeps running.

        Raises:
            NoCapacity: Its place is full.
            UnknownMachine: There is no such machine.
        """
        folder = self._folder(machine_id)
        with locked(self._lock):
            self._check_start(machine_id)
            self._power.on(folder)
        return self.get(machine_id)

    def _check_start(self, machine_id: str) -> None:
        machine = self.get(machine_id)
        if machine.state is not MachineState.STOPPED:
            return
        rules: dict[str, int | None] = read_json(self._rules) or {}
        records = self._records()
        own = next(r for r in records if r["id"] == machine_id)
        rule = limit_for(place_of(own), rules, own["capacity"])
        used = [place_of(r) for r in records if r["power"] == "on"]
        if rule.limit is not None and count(rule.place, used) >= rule.limit:
            raise NoCapacity(rule.place, rule.limit)

    # -- capacity --------------------------------------------------------------------------

    def set_capacity(self, place: Place, limit: int | None) -> None:
        """Let at most ``limit`` machines be at a place at once; None lifts every limit there.

        The most specific rule that covers a machine decides; any rule beats the machine's own
        default. Machines that are there stay.
        """
        with locked(self._lock):
            rules = read_json(self._rules) or {}
            write_json(self._rules, {**rules, str(place): limit})

    def capacity_rules(self) -> tuple[CapacityRule, ...]:
        """Return the rules that were set."""
        rules: dict[str, int | None] = read_json(self._rules) or {}
        return tuple(CapacityRule(Place.parse(text), n) for text, n in sorted(rules.items()))

    def free(self, place: Place, default: int | None = None) -> int | None:
        """Return how many more machines fit at an exact place; None means any number."""
        rule = limit_for(place, read_json(self._rules) or {}, default)
        if rule.limit is None:
            return None
        used = [place_of(r) for r in self._records() if r["power"] == "on"]
        return max(0, rule.limit - count(rule.place, used))

    # -- house-keeping ---------------------------------------------------------------------

    def _folder(self, machine_id: str) -> Folder:
        return Folder(self.path, machine_id)

    def _records(self) -> tuple[dict[str, Any], ...]:
        ids = [path.name for path in self.machines.iterdir() if not path.name.startswith(".")]
        return tuple(r for r in (self._folder(i).read() for i in ids) if r is not None)

    def _settle(self) -> None:
        for record in self._records():
            self._power.settle(self._folder(record["id"]))

    def _clean_if_idle(self) -> None:
        if any(path.name.startswith(".") for path in self.machines.iterdir()):
            lock = try_lock(self._lock)
            if lock is not None:
                with contextlib.closing(os.fdopen(lock)):
                    self._clean()

    def _clean(self, within_s: float | None = 3600) -> None:
        """Remove what a killed process left half made or half removed. Needs the room's lock.

        Args:
            within_s: How far back the ledger is read; None means all of it.
        """
        for path in tuple(self.machines.iterdir()):
            if path.name.startswith("."):
                remove_tree(path)
        since = 0.0 if within_s is None else self.now() - within_s
        events = self.book.recent(since)
        gone = {event.id for event in events if event.event == "gone"}
        lost = (e for e in events if e.event == "made" and e.id not in gone)
        self._close_lost(e for e in lost if not (self.machines / e.id).exists())

    def _close_lost(self, made: Iterable[LedgerEvent]) -> None:
        """Write the end of machines whose maker died between the ledger and the folder."""
        ends = []
        for event in made:
            facts = {
                "reason": EndReason.FAILED_START,
                "detail": "the process that made it was killed",
                "machine": event.facts["machine"],
            }
            ends.append(LedgerEvent(self.now(), "gone", event.id, facts))
        if ends:
            self.book.append(ends)
