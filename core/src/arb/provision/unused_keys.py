"""Keys in the vault that nothing refers to any more: they are forgotten."""

from __future__ import annotations

from typing import TYPE_CHECKING

from arb.state.attempts import ENDED, get_attempt
from arb.state.clusters import ClusterStatus, get_by_id
from arb.state.tokens import attempt_token, parse_token

if TYPE_CHECKING:
    from arb.provision.shop import Shop
    from arb.state.store import Reader

__all__ = ["forget_unused_keys"]


def forget_unused_keys(shop: Shop) -> None:
    """Forget host keys of purchases, and gang keys of clusters, that are over or not known.

    A lost state leaves such keys, and so does a process that stood still while others gave back what
    it bought, and that died right after it put its keys down.

    Another process may be launching at this moment. Cluster and intent are on disk before a key is,
    so the vault is read first and state second: what state then does not know, nobody needs.
    """
    store, vault = shop.journal.store, shop.vault
    hosts, gangs = vault.names("host/"), vault.names("gang/")
    for name in hosts:
        if not _is_host_used(store, name.removeprefix("host/")):
            vault.delete(name)
    for name in gangs:
        if not _is_gang_used(store, name.removeprefix("gang/")):
            vault.delete(name)
    vault.sweep()


def _is_host_used(store: Reader, text: str) -> bool:
    token = parse_token(text)
    if token is None:
        return False
    attempt = get_attempt(store, attempt_token(token.owner, token.cluster_id, token.seq))
    return attempt is not None and attempt.state not in ENDED


def _is_gang_used(store: Reader, cluster_id: str) -> bool:
    cluster = get_by_id(store, cluster_id)
    return cluster is not None and cluster.status is not ClusterStatus.GONE
