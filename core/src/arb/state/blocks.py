"""Remembered refusals: what the walk skips until they expire."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from arb.errors import Scope

if TYPE_CHECKING:
    from collections.abc import Iterable

    from arb.errors import Refusal
    from arb.state.store import Reader, Row, Transaction
    from arb.types import Offer

__all__ = ["Block", "Blocks", "active_blocks", "add_block", "forget_blocks", "place_of"]

_OF_QUOTAS: Final = frozenset({Scope.QUOTA_FAMILY, Scope.QUOTA_FAMILY_EVERYWHERE})


@dataclass(frozen=True, slots=True)
class Block:
    """One refusal that still counts.

    Attributes:
        place: What of the provider it covers: JSON text of ``place_of``.
        until: When it expires.
        code: Of the error.
        reason: Its summary.
    """

    provider: str
    scope: Scope
    place: str
    until: float
    code: str
    reason: str
    made_at: float


class Blocks:
    """Blocks arranged so that asking for one offer looks at a few keys, however many there are."""

    def __init__(self, blocks: Iterable[Block]) -> None:
        self._by_key = {(b.provider, b.scope, b.place): b for b in blocks}

    def __len__(self) -> int:
        return len(self._by_key)

    def covering(self, offer: Offer) -> Block | None:
        """Return the widest block that covers an offer, or None."""
        if not self._by_key:
            return None
        for scope in reversed(Scope):
            for family in _families(offer, scope):
                place = place_of(offer, scope, family)
                block = self._by_key.get((offer.provider, scope, place))
                if block is not None:
                    return block
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


def add_block(tx: Transaction, offer: Offer, refusal: Refusal, *, seconds: float) -> Block:
    """Remember a refusal; a later one of the same place replaces an earlier that ends sooner.

    Args:
        tx: A transaction.
        offer: What was refused.
        refusal: What the provider said.
        seconds: For how long it counts: ``refusal.block_s``, or the core's default.

    Returns:
        The block as it is in force.
    """
    place = place_of(offer, refusal.scope, refusal.family)
    tx.execute("DELETE FROM blocks WHERE until <= ?", (tx.now,))
    values = (offer.provider, refusal.scope.value, place, tx.now + seconds)
    rows = tx.read(
        """INSERT INTO blocks (provider, scope, place, until, code, reason, made_at)
        VALUES (?, ?, ?, ?, ?, ?, ?)
        ON CONFLICT (provider, scope, place) DO UPDATE SET
            until = CASE WHEN blocks.until > excluded.until THEN blocks.until
                ELSE excluded.until END,
            code = excluded.code, reason = excluded.reason, made_at = excluded.made_at
        RETURNING *""",
        (*values, refusal.code, refusal.summary, tx.now),
    )
    return _to_block(rows[0])


def active_blocks(reader: Reader, now: float) -> Blocks:
    """Return the blocks in force at a time, in seconds since the epoch."""
    rows = reader.read("SELECT * FROM blocks WHERE until > ? ORDER BY made_at", (now,))
    return Blocks(_to_block(row) for row in rows)


def forget_blocks(tx: Transaction, *, provider: str = "") -> int:
    """Forget blocks, because the user acted; return how many there were.

    Args:
        tx: A transaction.
        provider: Only those of one provider; empty means all.
    """
    return tx.execute("DELETE FROM blocks WHERE ? = '' OR provider = ?", (provider, provider))


def _families(offer: Offer, scope: Scope) -> tuple[str, ...]:
    """Return the families under which a block of this scope may cover the offer."""
    if scope in _OF_QUOTAS:
        return (*offer.quota_family.split(), "")
    return ("",)


def _to_block(row: Row) -> Block:
    return Block(**{**row, "scope": Scope(row["scope"])})
