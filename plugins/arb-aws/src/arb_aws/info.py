"""What the provider is, without credentials or network."""

from __future__ import annotations

from typing import Final

from arb.types import Capability, PeerNetwork, ProviderInfo
from arb_aws.settings import OPTIONS

__all__ = ["LISTING_LAG_S", "provider_info"]

LISTING_LAG_S: Final = 60.0
"""A machine may be missing from answers for so long after it was ordered."""


def provider_info() -> ProviderInfo:
    """Return the constants of EC2.

    The first catalog reads the price list of every region, hence its longer budget; on-demand prices
    are kept for days and spot prices change by the hour, hence its age.
    """
    return ProviderInfo(
        display_name="AWS",
        capabilities=frozenset(
            {
                Capability.ON_DEMAND,
                Capability.SPOT,
                Capability.STOP,
                Capability.PORTS,
                Capability.USER_DATA,
                Capability.SELF_TERMINATE,
                Capability.BATCH,
            }
        ),
        peer_network=PeerNetwork.PRIVATE,
        minimum_s=60,
        notice_s=120,
        hook_budgets_s={"arb_catalog": 90},
        poll_interval_s=2,
        listing_lag_s=LISTING_LAG_S,
        catalog_ttl_s=3600,
        options=OPTIONS,
    )
