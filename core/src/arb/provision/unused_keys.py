"""Forget keys in the vault that nothing refers to any more."""

from __future__ import annotations

from typing import TYPE_CHECKING

from arb.state.attempts import ENDED, get_attempt
from arb.state.clusters import ClusterStatus, get_by_id
from arb.types.tokens import attempt_token, parse_token

if TYPE_CHECKING:
    from arb.provision.shop import Shop
    from arb.state.store import Store

__all__ = ["forget_unused_keys"]


def forget_unused_keys(shop: Shop, *, state_was_lost: bool = False) -> None:
    """Forget host keys of purchases, and gang keys of clusters, that are over or not known.

    A lost state leaves such keys, and so does a process that stood still while others gave back what
    it bought, and that died right after it put its keys down.

    Another process may be launching at this moment. Cluster and intent are on disk before a key is,
    so the vault is read first and state second: what state then does not know, nobody needs.

    Args:
        shop: The means.
        state_was_lost: Forget all that is not known. Otherwise what another owner's or nobody's
            seems to be stays: two databases may share one folder of keys.
    """
    store, vault = shop.journal.store, shop.vault
    hosts, gangs = vault.names("host/"), vault.names("gang/")
    unused = [n for n in hosts if _is_host_over(store, n, unknown=state_was_lost)]
    unused += [n for n in gangs if _is_gang_over(store, n, unknown=state_was_lost)]
    for name in unused:
        vault.delete(name)
    vault.sweep()


def _is_host_over(store: Store, name: str, *, unknown: bool) -> bool:
    token = parse_token(name.removeprefix("host/"))
    if token is None:
        return unknown
    attempt = get_attempt(store, attempt_token(token.owner, token.cluster_id, token.seq))
    if attempt is None:
        return unknown or token.owner == store.owner()
    return attempt.state in ENDED


def _is_gang_over(store: Store, name: str, *, unknown: bool) -> bool:
    cluster = get_by_id(store, name.removeprefix("gang/"))
    return unknown if cluster is None else cluster.status is ClusterStatus.GONE
