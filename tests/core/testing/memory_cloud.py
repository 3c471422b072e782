"""A small cloud in memory: an API with accounts, pages, faults and a ledger, and no network."""

from __future__ import annotations

import itertools
import threading
from dataclasses import dataclass, field, replace

from arb.errors import Scope
from arb.testing import CloudMachine, CloudThing, ContractCloud, FakeClock, Login
from arb.types import SshEndpoint

KEY, OTHER_KEY, BAD_KEY = "mk-good-9f3a77", "mk-other-51bd20", "mk-bad-c0ffee"
ACCOUNTS = {KEY: "team-1", OTHER_KEY: "team-2"}
REGIONS = ("north", "south")
BOOT_S, END_S, FLOOR_S = 30, 20, 1200
_COUNT = itertools.count()
SERVERS: dict[str, Server] = {}
"""Clouds by address, as a network has them."""


class ApiError(Exception):
    """An answer that is no success."""

    def __init__(self, status: int, text: str, **facts: object) -> None:
        super().__init__(text)
        self.status, self.text, self.facts = status, text, facts


@dataclass
class Vm:
    """One machine. Times are the cloud's; None: not yet."""

    id: str
    name: str
    account: str
    region: str
    zone: str
    type: str
    spot: bool
    price: float
    made_at: float
    runs_at: float
    floor_s: float
    number: int
    labels: dict[str, str] = field(default_factory=dict)
    user_data: str = ""
    keys: tuple[str, ...] = ()
    ends_at: float | None = None
    reason: str = ""
    failed: bool = False
    stopped: bool = False
    refused: bool = False
    strange: bool = False

    def status(self, now: float) -> str:
        if self.strange and (self.ends_at is None or self.ends_at > now):
            return "hibernating"
        if self.ends_at is not None:
            return "ended" if self.ends_at <= now else "ending"
        if self.failed:
            return "failed"
        if self.stopped:
            return "stopped"
        return "running" if self.runs_at <= now else "booting"


class Server:
    """The API. Every call goes through ``call``."""

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.lock = threading.RLock()
        self.vms: dict[str, Vm] = {}
        self.rules: dict[str, CloudThing] = {}
        self.numbers = itertools.count(1)
        self.page_size = 100
        self.boot_s = BOOT_S
        self.stock: dict[tuple[str, str, bool], int] = {}
        self.refuses: set[tuple[str, str, bool]] = set()
        self.failing: set[str] = set()
        self.used_up: set[str] = set()
        self.trouble = ""
        self.status = 503
        self.retry_after_s = 0.0
        self.drop_orders = 0
        self.orders_left: float = float("inf")
        self.fails_pages = False

    def call(self, key: str, operation: str, *, timeout_s: float, clock, **arguments):
        """Answer one call, or do not."""
        if self.trouble == "hang":
            clock.sleep(timeout_s)
            raise TimeoutError("no answer")
        if self.trouble == "fail":
            raise ApiError(self.status, f"cannot serve {operation} for {key}")
        if self.trouble == "garble":
            return f"<html>Welcome, {key}</html>"
        if self.trouble == "limit":
            raise ApiError(429, "too many requests", retry_after_s=self.retry_after_s)
        with self.lock:
            account = ACCOUNTS.get(key, "")
            if not account and operation != "offers":
                raise ApiError(401, f"the key {key} is not known")
            answer = getattr(self, f"do_{operation}")(account, **arguments)
            if operation in {"order", "batch"} and self.drop_orders:
                self.drop_orders -= 1
                raise TimeoutError("connection closed")
            return answer

    def do_me(self, account):
        return {"account": account}

    def do_offers(self, account):
        return [{**row, "available": self._left(row) > 0} for row in OFFERS]

    def _limit(self):
        self.orders_left -= 1
        if self.orders_left < 0:
            raise ApiError(429, "too many requests", retry_after_s=7)

    def do_order(self, account, **facts):
        self._limit()
        return self._order(account, **facts)

    def _order(self, account, *, name, kind, region, spot, **more):
        row = next(
            (r for r in OFFERS if (r["type"], r["region"], r["spot"]) == (kind, region, spot)), None
        )
        if row is None:
            raise ApiError(422, f"unknown instance type {kind}")
        if kind in self.used_up:
            raise ApiError(403, "quota")
        if self._left(row) <= 0:
            raise ApiError(409, "sold out")
        number, now = next(self.numbers), self.clock.now()
        place = (kind, region, spot)
        vm = Vm(
            f"vm-{number:04}",
            name,
            account,
            region,
            row["zone"],
            kind,
            spot,
            row["price"],
            now,
            now + self.boot_s,
            row["floor_s"],
            number,
            **more,
        )
        vm.refused = place in self.refuses
        if vm.refused:
            vm.ends_at, vm.reason = now, "no-capacity"
        self.vms[vm.id] = vm
        return self._view(vm)

    def do_batch(self, account, *, count, **order):
        """Make all or none."""
        self._limit()
        place = (order["kind"], order["region"], order["spot"])
        for row in OFFERS:
            if (row["type"], row["region"], row["spot"]) == place and self._left(row) < count:
                raise ApiError(409, "sold out")
        return [self._order(account, **order) for _ in range(count)]

    def do_list(self, account, *, region, page):
        if region in self.failing or (page and self.fails_pages):
            raise ApiError(503, f"{region} does not answer")
        mine = [vm for vm in self.vms.values() if (vm.account, vm.region) == (account, region)]
        shown = [self._view(vm) for vm in mine if not self._forgotten(vm)]
        begin = page * self.page_size
        rows = shown[begin : begin + self.page_size]
        return {"rows": rows, "more": len(shown) > begin + self.page_size}

    def do_get(self, account, *, machine):
        return self._view(self._vm(account, machine))

    def do_end(self, account, *, machine):
        vm, now = self._vm(account, machine), self.clock.now()
        left_s = vm.made_at + vm.floor_s - now
        if left_s > 0:
            raise ApiError(409, "minimum run time", left_s=left_s)
        if vm.ends_at is not None:
            raise ApiError(409, "is ending already", ending=True)
        vm.ends_at, vm.reason = now + END_S, "user"

    def do_stop(self, account, *, machine):
        vm = self._vm(account, machine)
        if vm.stopped:
            raise ApiError(409, "is stopped", same=True)
        vm.stopped = True

    def do_start(self, account, *, machine):
        vm = self._vm(account, machine)
        if not vm.stopped:
            raise ApiError(409, "is not stopped", same=True)
        vm.stopped, vm.runs_at = False, self.clock.now() + self.boot_s

    def do_rules(self, account):
        return [{"id": t.id, "name": t.name} for t in self.rules.values() if t.gone_at is None]

    def do_add_rule(self, account, *, name):
        if any(t.name == name and t.gone_at is None for t in self.rules.values()):
            raise ApiError(409, "there is one", same=True)
        rule = CloudThing(f"rule-{next(self.numbers):04}", name)
        self.rules[rule.id] = rule
        return rule.id

    def do_drop_rule(self, account, *, rule_id):
        rule = self.rules.get(rule_id)
        if rule is None or rule.gone_at is not None:
            raise ApiError(404, "no such rule")
        rule.gone_at = self.clock.now()

    def _left(self, row):
        return self.stock.get((row["type"], row["region"], row["spot"]), 99) - sum(
            (vm.type, vm.region, vm.spot) == (row["type"], row["region"], row["spot"])
            and vm.ends_at is None
            for vm in self.vms.values()
        )

    def _vm(self, account, machine):
        vm = self.vms.get(machine)
        if vm is None or vm.account != account or self._forgotten(vm):
            raise ApiError(404, "no such machine")
        if vm.status(self.clock.now()) == "ended":
            raise ApiError(410, "has ended")
        return vm

    def _forgotten(self, vm):
        """Ended machines are shown for an hour; orders that failed late for a minute."""
        kept_s = 60 if vm.refused else 3600
        return vm.ends_at is not None and vm.ends_at + kept_s < self.clock.now()

    def _view(self, vm):
        now = self.clock.now()
        view = {k: getattr(vm, k) for k in ("id", "name", "region", "zone", "type", "spot")}
        status = vm.status(now)
        up = status in {"running", "failed"}
        view |= {"made_at": vm.made_at, "price": vm.price, "status": status, "reason": vm.reason}
        return view | {
            "address": f"10.0.0.{vm.number}" if up else "",
            "port": 20_000 + vm.number,
            "labels": vm.labels,
        }


def _row(kind, region, price, *, spot=False, gpus=0, vcpus=4, memory=16, floor_s=0):
    facts = {"zone": f"{region}-a", "spot": spot, "price": price, "gpus": gpus}
    facts |= {"vcpus": vcpus, "memory": memory, "floor_s": floor_s}
    return {"id": f"{kind}.{region}", "type": kind, "region": region, **facts}


OFFERS = [
    _row("small", "north", 0.20),
    _row("small", "south", 0.22),
    _row("h100x1", "north", 2.99, gpus=1, vcpus=26, memory=225),
    _row("h100x1", "north", 1.40, gpus=1, vcpus=26, memory=225, spot=True),
    _row("h100x8", "north", 22.4, gpus=8, vcpus=208, memory=1800, floor_s=FLOOR_S),
]


class MemoryCloud(ContractCloud):
    """Control of one server, as the conformance suite asks for it."""

    def __init__(self) -> None:
        super().__init__(FakeClock())
        self.server = Server(self.clock)
        self.url = f"memory://{next(_COUNT)}"
        SERVERS[self.url] = self.server

    def close(self) -> None:
        del SERVERS[self.url]

    def _login(self, key: str) -> Login:
        env = {"MEMORY_URL": self.url, "MEMORY_API_KEY": key}
        return Login(env, {".memory/credentials": key}, secrets=(key,))

    def login(self) -> Login:
        return self._login(KEY)

    def refused_login(self) -> Login:
        return self._login(BAD_KEY)

    def other_login(self) -> Login:
        return self._login(OTHER_KEY)

    def in_stock(self, offer):
        return True

    def machines(self):
        return [
            CloudMachine(vm.id, vm.name, vm.ends_at, vm.region) for vm in self.server.vms.values()
        ]

    def things(self):
        return list(self.server.rules.values())

    def received(self, machine_id):
        vm = self.server.vms[machine_id]
        return "\n".join((*vm.keys, vm.user_data))

    def shown(self, machine_id):
        vm = self.server.vms[machine_id]
        return f"{vm.name} {vm.labels}"

    def endpoint(self, machine_id):
        number = self.server.vms[machine_id].number
        return SshEndpoint(f"10.0.0.{number}", 20_000 + number, "memo")

    def _place(self, offer):
        return (offer.instance_type, offer.region, offer.spot)

    def stock_out(self, offer, left=0):
        self.server.stock[self._place(offer)] = left
        return Scope.ZONE

    def use_up_quota(self, offer):
        self.server.used_up.add(offer.instance_type)
        return Scope.QUOTA_FAMILY

    def refuse_late(self, offer):
        self.server.refuses.add(self._place(offer))

    def slow_boot(self, seconds):
        self.server.boot_s = seconds

    def lose_next_answer(self):
        self.server.drop_orders += 1

    def hang(self):
        self.server.trouble = "hang"

    def fail(self, status=503):
        self.server.trouble, self.server.status = "fail", status

    def garble(self):
        self.server.trouble = "garble"

    def rate_limit(self, retry_after_s):
        self.server.trouble, self.server.retry_after_s = "limit", retry_after_s

    def limit_orders(self, left):
        self.server.orders_left = left

    def fail_pages(self):
        self.server.fails_pages = True

    def fail_region(self, region):
        self.server.failing.add(region)

    def small_pages(self, rows):
        self.server.page_size = rows

    def foreign_machine(self, name):
        number, now = next(self.server.numbers), self.clock.now()
        vm = Vm(
            f"vm-{number:04}", name, "team-1", "north", "", "small", False, 1, now, now, 0, number
        )
        self.server.vms[vm.id] = vm
        return vm.id

    def foreign_thing(self, name):
        return self.server.do_add_rule("team-1", name=name)

    def preempt(self, machine_id):
        vm = self.server.vms[machine_id]
        self.server.vms[machine_id] = replace(vm, ends_at=self.clock.now(), reason="taken")

    def unknown_state(self, machine_id):
        self.server.vms[machine_id].strange = True

    def fail_machine(self, machine_id):
        self.server.vms[machine_id].failed = True
