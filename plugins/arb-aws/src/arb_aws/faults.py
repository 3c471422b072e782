"""What AWS says when it says no: a code and a message, told apart by what they mean for us."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from arb.errors import ArbError, CredentialsError, ProviderUnavailable, RateLimited

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "NO_CAPACITY",
    "ApiError",
    "Fault",
    "Forbidden",
    "RegionOff",
    "ServerError",
    "error_of",
    "fault_of",
    "is_closed",
]

NO_CAPACITY: Final = frozenset(
    {
        "InsufficientInstanceCapacity",
        "InsufficientAddressCapacity",
        "InsufficientCapacity",
        "InsufficientCapacityOnHost",
        "InsufficientHostCapacity",
        "InsufficientReservedInstanceCapacity",
        "InsufficientVolumeCapacity",
        "UnfulfillableCapacity",
        "SpotMaxPriceTooLow",
    }
)
"""Some of these come with HTTP 500 all the same."""
LIMITED: Final = frozenset(
    {
        "EC2ThrottledException",
        "PriorRequestNotComplete",
        "RequestLimitExceeded",
        "RequestThrottled",
        "RequestThrottledException",
        "SlowDown",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
    }
)
REFUSED: Final = frozenset(
    {
        "Blocked",
        "ExpiredToken",
        "ExpiredTokenException",
        "IncompleteSignature",
        "InvalidAccessKeyId",
        "InvalidClientTokenId",
        "InvalidSignatureException",
        "MissingAuthenticationToken",
        "MissingAuthenticationTokenException",
        "RequestExpired",
        "RequestInTheFuture",
        "RequestTimeTooSkewed",
        "SignatureDoesNotMatch",
        "UnrecognizedClientException",
    }
)
FORBIDDEN: Final = frozenset(
    {
        "AccessDenied",
        "AccessDeniedException",
        "AuthFailure.ServiceLinkedRoleCreationNotPermitted",
        "UnauthorizedAccess",
        "UnauthorizedOperation",
    }
)
REGION_OFF: Final = frozenset({"OptInRequired", "PendingVerification"})
_TOO_MANY: Final = 429
_SERVER_ERROR: Final = 500
_DEFAULT_WAIT_S: Final = 5.0
"""EC2 names no wait: its buckets are refilled within seconds."""
_LONGEST: Final = 300
_NAMED: Final = re.compile(r"not authorized to perform: ([a-z0-9-]+:\w+)")
_ROLE: Final = "iam:CreateServiceLinkedRole"
_POLICY: Final = "run: arb check aws --policy, which prints the least policy"
_ALLOWED: Final = "set provider_options.aws.regions to those that your organization allows"
_CLOCK: Final = frozenset({"RequestExpired", "RequestInTheFuture", "RequestTimeTooSkewed"})
_ENCODED: Final = re.compile(r"\s*Encoded authorization failure message.*", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Fault:
    """One refusal.

    Attributes:
        code: AWS's own; empty when the answer holds none.
        message: For people, one line, without the encoded part that only AWS can read.
        status: HTTP status.
        action: For instance ``RunInstances``.
        region: Where.
        retry_after_s: The wait that was asked for; 0 for none.
        bucket_region: Where a bucket is that was looked for elsewhere.
    """

    code: str
    message: str
    status: int
    action: str
    region: str
    retry_after_s: float = 0.0
    bucket_region: str = ""


class ServerError(ProviderUnavailable):
    """AWS failed: what it did is not known."""


class ApiError(ProviderUnavailable):
    """AWS said no. Where nobody knows better, that is no answer to what was asked."""

    def __init__(self, fault: Fault, summary: str = "") -> None:
        told = f"aws {fault.action} in {fault.region}: {fault.message or fault.code}"
        super().__init__(summary or told, code="aws-refused")
        self.fault = fault


class RegionOff(ApiError):
    """The region is not enabled for the account."""

    def __init__(self, fault: Fault) -> None:
        # The words of the first are about credentials, which are good elsewhere.
        is_off = fault.code == "AuthFailure"
        told = f"aws: region {fault.region} is not enabled for the account" if is_off else ""
        super().__init__(fault, told)


class Forbidden(CredentialsError):
    """The account is known, and may not do this.

    Attributes:
        permission: What is missing, for instance ``ec2:CreateTags``: a call may take several. The
            call's name where AWS does not tell.
        is_policy_of_region: A policy of the organization forbids it, and such ones are mostly about
            regions: other regions may do.
        is_of_spot: The account's first spot request may not make the role that spot takes.
    """

    def __init__(self, fault: Fault) -> None:
        named = _NAMED.search(fault.message)
        self.is_of_spot = fault.code.startswith("AuthFailure.ServiceLinkedRole")
        self.permission = _ROLE if self.is_of_spot else named[1] if named else fault.action
        whole = self.permission.rpartition(":")[2] == fault.action
        asked = "" if whole else f", which {fault.action} takes,"
        summary = f"aws: the account may not {self.permission}{asked} in {fault.region}"
        self.is_policy_of_region = "explicit deny in a service control policy" in fault.message
        hint = _ALLOWED if self.is_policy_of_region else _POLICY
        super().__init__(summary, code="aws-forbidden", hint=hint)


def is_closed(error: object) -> bool:
    """Say whether an outcome is that the account's organization closed a region: we bought nothing there."""
    return isinstance(error, Forbidden) and error.is_policy_of_region


def fault_of(response: Mapping[str, Any], action: str, region: str) -> Fault:
    """Return the refusal in a response that botocore took apart."""
    error, about = response.get("Error") or {}, response.get("ResponseMetadata") or {}
    headers = about.get("HTTPHeaders") or {}
    wait = str(headers.get("retry-after") or "")
    message = " ".join(_ENCODED.sub("", str(error.get("Message") or "")).split())
    return Fault(
        code=str(error.get("Code") or "").removeprefix("Client.").removeprefix("Server."),
        message=message[:_LONGEST],
        status=int(about.get("HTTPStatusCode") or 0),
        action=action,
        region=region,
        retry_after_s=float(wait) if wait.isdigit() else 0.0,
        bucket_region=str(headers.get("x-amz-bucket-region") or ""),
    )


def error_of(fault: Fault) -> ArbError:
    """Return the error that a refusal is, whatever was asked.

    ``AuthFailure`` is left to the client: it is one account's trouble or one region's.
    """
    what = f"aws {fault.action} in {fault.region}"
    if fault.code in LIMITED or fault.status == _TOO_MANY:
        wait = fault.retry_after_s or _DEFAULT_WAIT_S
        return RateLimited(f"{what}: too many requests", retry_after_s=wait)
    if fault.code in REFUSED:
        summary = f"aws refused the credentials: {fault.code}"
        return CredentialsError(summary, code="aws-credentials-refused", hint=_hint(fault.code))
    if fault.code in FORBIDDEN:
        return Forbidden(fault)
    if fault.code in REGION_OFF:
        return RegionOff(fault)
    if fault.status >= _SERVER_ERROR and fault.code not in NO_CAPACITY:
        return ServerError(f"{what}: HTTP {fault.status}", code="aws-unreachable")
    return ApiError(fault)


def _hint(code: str) -> str:
    if code in _CLOCK:
        return "set this computer's clock: it differs from AWS's by minutes"
    if code in {"SignatureDoesNotMatch", "InvalidSignatureException"}:
        return "check the secret key, and this computer's clock"
    if code.startswith("ExpiredToken"):
        return "log in again, for instance: aws sso login"
    return "make a new access key, or log in again: aws sso login"
