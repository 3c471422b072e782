"""What the provider is."""

from __future__ import annotations

from typing import Final

from arb.types import Capability, ProviderInfo, RateBudget
from arb_lambda.settings import OPTIONS

__all__ = ["API", "LAUNCH", "LISTING_LAG_S", "provider_info"]

API: Final = "api"
LAUNCH: Final = "launch"
_LAUNCH_EVERY_S: Final = 13
"""Lambda takes one launch in twelve seconds, and one machine a launch.

It counts them where they arrive, so that one which was on its way for longer than the next comes too
close to it: a second is left for that.
"""
LISTING_LAG_S: Final = 30


def provider_info() -> ProviderInfo:
    """Describe the provider."""
    return ProviderInfo(
        display_name="Lambda",
        capabilities=frozenset({Capability.ON_DEMAND, Capability.PORTS, Capability.USER_DATA}),
        readiness_timeout_s=1500,  # the largest machines take a quarter of an hour
        machine_interval_s=_LAUNCH_EVERY_S,
        poll_interval_s=5,
        listing_lag_s=LISTING_LAG_S,
        catalog_ttl_s=300,  # what is in stock changes faster than prices
        rate_budgets={
            API: RateBudget(burst=1, per_s=1),
            LAUNCH: RateBudget(burst=1, per_s=1 / _LAUNCH_EVERY_S),
        },
        options=OPTIONS,
        docs_url="https://docs.lambda.ai/public-cloud/",
    )
