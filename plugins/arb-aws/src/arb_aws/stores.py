"""``s3://`` buckets. Importing this module is free: no SDK, no files, no network."""

from __future__ import annotations

from typing import TYPE_CHECKING

from arb.hookspecs import hookimpl

if TYPE_CHECKING:
    from arb.types import ProviderContext, StoreRemote

ARB_API = 1


@hookimpl
def arb_store_config(context: ProviderContext, uri: str) -> StoreRemote:
    """See the specification of the hook."""
    from arb_aws.buckets import store_remote

    return store_remote(context, uri)
