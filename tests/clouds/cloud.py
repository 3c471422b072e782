"""The base of every simulated cloud: capacity, machines, faults and the ledger.

A cloud adds its own API in ``handle``; everything that tests control is here. Methods named in
``CONTROLS`` can be called over HTTP as well (see ``server.py`` and ``remote.py``).
"""

from __future__ import annotations

import itertools
import threading
import time
from abc import ABC, abstractmethod
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

from arb_local.room import Place
from arb_local.room.capacity import count, limit_for
from clouds.clock import SharedClock
from clouds.faults import Fault, FaultKind, Faults
from clouds.ledger import Call, Entry, Ledger
from clouds.model import NoRoom, Order, Settings, Vm, VmState
from clouds.nodes import Nodes, PaperNodes
from clouds.userdata import UserData

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from clouds.http import Answer, Request

__all__ = ["Cloud"]

_ANY_KIND = "*"
_LOOK_S = 0.2


class Cloud(ABC):
    """One account of a simulated cloud.

    Args:
        path: A folder of its own: clock file and machine room.
        clock: Time; the file ``clock`` in ``path`` by default.
        nodes: Where machines run; a room in ``path`` by default. ``PaperNodes`` runs none.
    """

    CONTROLS: ClassVar[tuple[str, ...]] = (
        "add_foreign",
        "advance",
        "break_machine",
        "clear_faults",
        "configure",
        "fault",
        "machines",
        "preempt",
        "set_capacity",
        "set_quota",
    )

    LISTS_BY_REGION: ClassVar[bool] = True
    """Whether one region's listing can fail alone."""

    def __init__(
        self,
        path: Path,
        *,
        clock: SharedClock | None = None,
        nodes: Nodes | PaperNodes | None = None,
    ) -> None:
        path.mkdir(parents=True, exist_ok=True)
        self.clock = clock or SharedClock(path / "clock")
        self.nodes = nodes or self.make_nodes(path / "room")
        self.lock = threading.RLock()
        self.settings = self.make_settings()
        self.faults = Faults()
        self.vms: dict[str, Vm] = {}
        self._entries: list[Entry] = []
        self._calls: list[Call] = []
        self._capacity: dict[str, int | None] = {}
        self._quotas: dict[str, float] = {}
        self._numbers = itertools.count(1)
        self._later: list[tuple[float, Callable[[], object]]] = []
        self._look_at = 0.0
        self.url = ""
        """Where its server is, once there is one."""

    # -- what a cloud adds -----------------------------------------------------------------

    @abstractmethod
    def handle(self, request: Request) -> Answer:
        """Answer one call of the API. Called under ``lock``."""

    def operation(self, request: Request) -> str:
        """Name what a request does, for faults and the log: ``POST /api/things``.

        Ids in paths are best left out, so that tests can match.
        """
        return f"{request.method} {request.path}"

    def make_nodes(self, path: Path) -> Nodes:
        """Return where machines run."""
        return Nodes(path)

    def make_settings(self) -> Settings:
        """Return how the cloud behaves at first; a cloud may have more settings."""
        return Settings()

    def foreign_order(self, name: str, **facts: Any) -> Order:
        """Return a machine of somebody else in the same account; a cloud may need more facts."""
        place = {"kind": "other", "region": "elsewhere", "price_usd_hour": 1.0}
        return Order(name, user_data=UserData(), **{**place, **facts})

    def on_end(self, vm: Vm) -> None:  # noqa: B027 - most clouds have nothing to do
        """Do what the end of a machine brings with it, for instance the end of its keys."""

    def on_notice(self, vm: Vm) -> None:  # noqa: B027 - some clouds give none
        """Show the warning of a preemption where the machine looks for it."""

    # -- what a cloud uses -----------------------------------------------------------------

    def new_id(self, prefix: str) -> str:
        """Return an id that nothing has."""
        return f"{prefix}{next(self._numbers):08}"

    def record(self, kind: str, id_: str, name: str, **facts: Any) -> Entry:
        """Write something that was made into the ledger."""
        entry = Entry(kind, id_, name, self.clock.now(), **facts)
        self._entries.append(entry)
        return entry

    def entry(self, id_: str) -> Entry | None:
        """Return what is there under an id."""
        return next((e for e in self._entries if e.id == id_ and e.gone_at is None), None)

    def check_room(self, order: Order) -> None:
        """Refuse an order that does not fit.

        Raises:
            NoRoom: It does not.
        """
        now = self.clock.now()
        counted = [vm.order for vm in self.vms.values() if vm.is_counted(now)]
        exact = [o.place for o in counted]
        anything = [replace(place, kind=_ANY_KIND) for place in exact]
        for place, used in (
            (order.place, exact),
            (replace(order.place, kind=_ANY_KIND), anything),
        ):
            rule = limit_for(place, self._capacity, None)
            if rule.limit is not None and count(rule.place, used) >= rule.limit:
                raise NoRoom(place=order.place)
        for name, amount in order.quotas.items():
            limit = self._quotas.get(name)
            if limit is not None and sum(o.quotas.get(name, 0) for o in counted) + amount > limit:
                raise NoRoom(quota=name)

    def free(self, place: Place) -> int | None:
        """Return how many more machines fit at a place by its rules; None means any number."""
        rule = limit_for(place, self._capacity, None)
        if rule.limit is None:
            return None
        now = self.clock.now()
        used = [vm.order.place for vm in self.vms.values() if vm.is_counted(now)]
        return max(0, rule.limit - count(rule.place, used))

    def make_vm(self, order: Order, id_: str, *, foreign: bool = False) -> Vm:
        """Make a machine; ``check_room`` comes before."""
        now, how = self.clock.now(), self.settings
        entry = self.record(
            "machine",
            id_,
            order.name,
            price_usd_hour=order.price_usd_hour,
            region=order.region,
            zone=order.zone,
            instance_type=order.kind,
            spot=order.spot,
            foreign=foreign,
        )
        ready = now + how.boot_delay_s
        vm = Vm(id_, order, now, float("inf") if how.boots == "stuck" else ready, entry)
        self.vms[id_] = vm
        if how.boots in {"fail", "taken"} and not foreign:
            self._end(vm, ready, "failed-start" if how.boots == "fail" else "preempted", at=ready)
        elif not foreign:
            mute = how.boots in {"mute", "stuck"}
            node = self.nodes.make(id_, order.user_data, delay_s=how.ssh_delay_s, mute=mute)
            vm.node, vm.address, vm.port, vm.user = node.id, node.address, node.port, node.user
        return vm

    def end_vm(self, vm: Vm, reason: str = "user") -> None:
        """Let a machine end as the API does it; one that is ending goes on ending."""
        now = self.clock.now()
        if vm.ending_at > now:
            self._end(vm, now + self.settings.end_delay_s, reason)

    def stop_vm(self, vm: Vm) -> None:
        """Stop a machine: nothing is billed until it is started."""
        now = self.clock.now()
        if vm.state(now) is VmState.RUNNING:
            vm.switches.append((now, VmState.STOPPING))
            vm.switches.append((now + self.settings.stop_delay_s, VmState.STOPPED))
            vm.entry.stops.append(now + self.settings.stop_delay_s)
            self.nodes.stop(vm.node)

    def start_vm(self, vm: Vm) -> None:
        """Start a stopped machine."""
        now = self.clock.now()
        if vm.state(now) is VmState.STOPPED:
            vm.switches.append((now, VmState.BOOTING))
            vm.switches.append((now + self.settings.boot_delay_s, VmState.RUNNING))
            vm.entry.stops.append(now)
            self.nodes.start(vm.node)

    def listed_at(self) -> float:
        """Return the time whose state listings show."""
        return self.clock.now() - self.settings.listing_lag_s

    def schedule(self, delay_s: float, effect: Callable[[], object]) -> None:
        """Have something happen later, by the cloud's clock."""
        self._later.append((self.clock.now() + delay_s, effect))

    def log(self, call: Call) -> None:
        """Write a call down."""
        self._calls.append(call)

    def find(self, name: str) -> Vm:
        """Return the machine with an id or a name; of several, the latest.

        Raises:
            KeyError: There is none.
        """
        if name in self.vms:
            return self.vms[name]
        found = [vm for vm in self.vms.values() if vm.name == name]
        if not found:
            raise KeyError(f"no machine {name}: there are {sorted(self.vms)}")
        return found[-1]

    # -- what tests control ----------------------------------------------------------------

    def advance(self, seconds: float) -> None:
        """Let time pass at once; what is due happens before this returns."""
        self.clock.advance(seconds)
        self.tick()

    def set_capacity(self, place: str, limit: int | None) -> None:
        """Let at most ``limit`` machines be at a place at once; None lifts the limit.

        Args:
            place: ``KIND[@REGION[/ZONE]][#spot|#on-demand]``; the kind ``*`` counts all types.
            limit: How many.
        """
        with self.lock:
            self._capacity[str(Place.parse(place))] = limit

    def set_quota(self, name: str, limit: float | None) -> None:
        """Limit what the account may have of something; None lifts the limit. See ``Order.quotas``."""
        with self.lock:
            self._quotas.pop(name, None)
            if limit is not None:
                self._quotas[name] = limit

    def configure(self, **changes: Any) -> None:
        """Change settings; see ``Settings``."""
        with self.lock:
            self.settings = replace(self.settings, **changes)

    def fault(self, kind: str, **facts: Any) -> None:
        """Let a call go wrong; see ``Fault`` for ``match``, ``count``, ``skip`` and the rest."""
        self.faults.add(Fault(FaultKind(kind), **facts))

    def clear_faults(self) -> None:
        """Let everything go well again."""
        self.faults.clear()

    def preempt(self, name: str, notice_s: float = 0) -> None:
        """Take a machine away, with or without a warning."""
        with self.lock:
            vm, now = self.find(name), self.clock.now()
            vm.notice_at = min(vm.notice_at, now) if notice_s else vm.notice_at
            self._end(vm, now + notice_s, "preempted", at=now + notice_s)
            if notice_s:
                self.on_notice(vm)
        self.tick()

    def break_machine(self, name: str) -> None:
        """Let a machine break, as hardware does."""
        with self.lock:
            self._end(self.find(name), self.clock.now(), "hardware")
        self.tick()

    def add_foreign(self, name: str, kind: str = "machine", **facts: Any) -> str:
        """Put something of somebody else into the account and return its id."""
        with self.lock:
            if kind == "machine":
                order = self.foreign_order(name, **facts)
                return self.make_vm(order, self.new_id("other-"), foreign=True).id
            return self.record(kind, self.new_id("other-"), name, foreign=True, **facts).id

    def machines(self) -> list[dict[str, Any]]:
        """Return every machine that was ever made: id, name, state, address, node and home."""
        now = self.clock.now()
        with self.lock:
            return [self._view(vm, now) for vm in self.vms.values()]

    def ledger(self) -> Ledger:
        """Return a copy of the ledger."""
        with self.lock:
            return Ledger(self.clock.now(), [replace(e) for e in self._entries], list(self._calls))

    # -- time ------------------------------------------------------------------------------

    def tick(self) -> None:
        """Do what is due by the cloud's clock."""
        with self.lock:
            now = self.clock.now()
            due = [effect for at, effect in self._later if at <= now]
            self._later = [(at, effect) for at, effect in self._later if at > now]
            for effect in due:
                effect()
            self._notice_power_off(now)
            for vm in self.vms.values():
                if vm.ends_at <= now and not vm.node_ended:
                    self._bury(vm)

    def close(self) -> None:
        """End every machine's node."""
        self.nodes.close()

    def _end(self, vm: Vm, ends_at: float, reason: str, *, at: float | None = None) -> None:
        if vm.ends_at <= self.clock.now():
            return
        vm.ending_at = min(vm.ending_at, self.clock.now() if at is None else at)
        if ends_at < vm.ends_at:
            vm.ends_at = ends_at
            vm.reason = vm.entry.reason = reason
            vm.entry.gone_at = ends_at

    def _bury(self, vm: Vm) -> None:
        vm.node_ended = True
        if vm.node:
            self.nodes.end(vm.node)
        self.on_end(vm)

    def _notice_power_off(self, now: float) -> None:
        """Take note of machines that switched themselves off; looking costs, so not at each tick."""
        if self.settings.power_off == "running" or time.monotonic() < self._look_at:
            return
        self._look_at = time.monotonic() + _LOOK_S
        running = {vm.node: vm for vm in self.vms.values() if vm.node and vm.is_counted(now)}
        for node in self.nodes.powered_off(set(running)):
            if self.settings.power_off == "gone":
                self._end(running[node], now, "user")
            else:
                running[node].switches.append((now, VmState.STOPPED))
                running[node].entry.stops.append(now)

    def _view(self, vm: Vm, now: float) -> dict[str, Any]:
        state = vm.state(now)
        facts = {"id": vm.id, "name": vm.name, "state": state, "reason": vm.reason}
        facts |= {"address": vm.address, "port": vm.port, "user": vm.user, "node": vm.node}
        return facts | {"foreign": vm.entry.foreign, "spot": vm.order.spot, "kind": vm.order.kind}
