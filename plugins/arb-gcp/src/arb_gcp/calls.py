"""One HTTP call, and what it means when it is answered with an error."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from arb.errors import CredentialsError, RateLimited
from arb_gcp.answers import NO_CAPACITY, ApiError, ServerError, fault_of_answer

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import requests

    from arb_gcp.answers import Fault

__all__ = ["Call", "body_of", "error_of"]

_UNAUTHORIZED: Final = 401
_FORBIDDEN: Final = 403
_TIMED_OUT: Final = 408
_TOO_MANY: Final = 429
_SERVER_ERROR: Final = 500
_USUAL_WAIT_S: Final = 5.0
_LIMITED: Final = frozenset(
    {
        "rateLimitExceeded",
        "userRateLimitExceeded",
        "RATE_LIMIT_EXCEEDED",
        "concurrentLimitExceeded",
        "dailyLimitExceeded",
    }
)
_API_OFF: Final = frozenset({"accessNotConfigured", "SERVICE_DISABLED"})
_BILLING_OFF: Final = frozenset({"BILLING_DISABLED", "billingNotEnabled", "UREQ_PROJECT_BILLING"})
_NO_BILLING: Final = re.compile(
    r"requires billing|billing (to be|must be) enabled|billing (account )?(is )?(not enabled|disabled)",
    re.IGNORECASE,
)
_PLACE: Final = re.compile(r"\blocation\b.*(not found|unauthorized)", re.IGNORECASE)
_QUOTA_PROJECT: Final = frozenset({"USER_PROJECT_DENIED", "CONSUMER_INVALID"})
"""The project that a user's calls are counted against is not one that they may use."""
_JUDGED: Final = frozenset({"quotaExceeded", "QUOTA_EXCEEDED", "limitExceeded"})
"""Refusals with status 403 that say nothing of the account."""
_BILLING_PAGE: Final = "https://console.cloud.google.com/billing/linkedaccount"


@dataclass(frozen=True, slots=True)
class Call:
    """One request. Its text names it in errors, without anything secret.

    Attributes:
        path: Below the API's address.
        api: A name out of ``settings.APIS``.
        params: Query; None values are left out.
        body: Sent as JSON.
        secrets: Parts of the body that no error may repeat.
    """

    method: str
    path: str
    api: str = "compute"
    params: Mapping[str, Any] = field(default_factory=dict)
    body: object = field(default=None, repr=False)
    secrets: Iterable[str] = field(default=(), repr=False)

    def __str__(self) -> str:
        return f"{self.method} {self.path.partition('?')[0]}"


def error_of(answer: requests.Response, call: Call, who: str, project: str) -> Exception:
    """Return what to raise for an answer that is an error.

    Args:
        answer: With a status that is no success.
        call: What was asked.
        who: The account, for people.
        project: The project that is bought in.
    """
    status = answer.status_code
    fault = fault_of_answer(status, body_of(answer)).without(call.secrets)
    if status == _TOO_MANY or fault.code in _LIMITED:
        wait = _retry_after_s(answer)
        return RateLimited(f"gcp {call}: {fault.message}", retry_after_s=wait)
    if status in {_UNAUTHORIZED, _FORBIDDEN} and not _is_judged(fault):
        about_account = _about_account(fault, call, project)
        return about_account or _not_allowed(status, fault, call, who)
    if fault.code in NO_CAPACITY:  # also with a 503
        return ApiError(str(call), status, fault)
    if status >= _SERVER_ERROR or status == _TIMED_OUT or not fault.code:
        return ServerError(str(call), status)
    return ApiError(str(call), status, fault)


def body_of(answer: requests.Response) -> Any:
    """Return the JSON of an answer; None when it is none."""
    try:
        return answer.json()
    except ValueError:
        return None


def _is_judged(fault: Fault) -> bool:
    """Say whether a 403 is about a quota or a place, which the caller judges."""
    about_place = _PLACE.search(fault.message) is not None
    return fault.code in _JUDGED or bool(fault.metric) or about_place


def _about_account(fault: Fault, call: Call, project: str) -> CredentialsError | None:
    """Return the error of a project that is not ready for anybody."""
    if fault.code in _BILLING_OFF or _NO_BILLING.search(fault.message):
        summary = f"gcp: billing is off for project {project}"
        hint = f"link a billing account: {_BILLING_PAGE}?project={project}"
        return CredentialsError(summary, code="gcp-billing-off", hint=hint)
    if fault.code in _API_OFF:
        service = fault.service or f"{call.api}.googleapis.com"
        hint = f"run: gcloud services enable {service} --project {project}"
        hint += f"; or open {fault.link}" if fault.link else ""
        return CredentialsError(f"gcp: {service} is off", code="gcp-api-off", hint=hint)
    return None


def _not_allowed(status: int, fault: Fault, call: Call, who: str) -> CredentialsError:
    said = fault.message or f"HTTP {status}"
    if status == _UNAUTHORIZED:
        summary = f"gcp refused the token of {who}: {said}"
        hint = "run: gcloud auth application-default login, or make a new key"
        return CredentialsError(summary, code="gcp-credentials-refused", hint=hint)
    summary = f"gcp: {who} may not {call}: {said}"
    hint = "run: arb check gcp --policy, which prints the least role"
    if fault.code in _QUOTA_PROJECT:
        hint = "run: gcloud auth application-default set-quota-project PROJECT, with one of yours"
    return CredentialsError(summary, code="gcp-forbidden", hint=hint)


def _retry_after_s(answer: requests.Response) -> float:
    text = answer.headers.get("Retry-After", "")
    return max(1.0, float(text)) if text.isdigit() else _USUAL_WAIT_S
