"""Hooks of object stores, group ``arb.stores``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from arb.hookspecs._markers import hookspec

if TYPE_CHECKING:
    from arb.types import ProviderContext, StoreRemote

__all__ = ["arb_store_config"]


@hookspec(firstresult=True)
def arb_store_config(context: ProviderContext, uri: str) -> StoreRemote:  # type: ignore[empty-body]
    """Return the rclone remote for a bucket address.

    Called when a task names the scheme, once a bucket. Required in the group ``arb.stores``.
    Budget: 10 s. Session credentials are made where the store can make them, so that what reaches
    the node ends by itself; nothing else is created.

    Args:
        context: Credentials are in ``env`` and under ``home``.
        uri: For instance ``s3://bucket/prefix``.

    Returns:
        ``StoreRemote``; ``root`` is bucket and prefix without a leading slash.

    Raises:
        CredentialsError: None are there, or they were refused.
        UsageError: The address is not one of this store.
        ProviderUnavailable: No answer.
    """
