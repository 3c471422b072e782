"""Leases: who may work on something now, with a fence that outlives the lease.

A holder renews its lease; one that dies loses it when the time is over, or at once when the next
process sees that it ended. A holder that merely slept finds its fence outdated: ``check`` or
``keep`` inside a writing transaction then refuses the write.
"""

from __future__ import annotations

import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from arb.errors import StateError
from arb.state.holders import is_awake, is_dead, new_holder, parse_holder

if TYPE_CHECKING:
    from collections.abc import Iterator

    from arb.state.store import Reader, Row, Store, Transaction

__all__ = ["Lease", "LeaseHeld", "LeaseLost", "Leases"]

_TTL_S: Final = 60.0
WAKING_S: Final = 25.0
"""Longer than the time between two beats."""
_POLL_S: Final = 0.1


class LeaseHeld(StateError):
    """Somebody else works on it."""


class LeaseLost(StateError):
    """The lease expired or went to somebody else: nothing more may be written under it."""


@dataclass(frozen=True, slots=True)
class Lease:
    """One holder's turn. ``fence`` grows with every new turn of the same name.

    Attributes:
        lost: Set by the heartbeat of ``Leases.held`` when renewing failed for good.
    """

    name: str
    holder: str
    fence: int
    acquired_at: float
    expires_at: float
    lost: threading.Event = field(default_factory=threading.Event, compare=False, repr=False)

    def check(self, tx: Transaction) -> None:
        """Refuse to go on unless this lease is still in force. Call it in each transaction.

        Raises:
            LeaseLost: It expired, was released, or went to somebody else.
        """
        # The lock is for PostgreSQL, where a taker need not wait for an exclusive transaction.
        sql = "UPDATE leases SET holder = holder WHERE name = ? AND fence = ? AND holder = ?"
        params = (self.name, self.fence, self.holder)
        still = tx.execute(sql + " AND expires_at > ?", (*params, tx.now))
        if not still:
            raise _lost(self.name)

    def look(self, reader: Reader) -> None:
        """Refuse to go on once somebody else took this lease over; writes nothing.

        Raises:
            LeaseLost: It went to somebody else, or was released.
        """
        held = find_lease(reader, self.name)
        if held is None or (held.fence, held.holder) != (self.fence, self.holder):
            raise _lost(self.name)

    def keep(self, tx: Transaction) -> None:
        """Refuse to go on once somebody else took this lease over. Call it in each transaction.

        Unlike ``check`` it renews a lease that expired and that nobody took: the process slept, and
        nothing happened meanwhile.

        Raises:
            LeaseLost: It went to somebody else, or was released.
        """
        ttl_s = self.expires_at - self.acquired_at
        params = (tx.now, tx.now + ttl_s, self.name, self.fence, self.holder)
        if not tx.execute(_KEEP, params):
            raise _lost(self.name)


class Leases:
    """The leases of one store."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._expired: dict[tuple[str, int], float] = {}

    def acquire(self, name: str, holder: str = "", ttl_s: float = _TTL_S) -> Lease | None:
        """Take a lease that is free, expired, or held by a process that ended.

        Args:
            name: What is worked on, for instance ``cluster/train``.
            holder: Made by ``new_holder``, one for each turn; empty makes one.
            ttl_s: Seconds until it expires unless renewed.

        Returns:
            The lease, or None when somebody else holds it.
        """
        holder = holder or new_holder()
        known = self.info(name)
        if known is not None and self._may_be_waking(known):
            return None
        dead_fence = -1
        if known is not None and is_dead(known.holder):
            dead_fence = known.fence
        with self._store.write(exclusive=False) as tx:
            expires_at = tx.now + ttl_s
            rows = tx.read(_ACQUIRE, (name, holder, tx.now, expires_at, tx.now, dead_fence))
        return _to_lease(rows[0]) if rows else None

    def _may_be_waking(self, lease: Lease) -> bool:
        """Say whether a lease expired only because this machine slept, its holder with it.

        A holder that runs renews it at its next beat; one that does not in that time has lost it.
        """
        if lease.expires_at > self._store.now() or not is_awake(lease.holder):
            return False
        now = self._store.clock.monotonic()
        seen_at = self._expired.setdefault((lease.name, lease.fence), now)
        return now - seen_at < WAKING_S

    def renew(self, lease: Lease, ttl_s: float = _TTL_S) -> bool:
        """Move the end of a lease to ``ttl_s`` from now.

        Returns:
            False when it is lost; an expired one that nobody took is renewed.
        """
        with self._store.write(exclusive=False) as tx:
            params = (tx.now + ttl_s, lease.name, lease.fence, lease.holder)
            return tx.execute(_RENEW, params) == 1

    def release(self, lease: Lease) -> None:
        """End a turn. Nothing happens when it was lost already; the fence is kept."""
        with self._store.write(exclusive=False) as tx:
            params = (lease.name, lease.fence, lease.holder)
            tx.execute(_RELEASE, params)

    def info(self, name: str) -> Lease | None:
        """Return the lease as somebody holds it now, expired or not; None when it is free."""
        return find_lease(self._store, name)

    @contextmanager
    def held(
        self, name: str, *, ttl_s: float = _TTL_S, wait_s: float = 0, what: str = ""
    ) -> Iterator[Lease]:
        """Hold a lease for a block, renewed by a thread of its own.

        Args:
            name: As for ``acquire``.
            ttl_s: As for ``acquire``; renewed three times in each.
            wait_s: How long to wait for the present holder, in seconds.
            what: How the error names it to people; empty takes ``name``.

        Raises:
            LeaseHeld: Somebody else still holds it after ``wait_s``.
        """
        lease = self._wait(name, ttl_s, wait_s, what or name)
        stop = threading.Event()
        args = (lease, ttl_s, stop)
        thread = threading.Thread(target=self._beat, args=args, name=f"lease {name}", daemon=True)
        thread.start()
        try:
            yield lease
        finally:
            stop.set()
            thread.join()
            self.release(lease)

    def _wait(self, name: str, ttl_s: float, wait_s: float, what: str) -> Lease:
        clock, holder = self._store.clock, new_holder()
        deadline = clock.monotonic() + wait_s
        while (lease := self.acquire(name, holder, ttl_s)) is None:
            if clock.monotonic() >= deadline:
                raise _held(what, self.info(name))
            clock.sleep(_POLL_S)
        return lease

    def _beat(self, lease: Lease, ttl_s: float, stop: threading.Event) -> None:
        """Renew until stopped. A store that fails now may work at the next beat."""
        while not stop.wait(ttl_s / 3):
            try:
                if not self.renew(lease, ttl_s):
                    lease.lost.set()
                    return
            except StateError:
                continue


_RENEW: Final = "UPDATE leases SET expires_at = ? WHERE name = ? AND fence = ? AND holder = ?"
_KEEP: Final = """
    UPDATE leases SET expires_at = CASE WHEN expires_at > ? THEN expires_at ELSE ? END
    WHERE name = ? AND fence = ? AND holder = ?
"""
_RELEASE: Final = """
    UPDATE leases SET holder = '', expires_at = 0 WHERE name = ? AND fence = ? AND holder = ?
"""
_ACQUIRE: Final = """
    INSERT INTO leases (name, holder, fence, acquired_at, expires_at) VALUES (?, ?, 1, ?, ?)
    ON CONFLICT (name) DO UPDATE SET
        holder = excluded.holder,
        fence = leases.fence + 1,
        acquired_at = excluded.acquired_at,
        expires_at = excluded.expires_at
    WHERE leases.holder = '' OR leases.expires_at <= ? OR leases.fence = ?
    RETURNING *
"""


def find_lease(reader: Reader, name: str) -> Lease | None:
    """Return the lease of this name as it is held, expired or not; None when it is free."""
    rows = reader.read("SELECT * FROM leases WHERE name = ? AND holder <> ''", (name,))
    return _to_lease(rows[0]) if rows else None


def _to_lease(row: Row) -> Lease:
    return Lease(**row)


def _held(what: str, lease: Lease | None) -> LeaseHeld:
    holder = parse_holder(lease.holder) if lease else None
    by = f" by {holder}" if holder else ""
    return LeaseHeld(
        f"{what} is being worked on{by}",
        code="lease-held",
        hint="wait for it to end, or end it, and run the command again",
    )


def _lost(name: str) -> LeaseLost:
    return LeaseLost(
        f"another process took over {name} while this one stood still",
        code="lease-lost",
        hint="see arb status for what it does now",
    )
