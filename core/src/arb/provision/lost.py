"""Intents whose answer was lost or whose process died: find by token what they made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from arb.errors import ArbError
from arb.nodes.fanout import fan_out_all
from arb.provision.cleanup import clean
from arb.state.attempts import AttemptState, open_attempts
from arb.state.clusters import get_by_id
from arb.state.requests import load_request
from arb.types import InstanceState, ListQuery

if TYPE_CHECKING:
    from arb.provision.shop import Shop
    from arb.state.attempts import Attempt

__all__ = ["LOST", "OPEN_S", "look_for_lost"]

OPEN_S: Final = 3600.0
"""For how long after it was opened a lost intent is looked for."""

LOST: Final = frozenset({AttemptState.INTENT, AttemptState.UNKNOWN, AttemptState.PLACED})
"""States in which machines may exist that nobody has seen."""


def look_for_lost(shop: Shop, cluster_id: str = "") -> bool:
    """List the tokens of every open intent; what exists is recorded, to be given back.

    So is what is gone by now and is still listed: it was paid for. An intent is closed once a trusted
    listing shows nothing an hour after it was opened, or as soon as the provider's listing cannot lag.
    Call it only when no living process works on the cluster.

    Args:
        shop: The means.
        cluster_id: Only intents of this cluster; empty means all.

    Returns:
        Whether a machine was found that was not known: look again when it is gone, more may come.
    """
    attempts = [
        attempt
        for attempt in open_attempts(shop.journal.store, cluster_id=cluster_id)
        if attempt.state in LOST
    ]
    outcomes = fan_out_all(lambda attempt: _look(shop, attempt), attempts)
    for outcome in outcomes:
        if isinstance(outcome.error, ArbError):
            shop.warn_left_open("an open purchase could not be looked up", outcome.error)
        elif outcome.error is not None:
            raise outcome.error
    return any(outcome.result for outcome in outcomes)


def _look(shop: Shop, attempt: Attempt) -> bool:
    provider = shop.provider(attempt.provider)
    request = load_request(attempt.request_json)
    query = ListQuery(
        tokens=frozenset(setup.token for setup in request.setups),
        regions=frozenset({request.offer.region}),
    )
    listing = provider.list_instances(query)
    made = listing.instances
    is_news = bool(made) and shop.journal.appeared(attempt.id, made, listing.account)
    if any(instance.state is not InstanceState.GONE for instance in made):
        return is_news
    if listing.covers(request.offer.region, attempt.account or listing.account):
        age = shop.journal.store.now() - attempt.opened_at
        if age > (OPEN_S if provider.info.listing_lag_s else 0):
            _close(shop, attempt)
    return False


def _close(shop: Shop, attempt: Attempt) -> None:
    """Call an intent over, once what it may have made beside machines is gone as well."""
    cluster = get_by_id(shop.journal.store, attempt.cluster_id)
    if cluster is None or clean(shop, cluster, [attempt]):
        shop.journal.closed(attempt)
