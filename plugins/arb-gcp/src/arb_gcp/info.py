"""What the provider is, without credentials or network."""

from __future__ import annotations

from typing import Final

from arb.types import Capability, PeerNetwork, ProviderInfo
from arb_gcp.settings import OPTIONS

__all__ = ["LISTING_LAG_S", "provider_info"]

LISTING_LAG_S: Final = 60.0
"""A machine may be missing from answers for so long after it was ordered."""


def provider_info() -> ProviderInfo:
    """Return the constants of Compute Engine.

    A catalog, and the prices in it, take several hundred kilobytes a page, hence the longer budgets;
    spot prices change once a day at most, hence its age.
    """
    return ProviderInfo(
        display_name="Google Cloud",
        capabilities=frozenset(
            {
                Capability.ON_DEMAND,
                Capability.SPOT,
                Capability.STOP,
                Capability.PORTS,
                Capability.USER_DATA,
                Capability.SELF_TERMINATE,
            }
        ),
        peer_network=PeerNetwork.PRIVATE,
        minimum_s=60,
        notice_s=30,
        hook_budgets_s={"arb_catalog": 60, "arb_query_prices": 15},
        poll_interval_s=1,
        listing_lag_s=LISTING_LAG_S,
        catalog_ttl_s=6 * 3600,
        options=OPTIONS,
    )
