"""Value objects of the contract: what hooks take and return.

All are frozen. Units are in the names: ``_s`` seconds, ``_gib`` GiB (2**30 bytes), ``_usd_hour``
dollars an hour for the **whole instance**. Times are seconds since the epoch, UTC. Secrets are in
fields that ``repr`` leaves out. Plugins import these names from here; layouts only grow.

A module is imported when the first of its names is used: most commands need few of them.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from arb.types.clock import Clock, SystemClock
    from arb.types.instances import (
        ClusterRef,
        GoneReason,
        Instance,
        InstanceRef,
        InstanceState,
        Leftovers,
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
    from arb.types.tokens import (
        MACHINE_TOKEN_PATTERN,
        Token,
        attempt_token,
        machine_token,
        parse_token,
    )

__all__ = [
    "API_VERSION",
    "MACHINE_TOKEN_PATTERN",
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
    "Leftovers",
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
    "Token",
    "attempt_token",
    "machine_token",
    "parse_token",
]

_MODULES: Final = {
    "clock": ("Clock", "SystemClock"),
    "instances": (
        "ClusterRef",
        "GoneReason",
        "Instance",
        "InstanceRef",
        "InstanceState",
        "Leftovers",
        "Listing",
        "ListQuery",
        "ProvisionResult",
        "Termination",
    ),
    "nodes": ("NoticeProbe", "SelfTerminate", "SshEndpoint", "StoreRemote"),
    "offers": ("Catalog", "Offer"),
    "policy": ("Event", "TaskView"),
    "provider": (
        "API_VERSION",
        "Capability",
        "CheckResult",
        "CheckStatus",
        "PeerNetwork",
        "ProviderContext",
        "ProviderInfo",
        "RateBudget",
        "RateLimiter",
    ),
    "purchase": ("HostKey", "NodeFile", "NodeSetup", "ProvisionRequest"),
    "tokens": (
        "MACHINE_TOKEN_PATTERN",
        "Token",
        "attempt_token",
        "machine_token",
        "parse_token",
    ),
}
_HOMES: Final = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> Any:
    """Import a name from its module; afterwards it is an ordinary attribute."""
    module = _HOMES.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{module}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
