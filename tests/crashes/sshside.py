"""A team's hosts on paper: a command's connections to them run scripts in folders.

No server stands between a command and a host, so what happens around a script happens in the command's
own process, and a script that is carried out late is put off there.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

from clouds.ledger import Ledger

from crashes.hosts import NAMES, Hosts, pool_of
from crashes.markets import Account, Market
from crashes.points import Kind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from crashes.clock import JumpClock
    from crashes.markets import Call
    from crashes.points import Step
    from crashes.watch import Watcher

__all__ = ["SshMarket"]

_HOSTS: Final = "PAPER_HOSTS"
_KEY: Final = f"ssh-ed25519 {'A' * 68}"
_SCRIPTS: Final = {
    "echo released": "host release",
    "new=.arb-claim": "host claim",
    "nproc": "host measure",
    "": "host look",
}
"""What only one script has in it -> what it is."""
_CHANGING: Final = ("host claim", "host release")


class SshMarket(Market):
    """Hosts of two pools, those of the first cheaper."""

    name = "ssh"
    wish = ("--infra", "ssh")
    spot = ("--infra", "ssh")  # none is sold, and hosts are taken
    lags = False
    lists_by_region = True
    forgets = True
    preload = ("arb_ssh",)

    def open(self, folder: Path, clock: JumpClock, call: Call, *, floor: bool) -> SshAccount:
        """Set hosts up anew."""
        del call, floor  # the hosts are on paper by themselves, and can be given back at any time
        return SshAccount(folder, clock)

    def changes(self, kind: Kind, label: str) -> bool:
        """Say whether it is a script that takes a host or gives one back."""
        return kind is Kind.HOOK and label in _CHANGING

    def holds(self, step: Step) -> bool:
        """Say whether it is a claim: one process of a computer claims at a time."""
        return step.label == "host claim"

    def on_paper(self) -> None:
        """Connect to folders; nobody waits for long for another process that claims."""
        from arb.nodes import removal
        from arb_ssh import looks, provision

        provision._CALL_S = 3.0  # type: ignore[misc]
        looks.Connection = PaperConnection  # type: ignore[assignment,misc]
        removal.remove_agent = lambda *_, **__: []

    def on_jump(self, now: float) -> None:
        """Carry out what is due."""
        Hosts(Path(os.environ[_HOSTS])).carry_out(now)

    def on_watch(self, watcher: Watcher) -> None:
        """Let every script be a step."""
        step = watcher.around(Kind.HOOK, lambda _, script, **__: script, PaperConnection.step)
        PaperConnection.step = step  # type: ignore[method-assign]

    def put_off(self, hook: str, arguments: dict[str, Any], seconds: float) -> None:
        """Have a script run later."""
        from arb.types.clock import SystemClock

        del hook
        what = ("run", (arguments["name"], arguments["text"]))
        Hosts(Path(os.environ[_HOSTS])).put_off(SystemClock().now() + seconds, what)


class SshAccount(Account):
    """The hosts of one trial."""

    def __init__(self, folder: Path, clock: JumpClock) -> None:
        self._clock = clock
        self._hosts = Hosts(folder / "hosts")
        self._hosts.set_up(clock.now())
        self.env = {_HOSTS: str(self._hosts.folder), "USER": "alice"}
        self.config = _config()

    def ledger(self) -> Ledger:
        """Return the hosts' book."""
        return Ledger(self._clock.now(), self._hosts.entries())

    def sell_out(self, *, all_but: int = 0, restock_after_s: float = 0) -> None:
        """Let somebody have hosts of the first pool, or of both."""
        taken = NAMES[all_but:2] if all_but else NAMES
        self._hosts.take(taken)
        if restock_after_s:
            self._hosts.put_off(self._clock.now() + restock_after_s, ("free", taken))

    def blur(self) -> None:
        """Refuse: hosts always tell the truth."""
        raise NotImplementedError

    def darken(self, regions: Sequence[str]) -> None:
        """Let pools be silent."""
        self._hosts.silence(regions)

    def preempt(self, ids: Sequence[str]) -> None:
        """Let somebody remove claims by hand."""
        self._hosts.seize(ids, self._clock.now())

    def tick(self) -> None:
        """Carry out what is due."""
        self._hosts.carry_out(self._clock.now())


class PaperConnection:
    """Stands for ``arb_ssh.client.Connection``."""

    def __init__(self, name: str) -> None:
        self._name = name

    @classmethod
    def open(cls, host: Any, *_: object) -> Self:
        """Connect, unless the host is silent."""
        from arb_ssh.client import NoAnswer

        if Hosts(Path(os.environ[_HOSTS])).is_silent(host.name):
            raise NoAnswer(f"{host.name} does not answer")
        return cls(host.name)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Do nothing."""

    def run(self, script: str, *_: object) -> str:
        """Run a script; an answer that is lost is told as the real connection tells it."""
        from arb.errors import ProviderUnavailable
        from arb_ssh.client import NoAnswer

        label = next(label for words, label in _SCRIPTS.items() if words in script)
        try:
            return self.step(label, name=self._name, text=script)
        except ProviderUnavailable as error:
            raise NoAnswer(f"{self._name}: {error.summary}", sent=True) from error

    def step(self, script: str, *, name: str, text: str) -> str:
        """Run a script; ``script`` says which, for points."""
        from arb.types.clock import SystemClock

        del script
        return Hosts(Path(os.environ[_HOSTS])).run(name, text, SystemClock().now())


def _config() -> str:
    import json

    pools: dict[str, Any] = {
        "one": {"price_usd_hour": 0.5, "vcpus": 8, "memory_gib": 32, "accelerators": "none"},
        "two": {"price_usd_hour": 1.5, "vcpus": 16, "memory_gib": 64, "accelerators": "none"},
    }
    for pool, facts in pools.items():
        named = [(n, name) for n, name in enumerate(NAMES) if pool_of(name) == pool]
        facts["hosts"] = [
            {"name": name, "address": f"127.9.0.{n + 1}", "host_key": _KEY} for n, name in named
        ]
    return json.dumps({"provider_options": {"ssh": {"hosts": pools, "user": "me"}}}) + "\n"
