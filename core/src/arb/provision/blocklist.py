"""How long a refusal keeps offers out of the walk. Kept across processes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from arb.errors import (
    CapacityError,
    CredentialsError,
    ProviderUnavailable,
    QuotaError,
    Refusal,
    RequestError,
    Scope,
)
from arb.provision.placing import LostAnswer
from arb.state import events
from arb.state.blocks import Blocks, active_blocks, add_block, forget_blocks

if TYPE_CHECKING:
    from collections.abc import Mapping

    from arb.errors import ArbError
    from arb.provision.circumstances import Circumstances, Present
    from arb.state.blocks import Block
    from arb.state.store import Store, Transaction
    from arb.types import Clock, Offer

__all__ = ["Blocklist"]

CAPACITY_S: Final = 300.0
_BLOCK_S: Final[Mapping[type[ArbError], float]] = {
    QuotaError: 3600,
    RequestError: 300,
    CredentialsError: 60,
}
_OTHER_S: Final = 60.0
"""A lost answer or a broken plugin: long enough for one walk."""


_FRESH_S: Final = 1.0
"""So old may be what is known of other processes' refusals: reading them all takes time."""


class Blocklist:
    """What walks of this process may not try.

    Args:
        store: Where refusals are remembered.
        clock: Time.
        circumstances: Tells which of them still count.

    Attributes:
        capacity_s: For how long "no capacity" counts when the provider does not say, in seconds.
    """

    def __init__(self, store: Store, clock: Clock, circumstances: Circumstances) -> None:
        self.capacity_s = CAPACITY_S
        self._store = store
        self._clock = clock
        self._circumstances = circumstances
        self._blocks: Blocks | None = None
        self._read_at = (0.0, 0.0)
        self._present: dict[str, Present] = {}

    def covering(self, offer: Offer, nodes: int) -> Block | None:
        """Return the block in force that covers so many machines of an offer, or None."""
        if self._blocks is None or not self._is_fresh():
            self._blocks = self._read()
            self._read_at = (self._clock.monotonic(), self._clock.now())
        present = self._look(offer.provider)  # no transaction may wait for that later
        return self._blocks.covering(offer, nodes, present.holds)

    def remember(
        self, tx: Transaction, offer: Offer, error: ArbError, *, nodes: int, cluster: str = ""
    ) -> Block:
        """Block what an error of an attempt covers, until it expires.

        Args:
            tx: An exclusive transaction.
            offer: What was refused.
            error: Why.
            nodes: How many machines of it.
            cluster: Whose walk it was, for the log.
        """
        refusal = error if isinstance(error, Refusal) else _as_refusal(error)
        block = add_block(
            tx,
            offer,
            refusal,
            seconds=self._seconds(error, refusal),
            nodes=nodes,
            basis=self._look(offer.provider).basis(error),
        )
        data = {
            "provider": block.provider,
            "scope": block.scope.value,
            "place": block.place,
            "nodes": block.nodes,
            "until": block.until,
            "code": block.code,
            "reason": block.reason,
        }
        events.append(tx, events.OFFERS_BLOCKED, cluster=cluster, data=data)
        if self._blocks is not None:
            self._blocks.add(block)
        return block

    def forget(self) -> None:
        """Forget every refusal, because the user says that things have changed."""
        with self._store.write(exclusive=False) as tx:
            forget_blocks(tx)
        self._blocks = None

    def _is_fresh(self) -> bool:
        """Say whether little time has passed by both clocks: one stands still while a machine sleeps."""
        now = (self._clock.monotonic(), self._clock.now())
        return all(0 <= b - a < _FRESH_S for a, b in zip(self._read_at, now, strict=True))

    def _read(self) -> Blocks:
        """Read those of all processes; what they were made under is looked at anew."""
        self._present.clear()
        return Blocks(active_blocks(self._store, self._store.now()))

    def _look(self, provider: str) -> Present:
        if provider not in self._present:
            self._present[provider] = self._circumstances.present(provider)
        return self._present[provider]

    def _seconds(self, error: ArbError, refusal: Refusal) -> float:
        if refusal.block_s is not None:
            return refusal.block_s
        if isinstance(error, CapacityError):
            return self.capacity_s
        return next((s for kind, s in _BLOCK_S.items() if isinstance(error, kind)), _OTHER_S)


def _as_refusal(error: ArbError) -> Refusal:
    unlisted = isinstance(error, LostAnswer) and error.unlisted
    scope = Scope.OFFER
    if isinstance(error, ProviderUnavailable) and error.never_sent:  # it hung, or did not answer
        scope = error.scope
    elif isinstance(error, CredentialsError) or unlisted:
        scope = Scope.PROVIDER
    return Refusal(error.summary, scope=scope, code=error.code, hint=error.hint)
