"""An account at arb-local: a machine room whose machines are folders and lines, without processes.

No server stands between a command and the room, so a call whose effect comes late is put off here:
it is kept in a file, and carried out by whoever passes its time.
"""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from clouds.ledger import Entry, Ledger

from crashes.markets import Account, Market
from crashes.points import Kind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from arb_local.room import Room
    from arb_local.room.ledger import MachineHistory
    from crashes.clock import JumpClock
    from crashes.markets import Call

__all__ = ["LocalMarket", "deliver", "preempt"]

_ROOM = "ARB_LOCAL_ROOM"
_FOREIGN = ("by-hand", "arb-zzzzzzzz-yyyyyyyy-000-0000")
_KINDS = ("first", "second")
_CONFIG = """
provider_options:
  local:
    simulated:
      - {{instance_type: first, price_usd_hour: 1.8, spot_price_usd_hour: 0.9,
         regions: {{moon: []}}, partial_gangs: true, minimum_s: {floor_s}}}
      - {{instance_type: second, price_usd_hour: 3.6, spot_price_usd_hour: 1.2,
         regions: {{moon: []}}, partial_gangs: true, minimum_s: {floor_s}}}
"""


class LocalMarket(Market):
    """Simulated instance types of arb-local."""

    name = "local"
    wish = ("--infra", "local/moon")
    spot = ("--infra", "local/moon", "--use-spot")
    lags = False
    preload = ("arb_local.offers", "arb_local.purchase", "arb_local.plugin", "arb_local.info")

    def open(self, folder: Path, clock: JumpClock, call: Call, *, floor: bool) -> LocalAccount:
        """Open a room of its own."""
        return LocalAccount(folder, clock, call, floor=floor)

    def changes(self, kind: Kind, label: str) -> bool:
        """Say whether it is a hook that makes or ends something."""
        return kind is Kind.HOOK and label in {"arb_provision", "arb_terminate"}

    def on_paper(self) -> None:
        """Switch no machine on."""
        from crashes.paper import no_power

        no_power()

    def on_jump(self, now: float) -> None:
        """Carry out what is due."""
        _deliver_due(Path(os.environ[_ROOM]), now)

    def put_off(self, hook: str, arguments: dict[str, Any], seconds: float) -> None:
        """Keep a call for later."""
        from arb.types.clock import SystemClock

        _put_off(Path(os.environ[_ROOM]), SystemClock().now() + seconds, (hook, arguments))


class LocalAccount(Account):
    """One room."""

    def __init__(self, folder: Path, clock: JumpClock, call: Call, *, floor: bool) -> None:
        from arb_local.room import Room

        self._path, self._clock, self._call = folder / "room", clock, call
        self._room: Room = Room(self._path, now=clock.now)
        self.env = {_ROOM: str(self._path)}
        self.floor_s = 1200 if floor else 0
        self.config = _CONFIG.format(floor_s=self.floor_s)
        _make_foreign(self._room)

    def ledger(self) -> Ledger:
        """Return the room's book as a cloud's ledger."""
        entries = [_entry(history) for history in self._room.book.histories()]
        return Ledger(self._clock.now(), entries)

    def sell_out(self, *, all_but: int = 0, restock_after_s: float = 0) -> None:
        """Limit the first type, or both."""
        kinds = _KINDS[:1] if all_but else _KINDS
        _limit(self._room, kinds, all_but)
        if restock_after_s:
            _put_off(self._path, self._clock.now() + restock_after_s, ("restock", kinds))

    def blur(self) -> None:
        """Refuse: this room always tells the truth."""
        raise NotImplementedError

    def darken(self, regions: Sequence[str]) -> None:
        """Refuse: this room has one region."""
        raise NotImplementedError

    def preempt(self, ids: Sequence[str]) -> None:
        """Take machines away."""
        self._call("crashes.localside:preempt", list(ids))

    def tick(self) -> None:
        """Carry out what is due, if anything is."""
        if any(at <= self._clock.now() for at, _ in _waiting(self._path)):
            self._call("crashes.localside:deliver")


def preempt(ids: list[str]) -> None:
    """Take machines away, in a process of its own."""
    room = _open(Path(os.environ[_ROOM]))
    for machine_id in ids:
        room.preempt(machine_id)


def deliver() -> None:
    """Carry out what is due, in a process of its own."""
    from arb.types.clock import SystemClock

    _deliver_due(Path(os.environ[_ROOM]), SystemClock().now())


def _open(path: Path) -> Room:
    from arb.types.clock import SystemClock
    from arb_local.room import Room

    return Room(path, now=SystemClock().now)


def _put_off(room: Path, at: float, what: tuple[str, Any]) -> None:
    folder = room / "late"
    folder.mkdir(exist_ok=True)
    path = folder / f"{at:.3f}.{len(list(folder.iterdir()))}"
    path.with_name(f".{path.name}").write_bytes(pickle.dumps(what))
    path.with_name(f".{path.name}").rename(path)


def _waiting(room: Path) -> list[tuple[float, Path]]:
    paths = (room / "late").glob("[0-9]*")
    return sorted((float(path.name.rpartition(".")[0]), path) for path in paths)


def _deliver_due(room: Path, now: float) -> None:
    for at, path in _waiting(room):
        if at <= now:
            taken = path.rename(path.with_name(f".{path.name}"))  # by one process only
            _carry_out(room, *pickle.loads(taken.read_bytes()))


def _carry_out(room: Path, what: str, arguments: Any) -> None:
    from arb.errors import ArbError
    from arb_local.purchase import provision, terminate

    if what == "restock":
        _limit(_open(room), arguments, None)
        return
    context = _context(room)
    try:
        if what == "arb_provision":
            provision(context, arguments["request"])
        else:
            terminate(context, arguments["instance"])
    except ArbError:
        return  # as for anybody who does not wait for the answer


def _context(room: Path) -> Any:
    from arb.types.clock import SystemClock

    return SimpleNamespace(
        provider="local",
        options={"room": str(room)},
        env={},
        data_dir=room,
        home=room,
        clock=SystemClock(),
        remaining_s=lambda: 30.0,
    )


def _limit(room: Room, kinds: tuple[str, ...], limit: int | None) -> None:
    from arb_local.room import Place

    for kind in kinds:
        room.set_capacity(Place(kind, "moon"), limit)


def _make_foreign(room: Room) -> None:
    """Put machines of others into the room; making them switches nothing on."""
    from arb_local.room import MachineSpec

    locks: dict[str, int] = {}
    room._make_locked([MachineSpec(token=token) for token in _FOREIGN], locks, partial=False)
    for lock in locks.values():
        os.close(lock)


def _entry(history: MachineHistory) -> Entry:
    facts, gone = history.made.facts["machine"], history.gone
    return Entry(
        "machine",
        history.id,
        facts["token"],
        facts["made_at"],
        gone.at if gone else None,
        gone.facts["reason"] if gone else "",
        float(facts["tags"].get("price_usd_hour", 0)),
        facts["region"],
        facts["zone"],
        facts["kind"],
        facts["spot"],
        foreign=facts["token"] in _FOREIGN,
    )
