"""What the provider is."""

from __future__ import annotations

from typing import Final

from arb.types import Capability, PeerNetwork, ProviderInfo, RateBudget
from arb_spheron.settings import OPTIONS

__all__ = ["LAUNCH", "LISTING_LAG_S", "MINIMUM_S", "READ", "provider_info"]

READ: Final = "read"
LAUNCH: Final = "launch"
MINIMUM_S: Final = 1200
"""Spheron ends no machine before it ran for twenty minutes."""
LISTING_LAG_S: Final = 30
_WINDOW_S: Final = 900

_BUDGETS: Final = {
    # 100 reads in 15 minutes: a full bucket and what is refilled in that time are 100 together.
    READ: RateBudget(burst=40, per_s=60 / _WINDOW_S),
    LAUNCH: RateBudget(burst=10, per_s=10 / _WINDOW_S),
}


def provider_info() -> ProviderInfo:
    """Describe the provider."""
    return ProviderInfo(
        display_name="Spheron AI",
        capabilities=frozenset(
            {Capability.ON_DEMAND, Capability.SPOT, Capability.PORTS, Capability.USER_DATA}
        ),
        peer_network=PeerNetwork.PUBLIC,
        minimum_s=MINIMUM_S,
        readiness_timeout_s=MINIMUM_S,  # they are paid anyway
        hook_budgets_s={"arb_provision": 300},
        machine_interval_s=90,
        poll_interval_s=10,
        listing_lag_s=LISTING_LAG_S,
        rate_budgets=_BUDGETS,
        options=OPTIONS,
        docs_url="https://app.spheron.ai",
    )
