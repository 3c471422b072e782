"""What the provider is, and whether it can be used."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING, Final

from arb.errors import UsageError
from arb.types import Capability, CheckResult, CheckStatus, PeerNetwork, ProviderInfo
from arb_local.settings import OPTIONS, ROOM_VARIABLE, room_path, simulated_types

if TYPE_CHECKING:
    from pathlib import Path

    from arb.types import ProviderContext

__all__ = ["check", "provider_info"]

_CAPABILITIES: Final = frozenset(
    {
        Capability.ON_DEMAND,
        Capability.SPOT,
        Capability.STOP,
        Capability.PORTS,
        Capability.USER_DATA,
        Capability.SELF_TERMINATE,
        Capability.OWNED,
    }
)


def provider_info() -> ProviderInfo:
    """Describe the provider."""
    return ProviderInfo(
        display_name="this machine",
        capabilities=_CAPABILITIES,
        peer_network=PeerNetwork.PRIVATE,
        notice_s=30,
        readiness_timeout_s=60,
        listing_lag_s=0,
        catalog_ttl_s=60,
        options=OPTIONS,
    )


def check(context: ProviderContext) -> CheckResult:
    """Say whether nodes can be made here."""
    path = room_path(context.options, context.env, context.data_dir)
    source = _source(context)
    try:
        simulated = simulated_types(context)
    except UsageError as error:
        return CheckResult(CheckStatus.REFUSED, error.summary, hint=error.hint, source=source)
    if not os.access(_nearest(path), os.W_OK | os.X_OK):
        summary = f"the machine room {path} cannot be written"
        hint = f"set provider_options.local.room or {ROOM_VARIABLE} to a folder of yours"
        return CheckResult(CheckStatus.REFUSED, summary, hint=hint, source=source)
    types = f"{len(simulated)} simulated instance type{'' if len(simulated) == 1 else 's'}"
    client = "" if shutil.which("ssh") else "; nodes get an ssh command of their own"
    return CheckResult(
        CheckStatus.OK, f"this machine and {types}{client}", may=("launch",), source=source
    )


def _source(context: ProviderContext) -> str:
    if context.options.get("room"):
        return "provider_options.local.room"
    return ROOM_VARIABLE if context.env.get(ROOM_VARIABLE) else "no account needed"


def _nearest(path: Path) -> Path:
    """Return the folder, or the nearest one above that exists."""
    return next((p for p in (path, *path.parents) if p.exists()), path)
