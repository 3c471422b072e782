"""Remembered refusals: what the walk skips until they expire."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from arb.errors import Scope

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from arb.errors import Refusal
    from arb.state.store import Reader, Row, Transaction
    from arb.types import Offer

__all__ = ["Block", "Blocks", "Need", "active_blocks", "add_block", "forget_blocks", "place_of"]

_OF_QUOTAS: Final = frozenset({Scope.QUOTA_FAMILY, Scope.QUOTA_FAMILY_EVERYWHERE})
_NOT_LESS: Final = 1e-6
"""Counts of accelerators are kept as 32-bit floats in catalogs."""


class Need(NamedTuple):
    """How much an order takes: a smaller one may be had where this was refused.

    Attributes:
        nodes: Machines.
        accelerators: Of all machines together; 0 where size does not matter.
        vcpus: The same.
    """

    nodes: int = 1
    accelerators: float = 0
    vcpus: float = 0

    @classmethod
    def of(cls, offer: Offer, nodes: int) -> Need:
        """Return what so many machines of an offer take."""
        return cls(nodes, offer.accelerator_count * nodes, offer.vcpus * nodes)

    def reaches(self, other: Need) -> bool:
        """Say whether this takes at least as much as another, in everything that is known."""
        pairs = zip(self[1:], other[1:], strict=True)
        return self.nodes >= other.nodes and all(
            mine >= theirs - _NOT_LESS or not mine for mine, theirs in pairs
        )


@dataclass(frozen=True, slots=True)
class Block:
    """One refusal that still counts.

    Attributes:
        place: What of the provider it covers: JSON text of ``place_of``.
        basis: What it was made under: it counts only while that holds. Empty always holds.
        nodes: With ``accelerators`` and ``vcpus`` the ``Need`` that was refused.
        until: When it expires.
        code: Of the error.
        reason: Its summary.
    """

    provider: str
    scope: Scope
    place: str
    basis: str
    nodes: int
    accelerators: float
    vcpus: float
    until: float
    code: str
    reason: str
    made_at: float

    @property
    def need(self) -> Need:
        """What was refused: less may be had."""
        return Need(self.nodes, self.accelerators, self.vcpus)


def _always(_: str) -> bool:
    return True


class Blocks:
    """Blocks arranged so that asking for one offer looks at a few keys, however many there are."""

    def __init__(self, blocks: Iterable[Block]) -> None:
        self._by_key: dict[tuple[str, Scope, str], dict[tuple[str, Need], Block]] = {}
        for block in blocks:
            self.add(block)

    def __len__(self) -> int:
        return sum(map(len, self._by_key.values()))

    def add(self, block: Block) -> None:
        """Count one more, or the same anew."""
        key = (block.provider, block.scope, block.place)
        self._by_key.setdefault(key, {})[block.basis, block.need] = block

    def covering(
        self, offer: Offer, nodes: int = 1, holds: Callable[[str], bool] = _always
    ) -> Block | None:
        """Return the widest block that covers so many machines of an offer, or None.

        Of equally wide ones it is the one that lasts longest.

        Args:
            offer: Which.
            nodes: How many machines.
            holds: Says of a basis whether it still holds; asked only of what would cover the offer.
        """
        if not self._by_key:
            return None
        need = Need.of(offer, nodes)
        for scope in reversed(Scope):
            for family in _families(offer, scope):
                key = (offer.provider, scope, place_of(offer, scope, family))
                found = [b for b in self._by_key.get(key, {}).values() if need.reaches(b.need)]
                found = [b for b in found if not b.basis or holds(b.basis)]
                if found:
                    return max(found, key=lambda block: block.until)
        return None


def place_of(offer: Offer, scope: Scope, family: str = "") -> str:
    """Return what a refusal of this offer covers, as JSON text that equal places share.

    Args:
        offer: The one that was refused.
        scope: How far the refusal reaches.
        family: For the scopes of quotas; empty means the same accelerator.
    """
    kind, region = offer.instance_type, offer.region
    quota = [family, "" if family else offer.accelerator, offer.spot]
    parts: dict[Scope, list[object]] = {
        Scope.OFFER: [offer.offer_id, offer.spot],
        Scope.ZONE: [kind, region, offer.zone, offer.spot],
        Scope.INSTANCE_TYPE: [kind, region, offer.spot],
        Scope.REGION: [region, offer.spot],
        Scope.QUOTA_FAMILY: [*quota, region],
        Scope.QUOTA_FAMILY_EVERYWHERE: quota,
        Scope.PROVIDER: [],
    }
    return json.dumps(parts[scope])


def add_block(  # noqa: PLR0913 - keyword-only facts of one refusal
    tx: Transaction,
    offer: Offer,
    refusal: Refusal,
    *,
    seconds: float,
    nodes: int = 1,
    basis: str = "",
) -> Block:
    """Remember a refusal; a later one of the same replaces an earlier that ends sooner.

    It counts for as many machines and more; that of a quota also only for as many accelerators and
    vCPUs and more. What is said of a whole provider counts for every order.

    Args:
        tx: A transaction.
        offer: What was refused.
        refusal: What the provider said.
        seconds: For how long it counts: ``refusal.block_s``, or the core's default.
        nodes: How many machines were refused.
        basis: See ``Block``.

    Returns:
        The block as it is in force.
    """
    place = place_of(offer, refusal.scope, refusal.family)
    tx.execute("DELETE FROM blocks WHERE until <= ?", (tx.now,))
    key = (offer.provider, refusal.scope.value, place, basis)
    need = _need(offer, refusal.scope, nodes)
    rows = tx.read(
        """INSERT INTO blocks (provider, scope, place, basis, nodes, accelerators, vcpus,
            until, code, reason, made_at)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
        ON CONFLICT (provider, scope, place, basis, nodes, accelerators, vcpus) DO UPDATE SET
            until = CASE WHEN blocks.until > excluded.until THEN blocks.until
                ELSE excluded.until END,
            code = excluded.code, reason = excluded.reason, made_at = excluded.made_at
        RETURNING *""",
        (*key, *need, tx.now + seconds, refusal.code, refusal.summary, tx.now),
    )
    return _to_block(rows[0])


def active_blocks(reader: Reader, now: float) -> list[Block]:
    """Return the blocks in force at a time, in seconds since the epoch, whatever their basis."""
    rows = reader.read("SELECT * FROM blocks WHERE until > ? ORDER BY made_at", (now,))
    return [_to_block(row) for row in rows]


def forget_blocks(tx: Transaction, *, provider: str = "", basis: str = "") -> int:
    """Forget blocks, because the user acted; return how many there were.

    Args:
        tx: A transaction.
        provider: Only those of one provider; empty means all.
        basis: Only those whose basis begins so; empty means all.
    """
    sql = "DELETE FROM blocks WHERE (? = '' OR provider = ?) AND substr(basis, 1, ?) = ?"
    return tx.execute(sql, (provider, provider, len(basis), basis))


def _need(offer: Offer, scope: Scope, nodes: int) -> Need:
    """Return what an order must take at least to be covered by a refusal of this one."""
    if scope is Scope.PROVIDER:
        return Need()
    return Need.of(offer, nodes) if scope in _OF_QUOTAS else Need(nodes)


def _families(offer: Offer, scope: Scope) -> tuple[str, ...]:
    """Return the families under which a block of this scope may cover the offer."""
    if scope in _OF_QUOTAS:
        return (*offer.quota_family.split(), "")
    return ("",)


def _to_block(row: Row) -> Block:
    return Block(**{**row, "scope": Scope(row["scope"])})
