"""Which offers a refusal is about: from Google's codes to our errors and their scopes."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Final

from arb.errors import CapacityError, QuotaError, Refusal, RequestError, Scope
from arb_gcp.answers import NO_CAPACITY

if TYPE_CHECKING:
    from collections.abc import Sequence

    from arb.types import Instance, Offer
    from arb_gcp.answers import Fault

__all__ = ["refusal"]

_STOCK_OUT: Final = re.compile(
    r"stockout|enough resources available|is currently unavailable in the", re.IGNORECASE
)
_BUSY: Final = frozenset(
    {
        "RESOURCE_NOT_READY",
        "RESOURCE_OPERATION_RATE_EXCEEDED",
        "resourceNotReady",
        "INTERNAL_ERROR",
        "internalError",
        "backendError",
        "SERVICE_UNAVAILABLE",
        "UNAVAILABLE",
        "RATE_LIMIT_EXCEEDED",
        "rateLimitExceeded",
        "OPERATION_TIMEOUT",
        "TIMEOUT",
    }
)
_BUSY_S: Final = 60.0
_QUOTA: Final = frozenset({"QUOTA_EXCEEDED", "quotaExceeded", "limitExceeded"})
_EVERY_MACHINE: Final = re.compile(
    r"IN_USE_ADDRESSES|STATIC_ADDRESSES|INSTANCES|DISKS_TOTAL_GB|SSD_TOTAL_GB|.*_DISK_.*"
)
"""Quotas that each machine counts against, whatever it is."""
_OF_PROJECT: Final = frozenset({"FIREWALLS", "NETWORKS"})
_EVERYWHERE: Final = re.compile(r"\bglobally\b")
_POLICIES: Final = "ask who keeps the organization's policies"
_WRONG: Final = (
    (
        re.compile(r"required '[\w.]+' permission|permissions?[_ ](denied|error)"),
        (Scope.PROVIDER, "gcp-forbidden", "run: arb check gcp --policy"),
    ),
    (re.compile(r"constraints/.*resourcelocations"), (Scope.REGION, "gcp-org-policy", _POLICIES)),
    (re.compile(r"constraints/"), (Scope.PROVIDER, "gcp-org-policy", _POLICIES)),
    (
        re.compile(r"subnet"),
        (Scope.REGION, "gcp-subnetwork", "set provider_options.gcp.subnetwork"),
    ),
    (
        re.compile(r"networks?\b"),
        (
            Scope.PROVIDER,
            "gcp-network",
            "run: gcloud compute networks create NAME, or set provider_options.gcp.network",
        ),
    ),
    (
        re.compile(r"permission|serviceaccount"),
        (Scope.PROVIDER, "gcp-forbidden", "run: arb check gcp --policy"),
    ),
    (
        re.compile(r"disk size"),
        (
            Scope.INSTANCE_TYPE,
            "gcp-disk-size",
            "ask for more: disk_size of the task, or provider_options.gcp.disk_gib",
        ),
    ),
    (
        re.compile(r"disk-?types?\b|\[[^]]*\b(pd|hyperdisk)-[^]]*\] features are not compatible"),
        (Scope.INSTANCE_TYPE, "gcp-disk-type", "leave provider_options.gcp.disk_type out"),
    ),
    (
        re.compile(r"image"),
        (
            Scope.INSTANCE_TYPE,
            "gcp-image",
            "name another image: image_id of the task, or provider_options.gcp.image",
        ),
    ),
    (re.compile(r"machine ?type|location"), (Scope.ZONE, "gcp-not-here", "")),
)
"""What else may be wrong: words, in lower case, with scope, code and hint; the first that fits."""
_INVALID: Final = frozenset({"invalid", "badRequest", "required", "INVALID_ARGUMENT", "parseError"})
"""What is wrong with such a request is so in every zone."""
_QUOTA_PAGE: Final = "https://console.cloud.google.com/iam-admin/quotas"


def refusal(fault: Fault, offer: Offer, made: Sequence[Instance] = ()) -> Refusal:
    """Return the error that a refused order of an offer is.

    Args:
        fault: What Google said.
        offer: What was asked for.
        made: Machines of the gang that exist all the same.
    """
    place = f"{offer.instance_type}{' spot' if offer.spot else ''} in {offer.zone}"
    summary = f"gcp {place}: {fault.message or fault.code}"
    if fault.metric or fault.code in _QUOTA:
        return _quota(fault, offer, made, summary)
    if fault.code in NO_CAPACITY or _STOCK_OUT.search(fault.message) or _was_taken(fault, offer):
        hint = f"zones said to have some: {', '.join(fault.other_zones)}" * bool(fault.other_zones)
        scope = Scope.OFFER if _has_guest_accelerators(offer) else Scope.ZONE
        return CapacityError(summary, scope=scope, made=made, code="gcp-no-capacity", hint=hint)
    if fault.code in _BUSY:
        return CapacityError(summary, scope=Scope.ZONE, made=made, code="gcp-busy", block_s=_BUSY_S)
    scope, code, hint = _wrong(fault)
    return RequestError(summary, scope=scope, made=made, code=code, hint=hint)


def _quota(fault: Fault, offer: Offer, made: Sequence[Instance], summary: str) -> QuotaError:
    """Tell the project's quotas from a region's, and those of a family from those of all machines.

    An offer's ``quota_family`` names the quotas that it counts against. The spot variants are the
    same families: a refusal covers one capacity class anyway.
    """
    metric = fault.metric.removeprefix("PREEMPTIBLE_")
    family = metric if metric in offer.quota_family.split() else ""
    hint = f"ask for more: {_QUOTA_PAGE} ({fault.metric or 'the quota that is named'})"
    elsewhere = metric.endswith("_ALL_REGIONS") or _EVERYWHERE.search(fault.message) is not None
    if fault.region or (metric and not elsewhere and metric not in _OF_PROJECT):
        every = not family and _EVERY_MACHINE.fullmatch(metric) is not None
        scope = Scope.REGION if every else Scope.QUOTA_FAMILY
    elif metric in _OF_PROJECT:
        scope = Scope.PROVIDER
    else:
        scope = Scope.QUOTA_FAMILY_EVERYWHERE if metric else Scope.QUOTA_FAMILY
    return QuotaError(summary, scope=scope, family=family, made=made, code="gcp-quota", hint=hint)


def _was_taken(fault: Fault, offer: Offer) -> bool:
    """Say whether a machine went away while it was made: it was taken, or there was none."""
    if fault.code == "UNSUPPORTED_OPERATION" and offer.spot:
        return True
    return fault.code == "RESOURCE_NOT_FOUND" and "/instances/" in fault.message


def _wrong(fault: Fault) -> tuple[Scope, str, str]:
    """Return scope, code and hint of a request that is wrong, as far as the words tell."""
    words = f"{fault.code} {fault.message}".lower()
    for pattern, answer in _WRONG:
        if pattern.search(words):
            return answer
    scope = Scope.INSTANCE_TYPE if fault.code in _INVALID else Scope.OFFER
    return scope, "gcp-request", ""


def _has_guest_accelerators(offer: Offer) -> bool:
    """Say whether other offers have the same machine type with other accelerators or none."""
    return bool(json.loads(offer.payload or "{}").get("guest"))
