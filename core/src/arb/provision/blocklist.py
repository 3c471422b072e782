"""For how long a refusal keeps offers out of the walk. Remembered over processes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from arb.errors import CapacityError, CredentialsError, QuotaError, Refusal, RequestError, Scope
from arb.state.blocks import active_blocks, add_block

if TYPE_CHECKING:
    from collections.abc import Mapping

    from arb.errors import ArbError
    from arb.state.store import Store
    from arb.types import Offer

__all__ = ["covering", "remember"]

_BLOCK_S: Final[Mapping[type[ArbError], float]] = {
    CapacityError: 300,
    QuotaError: 3600,
    RequestError: 300,
    CredentialsError: 60,
}
_OTHER_S: Final = 60.0
"""A lost answer or a broken plugin: long enough for one walk."""


def remember(store: Store, offer: Offer, error: ArbError) -> None:
    """Block what an error of an attempt covers, until it expires."""
    refusal = error if isinstance(error, Refusal) else _as_refusal(error)
    seconds = refusal.block_s
    if seconds is None:
        seconds = next((s for kind, s in _BLOCK_S.items() if isinstance(error, kind)), _OTHER_S)
    with store.write(exclusive=False) as tx:
        add_block(tx, offer, refusal, seconds=seconds)


def covering(store: Store, offer: Offer) -> str | None:
    """Return the reason of the block in force that covers an offer, or None."""
    block = active_blocks(store, store.now()).covering(offer)
    return block.reason if block else None


def _as_refusal(error: ArbError) -> Refusal:
    scope = Scope.PROVIDER if isinstance(error, CredentialsError) else Scope.OFFER
    return Refusal(error.summary, scope=scope, code=error.code, hint=error.hint)
