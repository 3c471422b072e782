"""What a simulated cloud ever made, for whom, for how long and at what price; and every call."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from arb.state.store import Reader

__all__ = ["Call", "Entry", "Ledger", "claims"]


@dataclass
class Entry:
    """One thing that was made: a machine, a key, a rule, a disk.

    Attributes:
        kind: ``machine``, or the cloud's own word for what is not one.
        id: The cloud's id.
        name: What carries our token: name or tag.
        made_at: When billing began, by the cloud's clock.
        gone_at: When it ended; None while it is there.
        reason: Why it ended: ``user``, ``preempted``, ``hardware``, ``failed-start``.
        price_usd_hour: Of a machine, as it was bought.
        region: Where.
        zone: Where.
        instance_type: The cloud's word.
        spot: Capacity class.
        foreign: Somebody else's: it must stay as it is.
        stops: Times of stopping and starting by turns; between them nothing is billed.
    """

    kind: str
    id: str
    name: str
    made_at: float
    gone_at: float | None = None
    reason: str = ""
    price_usd_hour: float = 0
    region: str = ""
    zone: str = ""
    instance_type: str = ""
    spot: bool = False
    foreign: bool = False
    stops: list[float] = field(default_factory=list)

    def seconds(self, now: float) -> float:
        """Return for how long it was billed until ``now``."""
        end = now if self.gone_at is None else min(now, self.gone_at)
        pauses = [t for t in self.stops if t < end]
        if len(pauses) % 2:
            pauses.append(end)
        idle = sum(b - a for a, b in zip(pauses[::2], pauses[1::2], strict=True))
        return max(0.0, end - self.made_at - idle)

    def usd(self, now: float) -> float:
        """Return what it cost until ``now``."""
        return self.seconds(now) * self.price_usd_hour / 3600


@dataclass(frozen=True)
class Call:
    """One request: what was asked, what came of it. ``fault`` is empty when all went well.

    ``status`` is 0 where no answer was sent. ``body`` is the request's, and may hold secrets.
    """

    at: float
    operation: str
    path: str
    status: int
    fault: str = ""
    body: Any = None


@dataclass
class Ledger:
    """Everything, in the order in which it was made or asked.

    Attributes:
        now: The cloud's time when this was read.
        entries: Made things.
        calls: Requests, those of the control interface left out.
    """

    now: float = 0
    entries: list[Entry] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)

    def of(self, kind: str = "machine", *, foreign: bool = False) -> list[Entry]:
        """Return all of a kind that were ever made by those whom the test watches."""
        return [e for e in self.entries if e.kind == kind and e.foreign is foreign]

    def alive(self, kind: str = "", *, foreign: bool = False) -> list[Entry]:
        """Return what is there (and billed); empty ``kind`` means all kinds."""
        return [
            e
            for e in self.entries
            if (e.gone_at is None or e.gone_at > self.now)
            and e.foreign is foreign
            and kind in {"", e.kind}
        ]

    def unclaimed(self, state: Collection[str] = ()) -> list[Entry]:
        """Return what is there and nobody knows of: leaks.

        Args:
            state: What the client's state still holds: ids, names, and tokens of attempts, which
                cover every name that continues them with ``-``. See ``claims``.
        """
        return [e for e in self.alive() if not _is_claimed(e, state)]

    def harmed(self) -> list[Entry]:
        """Return things of somebody else that were ended by a call."""
        return [e for e in self.entries if e.foreign and e.gone_at and e.reason == "user"]

    def usd(self, name: str = "", *, since: float = 0.0) -> float:
        """Return what it all cost until now.

        Args:
            name: Only of names that begin so; empty means of everything that is not foreign.
            since: Only of things that were made from this time on.
        """
        chosen = (e for e in self.entries if not e.foreign and e.name.startswith(name))
        return sum(e.usd(self.now) for e in chosen if e.made_at >= since)

    def count(self, operation: str) -> int:
        """Return how many calls of an operation were seen."""
        return sum(call.operation == operation for call in self.calls)

    def to_plain(self) -> dict[str, Any]:
        """Return what JSON can hold."""
        return asdict(self)

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> Ledger:
        """Read what ``to_plain`` returned."""
        return cls(
            plain["now"],
            [Entry(**entry) for entry in plain["entries"]],
            [Call(**call) for call in plain["calls"]],
        )


def claims(store: Reader, *also: str) -> set[str]:
    """Return what an ``ARB_HOME``'s state still holds: what will be given back by a next command.

    Args:
        store: A ``Store`` or a transaction.
        also: More that is claimed, for instance a name that all clusters of an owner share.
    """
    from arb.state.attempts import open_attempts
    from arb.state.machines import open_machines

    tokens = {attempt.id for attempt in open_attempts(store)}
    return {machine.instance_id for machine in open_machines(store)} | tokens | set(also)


def _is_claimed(entry: Entry, state: Iterable[str]) -> bool:
    return any(
        known in {entry.id, entry.name} or entry.name.startswith(f"{known}-") for known in state
    )
