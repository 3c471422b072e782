"""One trial's home, cloud and time, and the commands that run there."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from arb.state.store import open_store
from arb.state.vault import open_vault
from crashes.clock import JumpClock
from crashes.databases import FileDatabase
from crashes.points import LATE_S, Act, Kind, Step
from crashes.watch import DIED

if TYPE_CHECKING:
    from collections.abc import Iterable

    from clouds.ledger import Entry, Ledger

    from crashes.databases import ServerDatabase
    from crashes.forks import Fork, Forks
    from crashes.markets import Account, Market
    from crashes.points import Point
    from crashes.scenarios import Arb

__all__ = ["Ran", "World", "scratch"]

_LONG_S = 90.0
"""Longer than a lease lasts."""
_BUSY_S = 0.2
_COMMAND_S = 0.2
"""So long after the one before it a command begins."""


@dataclass
class Ran:
    """One command that ran.

    Attributes:
        began: By the trial's clock.
        home: Whose, if it is not the trial's own.
        ended: The same; None when it died or is stopped.
        code: Its exit code; -1 when it died.
        steps: What it did, when it was watched; its calls of the API among them.
        met: Whether it met with its trouble.
        cannot_write: Whether that keeps it from writing: the disk is full, the database gone.
    """

    words: tuple[str, ...]
    began: float
    fork: Fork
    home: str = ""
    ended: float | None = None
    code: int | None = None
    output: str = ""
    steps: list[Step] = field(default_factory=list)
    met: bool = False
    cannot_write: bool = False

    def __str__(self) -> str:
        """Return it as one reads it in a terminal."""
        code = "died" if self.ended is None else f"exit {self.code}"
        whose = f"({self.home}) " if self.home else ""
        return f"{whose}$ arb {' '.join(self.words)}    [{code}]\n{self.output.rstrip()}"


class World:
    """A home, a cloud, and the time that both have.

    Args:
        forks: Where commands run.
        market: Who sells.
        floor: Whether machines have a minimum run time, where that can be chosen.
        began: The time at the beginning.
        cache: A folder whose content is put into the home's ``cache``: price lists that were read.
        server: Where state is; in the home by default.
        bug: One of ``bugs.BUGS``, planted into every command.

    Attributes:
        taken: Ids of the machines that the provider took away.
    """

    def __init__(
        self,
        forks: Forks,
        market: Market,
        *,
        floor: bool = False,
        began: float = 0,
        cache: Path | None = None,
        server: ServerDatabase | None = None,
        bug: str = "",
    ) -> None:
        self.market = market
        self.folder = Path(tempfile.mkdtemp(prefix="trial-", dir=scratch()))
        self.clock = JumpClock(self.folder / "clock")
        self.clock.begin_at(began or time.time())
        self.ran: list[Ran] = []
        self.taken: set[str] = set()
        self._forks = forks
        self._bug = bug
        self.account: Account = market.open(self.folder, self.clock, self.call, floor=floor)
        self._cache = cache
        self._homes: dict[str, Path] = {}
        self.home = self._home_of("")
        self.database = server or FileDatabase(self.home)
        if server is not None:
            server.empty()
        self.env = {**self.env_of(self.home), **self.database.env()}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.account.close()
        for ran in self.ran:
            if ran.fork.code is None:
                ran.fork.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _home_of(self, name: str) -> Path:
        """Return a home that knows this account, made when it is first asked for."""
        if name not in self._homes:
            home = self._homes[name] = self.folder / (name or "arb")
            home.mkdir(mode=0o700)
            (home / "config.yaml").write_text(self.account.config)
            if self._cache is not None:
                shutil.copytree(self._cache, home / "cache")
        return self._homes[name]

    def env_of(self, home: Path) -> dict[str, str]:
        """Return the environment of commands with a home."""
        user = self.folder / f"user-{home.name}"
        user.mkdir(exist_ok=True)
        fixed = {"HOME": str(user), "ARB_HOME": str(home), "PATH": os.environ["PATH"]}
        others = ",".join(_installed() - {self.market.name})
        terminal = {"LANG": "C.UTF-8", "TERM": "dumb", "ARB_DISABLE_PROVIDERS": others}
        return {**fixed, **terminal, **self.account.env}

    # -- time ------------------------------------------------------------------------------

    def advance(self, seconds: float) -> None:
        """Let time pass, and what is due happen: what comes late at about its time."""
        begun = self.clock.now()
        for passed in (*(late_s + 0.5 for late_s in LATE_S if late_s < seconds), seconds):
            self.clock.reach(begun + passed)
            self.account.tick()

    # -- what is there ---------------------------------------------------------------------

    def ledger(self) -> Ledger:
        """Return what the account's ledger says; what other homes bought there is foreign in it."""
        ledger = self.account.ledger()
        others = tuple(f"arb-{owner}-" for owner in self._other_owners())
        entries = [
            replace(entry, foreign=True) if entry.name.startswith(others) else entry
            for entry in ledger.entries
        ]
        return replace(ledger, entries=entries)

    def _other_owners(self) -> list[str]:
        owners = []
        for home in (home for name, home in self._homes.items() if name):
            with closing(open_store(f"sqlite:///{home / 'state.db'}", clock=self.clock)) as store:
                owners.append(store.owner())
        return owners

    def take(self, entries: Iterable[Entry]) -> None:
        """Let the provider take machines away."""
        ids = [entry.id for entry in entries]
        self.taken.update(ids)
        self.account.preempt(ids)

    # -- commands --------------------------------------------------------------------------

    def arb(
        self,
        command: Arb,
        *,
        trap: Point | None = None,
        trace: bool = False,
    ) -> Ran:
        """Run one command to its end, to its death, or until it is stopped.

        Args:
            command: Which.
            trap: Trouble on its way.
            trace: Note its steps.
        """
        wire = getattr(self.account, "wire", None)
        if wire is not None:
            wire.arm(trap if trap and trap.step.kind is Kind.CALL else None)
        order: dict[str, Any] = {"argv": command.words, "trace": trace, "trap": _inner(trap)}
        ran = self._start(order, command.words, command.home)
        ran.cannot_write = trap is not None and trap.act in {Act.FULL, Act.LOSE}
        if wire is not None:
            wire.aim(ran.fork)
        self.go_on(ran)
        if wire is not None:
            ran.met |= wire.tripped
            ran.steps += _numbered(Kind.CALL, [call.replace(":", ";") for call in wire.calls])
        return ran

    def go_on(self, ran: Ran) -> None:
        """Wait until a command ends, dies or is stopped, and note what became of it."""
        ended = ran.fork.wait()
        ran.output = ran.fork.output
        if not ended:
            ran.met = True
            return
        ran.code = ran.fork.code
        if ran.code != -1 and not (ran.code == DIED and "met" in ran.fork.told):
            ran.ended = self.clock.now()
        ran.met |= "met" in ran.fork.told
        ran.steps = [*_steps(ran.fork.told), *(s for s in ran.steps if s.kind is Kind.CALL)]

    def call(self, function: str, *arguments: Any) -> None:
        """Run ``module:function`` in a process of its own, where machines are on paper."""
        ran = self._start({"call": function, "args": arguments}, (function,))
        self.ran.remove(ran)
        ran.fork.wait()
        if ran.fork.code:
            raise RuntimeError(f"{function} failed:\n{ran.fork.output}")

    def _start(self, order: dict[str, Any], words: tuple[str, ...], home: str = "") -> Ran:
        env = self.env_of(self._home_of(home)) if home else self.env
        about = {"env": env, "clock": str(self.clock.path), "market": self.market.name}
        about["bug"] = self._bug
        self.clock.advance(_COMMAND_S)
        began = self.clock.now()
        if self.holds_lock:
            order["busy_s"] = _BUSY_S
        ran = Ran(words, began, self._forks.start({**order, **about}), home)
        self.ran.append(ran)
        return ran

    # -- trouble ---------------------------------------------------------------------------

    holds_lock = False
    """Whether a command that is stopped holds the database's lock: others do not wait for it long."""

    def outlast_lease(self) -> None:
        """Let a lease expire that nobody renews."""
        self.advance(_LONG_S)

    def forget_machines(self) -> None:
        """Let state take every purchase for over and know no machine nor key; the log stays."""
        store = self.database.open(self.clock)
        assert store is not None
        vault = open_vault(self.home / "vault", store, self.env)
        for name in vault.names("host/"):
            vault.delete(name)
        with store, store.write() as tx:
            tx.execute("DELETE FROM machines")
            tx.execute("UPDATE attempts SET state = 'closed', closed_at = opened_at")
            tx.execute("UPDATE clusters SET status = 'gone', gone_at = created_at")

    def told(self) -> str:
        """Return everything that was said."""
        return "\n".join(map(str, self.ran))


def scratch() -> str | None:
    """Return where trials are quickest: in memory, where there is enough of it."""
    memory = Path("/dev/shm")
    with_room = memory.is_dir() and os.access(memory, os.W_OK)
    return str(memory) if with_room and shutil.disk_usage(memory).free > 200 << 20 else None


@cache
def _installed() -> frozenset[str]:
    from importlib.metadata import entry_points

    return frozenset(entry.name for entry in entry_points(group="arb.providers"))


def _inner(trap: Point | None) -> dict[str, Any] | None:
    """Return what the command's own process must know of a point."""
    if trap is None or trap.step.kind is Kind.CALL:
        return None
    facts = {"kind": trap.step.kind, "label": trap.step.label, "nth": trap.step.nth}
    return {**facts, "when": trap.when, "act": trap.act, "late_s": trap.late_s}


def _steps(told: list[str]) -> list[Step]:
    lines = [line.split(" ", 2) for line in told if line.startswith("step ")]
    counts: dict[tuple[str, str], int] = {}
    found = []
    for _, kind, label in lines:
        nth = counts[kind, label] = counts.get((kind, label), 0) + 1
        found.append(Step(0, Kind(kind), label, nth))
    return found


def _numbered(kind: Kind, labels: list[str]) -> list[Step]:
    return _steps([f"step {kind} {label}" for label in labels])
