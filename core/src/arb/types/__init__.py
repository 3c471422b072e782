"""Value objects of the contract: what hooks take and return.

All are frozen. Units are in the names: ``_s`` seconds, ``_gib`` GiB (2**30 bytes), ``_usd_hour``
dollars an hour for the **whole instance**. Times are seconds since the epoch, UTC. Secrets are in
fields that ``repr`` leaves out. Plugins import these names from here; layouts only grow.
"""

from __future__ import annotations

from arb.types.clock import Clock, SystemClock
from arb.types.instances import (
    ClusterRef,
    GoneReason,
    Instance,
    InstanceRef,
    InstanceState,
    Listing,
    ListQuery,
    ProvisionResult,
    Termination,
)
from arb.types.nodes import NoticeProbe, SelfTerminate, SshEndpoint, StoreRemote
from arb.types.offers import Catalog, Offer
from arb.types.policy import Event, TaskView
from arb.types.provider import (
    API_VERSION,
    Capability,
    CheckResult,
    CheckStatus,
    PeerNetwork,
    ProviderContext,
    ProviderInfo,
    RateBudget,
    RateLimiter,
)
from arb.types.purchase import HostKey, NodeFile, NodeSetup, ProvisionRequest

__all__ = [
    "API_VERSION",
    "Capability",
    "Catalog",
    "CheckResult",
    "CheckStatus",
    "Clock",
    "ClusterRef",
    "Event",
    "GoneReason",
    "HostKey",
    "Instance",
    "InstanceRef",
    "InstanceState",
    "ListQuery",
    "Listing",
    "NodeFile",
    "NodeSetup",
    "NoticeProbe",
    "Offer",
    "PeerNetwork",
    "ProviderContext",
    "ProviderInfo",
    "ProvisionRequest",
    "ProvisionResult",
    "RateBudget",
    "RateLimiter",
    "SelfTerminate",
    "SshEndpoint",
    "StoreRemote",
    "SystemClock",
    "TaskView",
    "Termination",
]
