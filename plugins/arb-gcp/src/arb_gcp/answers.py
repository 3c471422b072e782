"""What an API says when it says no: HTTP errors and failed operations, read into one form."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from arb.errors import ProviderUnavailable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = [
    "NO_CAPACITY",
    "ApiError",
    "Fault",
    "ServerError",
    "fault_of_answer",
    "faults_of_operation",
    "is_there_already",
]

NO_CAPACITY: Final = frozenset(
    {
        "ZONE_RESOURCE_POOL_EXHAUSTED",
        "ZONE_RESOURCE_POOL_EXHAUSTED_WITH_DETAILS",
        "REGION_RESOURCE_POOL_EXHAUSTED",
        "INSUFFICIENT_CAPACITY",
        "insufficientCapacity",
        "resourcePoolExhausted",
        "ResourceExhausted",
    }
)
"""Words for "there is none now"; alone of all words they mean the same with a status of 5xx."""
_QUOTED_METRIC: Final = re.compile(r"[Qq]uota '([A-Z0-9_]+)'")
_IN_REGION: Final = re.compile(r"in region ([a-z0-9-]+)")
_LONGEST: Final = 300
_GIVEAWAY: Final = 16
"""So many first characters of a line are enough to know it."""
_NOT_FOUND: Final = 404
_CONFLICT: Final = 409
_EXISTS_WORDS: Final = frozenset({"alreadyexists", "resourcealreadyexists"})
_NOT_FOUND_WORDS: Final = frozenset({"notfound", "resourcenotfound"})
_WORDS: Final = {400: "badRequest", 403: "forbidden", 404: "notFound"}
"""What an error is called that has a status and no word."""
_ACTIVATION: Final = re.compile(r"https://console\.\S+/overview\?project=[\w:.-]*[\w-]")


@dataclass(frozen=True, slots=True)
class Fault:
    """One reason of a refusal.

    Attributes:
        code: Google's word: ``QUOTA_EXCEEDED``, ``alreadyExists``, ``SERVICE_DISABLED``.
        message: Its sentence, one line.
        metric: The quota that is exceeded, as in ``regions.get``; empty when it is none.
        region: Where the quota counts; empty means over all regions.
        other_zones: Zones that are said to have capacity.
        service: The API that is meant, for instance ``compute.googleapis.com``.
        link: Page on which to switch that API on.
    """

    code: str
    message: str
    metric: str = ""
    region: str = ""
    other_zones: tuple[str, ...] = ()
    service: str = ""
    link: str = ""

    def without(self, secrets: Iterable[str]) -> Fault:
        """Return the same without its sentence, if that repeats a line of something secret.

        Google quotes the value that it does not like.
        """
        lines = (line.strip() for secret in secrets for line in secret.splitlines())
        told = any(line[:_GIVEAWAY] in self.message for line in lines if len(line) >= _GIVEAWAY)
        return replace(self, message=f"{self.code}: it repeats a secret") if told else self


class ApiError(ProviderUnavailable):
    """A call was answered with an error that its caller has to judge.

    Whoever does not judge it passes it on as "nothing is known", which is always safe.

    Attributes:
        status: HTTP status.
        fault: What the body says.
    """

    def __init__(self, what: str, status: int, fault: Fault) -> None:
        super().__init__(f"gcp {what}: {fault.message or f'HTTP {status}'}", code="gcp-refused")
        self.status = status
        self.fault = fault

    @property
    def is_there_already(self) -> bool:
        """Whether what was to be made has been made before."""
        return self.status == _CONFLICT and is_there_already(self.fault)

    @property
    def is_missing(self) -> bool:
        """Whether Google itself says that the thing is not there, and not something on the way."""
        return self.status == _NOT_FOUND and _plain(self.fault.code) in _NOT_FOUND_WORDS


class ServerError(ProviderUnavailable):
    """The server, or something on the way, has trouble of its own: an answer that says nothing.

    Attributes:
        status: HTTP status.
    """

    def __init__(self, what: str, status: int) -> None:
        super().__init__(f"gcp {what}: HTTP {status}", code="gcp-unreachable")
        self.status = status


def is_there_already(fault: Fault) -> bool:
    """Say whether a refusal means that what was to be made has been made before."""
    return _plain(fault.code) in _EXISTS_WORDS


def fault_of_answer(status: int, body: object) -> Fault:
    """Read the body of an HTTP error, whatever it is."""
    error = body.get("error") if isinstance(body, dict) else None
    if not isinstance(error, dict):
        return Fault("", f"HTTP {status}")
    details = [d for d in error.get("details") or () if isinstance(d, dict)]
    info = next((d for d in details if "reason" in d), {})
    first = next((e for e in error.get("errors") or () if isinstance(e, dict)), {})
    code = str(info.get("reason") or first.get("reason") or error.get("status") or "")
    code = code or (_WORDS.get(status, "") if error.get("code") == status else "")
    metadata = info.get("metadata") or {}
    message = _line(error.get("message") or first.get("message") or "")
    named = _ACTIVATION.search(message)
    link = str(metadata.get("activationUrl") or (named[0] if named else ""))
    return replace(_with_quota(code, message, metadata, {}), link=link)


def faults_of_operation(operation: Mapping[str, Any]) -> tuple[Fault, ...]:
    """Read the errors of an operation that ended; none means that it went well."""
    errors = (operation.get("error") or {}).get("errors") or ()
    found = tuple(_of_operation(e) for e in errors if isinstance(e, dict))
    if not found and int(operation.get("httpErrorStatusCode") or 0) >= 400:  # noqa: PLR2004 - HTTP
        return (Fault("", _line(operation.get("httpErrorMessage") or "it failed")),)
    return found


def _of_operation(error: Mapping[str, Any]) -> Fault:
    info: dict[str, Any] = {}
    quota: dict[str, Any] = {}
    for detail in error.get("errorDetails") or ():
        info |= (detail.get("errorInfo") or {}).get("metadatas") or {}
        quota |= detail.get("quotaInfo") or {}
    code, message = str(error.get("code") or ""), _line(error.get("message") or "")
    return _with_quota(code, message, info, quota)


def _with_quota(
    code: str, message: str, info: Mapping[str, Any], quota: Mapping[str, Any]
) -> Fault:
    zones = tuple(z.strip() for z in str(info.get("zonesAvailable") or "").split(",") if z.strip())
    dimensions = quota.get("dimensions") or {}
    named, where = _QUOTED_METRIC.search(message), _IN_REGION.search(message)
    metric = _metric(str(quota.get("metricName") or ""), dimensions) or (named[1] if named else "")
    region = str(dimensions.get("region") or (where[1] if where else ""))
    return Fault(code, message, metric, region, zones, str(info.get("service") or ""))


def _metric(name: str, dimensions: Mapping[str, Any]) -> str:
    """Return a quota's name as ``regions.get`` spells it.

    Newer GPUs and machine families share one quota that has the family as a dimension.
    """
    short = name.rpartition("/")[2].upper()
    family = str(dimensions.get("gpu_family") or dimensions.get("vm_family") or "").upper()
    if family and short.endswith("_PER_GPU_FAMILY"):
        return short.replace("GPUS_PER_GPU_FAMILY", f"{family}_GPUS")
    if family and short.endswith("_PER_VM_FAMILY"):
        return short.replace("CPUS_PER_VM_FAMILY", f"{family}_CPUS")
    return short


def _plain(code: str) -> str:
    """Return a code without the differences between the two ways to write it."""
    return code.replace("_", "").lower()


def _line(text: object) -> str:
    return " ".join(str(text).split())[:_LONGEST]
