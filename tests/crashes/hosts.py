"""A team's hosts as folders: scripts run in them, and a book says who had which when."""

from __future__ import annotations

import fcntl
import json
import os
import resource
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from clouds.ledger import Entry

from arb.types import parse_token
from arb_ssh.claims import FILE, Claim, read_claim
from crashes.late import due, put_off, waits

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

__all__ = ["FOREIGN", "NAMES", "Hosts"]

FOREIGN = ("by-hand", "arb-zzzzzzzz-yyyyyyyy-000-0000")
NAMES = ("one-a", "one-b", "two-a", "two-b", "two-c", *FOREIGN)
"""Hosts: of the pools ``one`` and ``two``, and two that other people have, of the pool ``two``."""
_TAKEN = '{"token":"","by":"somebody"}\n'


class Hosts:
    """All hosts of one trial.

    Args:
        folder: Theirs.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def set_up(self, now: float) -> None:
        """Make the folders, and give two hosts away."""
        for name in NAMES:
            (self.folder / name / ".ssh").mkdir(parents=True)
        for name in FOREIGN:
            text = Claim(token=name, id=name, host=name, pool="two", by="bob@desk").text()
            self._write(name, f'{text[:-1]},"node":"","made_at":{now:.0f}}}\n')
            (self.folder / f"{name}.was").write_text(self._claim(name))

    def run(self, name: str, script: str, now: float) -> str:
        """Run a script on a host, by the host's own clock, and return what it says."""
        with self._turn(name):
            before = read_claim(self._claim(name))
            said = subprocess.run(
                ["/bin/sh", "-s"],
                input=f"date() {{ echo {now:.0f}; }}\n{script}",
                env={"HOME": str(self.folder / name), "PATH": os.environ["PATH"]},
                capture_output=True,
                text=True,
                check=False,
            ).stdout
            self._note(before, read_claim(self._claim(name)), now, "user")
        return said

    def take(self, names: Sequence[str]) -> None:
        """Let somebody have hosts that are free."""
        for name in names:
            if not self._claim(name):
                self._write(name, _TAKEN)

    def free(self, names: Sequence[str]) -> None:
        """Let somebody give back what he took."""
        for name in names:
            if self._claim(name) == _TAKEN:
                (self.folder / name / FILE).unlink()

    def seize(self, ids: Sequence[str], now: float) -> None:
        """Let somebody remove our claims and keys by hand."""
        for name in NAMES:
            with self._turn(name):
                claim = read_claim(self._claim(name))
                if claim.id in ids:
                    (self.folder / name / FILE).unlink()
                    (self.folder / name / ".ssh" / "authorized_keys").unlink(missing_ok=True)
                    self._note(claim, Claim(""), now, "preempted")

    def put_off(self, at: float, what: tuple[str, Any]) -> None:
        """Have something done later: ``run`` a script or ``free`` hosts."""
        put_off(self.folder / "late", at, what)

    def carry_out(self, now: float) -> None:
        """Do what is due."""
        if not waits(self.folder / "late", now):
            return
        for what, arguments in due(self.folder / "late", now):
            if what == "run":
                self.run(*arguments, now)
            else:
                self.free(arguments)

    def silence(self, pools: Sequence[str]) -> None:
        """Let the hosts of some pools say nothing, and those of all others answer."""
        (self.folder / "silent").write_text(" ".join(pools))

    def is_silent(self, name: str) -> bool:
        """Say whether a host says nothing."""
        path = self.folder / "silent"
        pools = path.read_text().split() if path.exists() else []
        return pool_of(name) in pools

    def entries(self) -> list[Entry]:
        """Return every claim that ever was, and keys that are still let in."""
        found: dict[str, Entry] = {}
        book = self.folder / "book"
        for line in book.read_text().splitlines() if book.exists() else ():
            facts = json.loads(line)
            if facts.pop("what") == "made" and facts["id"] in found:
                found[facts["id"]].gone_at = None  # it came back, and is billed as if it never went
            elif "at" not in facts:
                found[facts["id"]] = Entry("machine", **facts)
            else:
                entry = found[facts["id"]]
                entry.gone_at, entry.reason = facts["at"], facts["reason"]
        return [*found.values(), *self._keys(), *self._others()]

    def _keys(self) -> Iterator[Entry]:
        for name in NAMES:
            path = self.folder / name / ".ssh" / "authorized_keys"
            for line in path.read_text().splitlines() if path.exists() else ():
                yield Entry("key", f"{name}'s", line.split()[-1], 0.0)

    def _others(self) -> Iterator[Entry]:
        for name in FOREIGN:
            same = self._claim(name) == (self.folder / f"{name}.was").read_text()
            gone_at = None if same else 0.0
            yield Entry("machine", name, name, 0.0, gone_at, foreign=True)

    def _note(self, before: Claim, after: Claim, now: float, reason: str) -> None:
        if before.id == after.id:
            return
        rows: list[dict[str, Any]] = []
        if parse_token(before.token):
            rows.append({"what": "gone", "id": before.id, "at": now, "reason": reason})
        if parse_token(after.token):
            facts = {"id": after.id, "name": after.token, "made_at": now, "region": after.pool}
            facts |= {"price_usd_hour": after.price_usd_hour, "instance_type": after.instance_type}
            rows.append({"what": "made", **facts})
        with (self.folder / "book").open("a") as book:
            book.writelines(json.dumps(row) + "\n" for row in rows)

    def _claim(self, name: str) -> str:
        path = self.folder / name / FILE
        return path.read_text() if path.exists() else ""

    def _write(self, name: str, text: str) -> None:
        (self.folder / name / FILE).write_text(text)

    @contextmanager
    def _turn(self, name: str) -> Iterator[None]:
        """Let one process at a time onto a host. Its disk has room, whatever a command's has."""
        room = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, room[1]))
        try:
            with (self.folder / f"{name}.turn").open("w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, room)


def pool_of(name: str) -> str:
    """Return the pool of a host."""
    return name.partition("-")[0] if name not in FOREIGN else "two"
