"""Unknown leftovers of purchases, such as a rule whose machine was never made."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from arb.errors import ArbError
from arb.provision.verdicts import attempt_of
from arb.state.attempts import get_attempt
from arb.state.clusters import get_by_id
from arb.types import Instance, InstanceState, Listing
from arb.types.tokens import parse_token

if TYPE_CHECKING:
    from collections.abc import Mapping

    from arb.plugins.provider import Provider
    from arb.provision.shop import Shop
    from arb.state.attempts import Attempt
    from arb.state.store import Store

__all__ = ["Beside", "Leftover", "look_beside"]

_SETTLED_S: Final = 60.0
"""A provider that confirmed a removal may go on showing the thing for so long."""


@dataclass(frozen=True, slots=True)
class Leftover:
    """A purchase of which something is left that is not a machine.

    Attributes:
        token: Of the purchase, without a rank.
        account: Whose it is.
    """

    provider: str
    token: str
    account: str

    def as_instance(self) -> Instance:
        """Return it as a machine that is gone, which is all that is known of the purchase."""
        return Instance(self.provider, self.token, "", InstanceState.GONE, token=self.token)


@dataclass(frozen=True, slots=True)
class Beside:
    """What a look beside machines found.

    Attributes:
        leftovers: What nobody asks for any more.
        unlisted: Region -> why it could not be looked at.
        error: Why nothing could be looked at; None when something was.
    """

    leftovers: tuple[Leftover, ...] = ()
    unlisted: Mapping[str, str] = field(default_factory=dict)
    error: ArbError | None = None


def look_beside(shop: Shop, provider: Provider, listing: Listing) -> Beside:
    """List what is there beside machines at one provider, and say what is left over of it.

    The provider is asked first and state second, as for machines: an intent is on disk before anything
    of it can exist.

    Args:
        shop: The means.
        provider: Which.
        listing: Its machines, of this owner at least. What belongs to one that is alive goes after it,
            and what may belong to one of a region that could not be listed is left alone.
    """
    store = shop.journal.store
    listed_at = store.now()
    try:
        found = provider.list_leftovers(store.owner())
    except ArbError as error:
        return Beside(error=error)
    if found is None:
        return Beside()
    alive = {attempt_of(i) for i in listing.instances if i.state is not InstanceState.GONE}
    settled_at = listed_at - max(provider.info.listing_lag_s, _SETTLED_S)
    tokens = [token for token in sorted(found.tokens - alive) if _is_own(store, token)]
    attempts = {token: get_attempt(store, token) for token in tokens}
    left = [
        Leftover(provider.name, token, found.account)
        for token, attempt in attempts.items()
        if (_is_over(store, attempt, settled_at) if attempt else _is_whole(listing))
    ]
    return Beside(tuple(left), dict(found.errors))


def _is_own(store: Store, token: str) -> bool:
    parsed = parse_token(token)
    return parsed is not None and parsed.owner == store.owner() and parsed.rank is None


def _is_whole(listing: Listing) -> bool:
    return Listing.EVERYWHERE in listing.complete or not listing.errors


def _is_over(store: Store, attempt: Attempt, settled_at: float) -> bool:
    """Say whether nobody asks any more for what a purchase made."""
    cluster = get_by_id(store, attempt.cluster_id)
    is_over = cluster is None or (cluster.gone_at is not None and cluster.gone_at < settled_at)
    return not attempt.is_open and is_over
