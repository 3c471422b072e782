"""What Lambda's refusals mean. Every one has a code; texts are for people."""

from __future__ import annotations

import re
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Final

from arb.errors import (
    ArbError,
    CapacityError,
    CredentialsError,
    ProviderUnavailable,
    QuotaError,
    RateLimited,
    RequestError,
    Scope,
)
from arb_lambda.credentials import SET_UP

if TYPE_CHECKING:
    from collections.abc import Mapping

    from arb.types import Offer

__all__ = ["FORBIDDEN", "INVALID", "IN_USE", "MISSING", "NOT_FOUND", "QUOTA", "TAKEN", "Reply"]
__all__ += ["call_error", "launch_error", "presentable"]

MISSING: Final = "global/object-does-not-exist"
IN_USE: Final = "firewall-rulesets/firewall-ruleset-in-use"
INVALID: Final = "global/invalid-parameters"
FORBIDDEN: Final = "global/forbidden"
QUOTA: Final = "global/quota-exceeded"
NOT_FOUND: Final = "lambda-not-found"
"""Code of our error for a launch that names something that is not there."""
TAKEN: Final = frozenset({INVALID, "global/duplicate", "global/conflict"})
"""What a name that is in use may be refused with."""
_NO_CAPACITY: Final = "instance-operations/launch/insufficient-capacity"
_WRONG_REGION: Final = "instance-operations/launch/file-system-in-wrong-region"
_ACCOUNT: Final = {
    "global/invalid-api-key": ("lambda-key-refused", "lambda refused the API key", SET_UP),
    "global/account-inactive": (
        "lambda-account-inactive",
        "lambda says that the account is inactive",
        "verify e-mail address and payment method at https://cloud.lambda.ai",
    ),
    "global/invalid-address": (
        "lambda-billing-address",
        "lambda says that the billing address is invalid",
        "correct it at https://cloud.lambda.ai",
    ),
    FORBIDDEN: (
        "lambda-forbidden",
        "lambda does not allow this with the API key",
        "use a key of somebody who may, see https://cloud.lambda.ai/api-keys",
    ),
}
_SECONDS: Final = re.compile(r"[0-9]{1,9}(\.[0-9]*)?")
_RETRY_S: Final = 2.0
_LONGEST_TEXT: Final = 160
_UNAUTHORIZED: Final = 401
_FORBIDDEN: Final = 403
_TOO_MANY: Final = 429


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer. ``body`` is the JSON value; None when there was none, or it was no JSON."""

    status: int
    body: Any
    headers: Mapping[str, str]

    @property
    def is_ok(self) -> bool:
        """Whether it is a 2xx."""
        return 200 <= self.status < 300  # noqa: PLR2004 - HTTP

    @property
    def code(self) -> str:
        """The error's code; empty when it has none."""
        return self._told("code")

    def text(self) -> str:
        """Return what the error says, in one line; empty when it says nothing."""
        return " ".join(self._told("message").split())

    def retry_after_s(self, now: float) -> float:
        """Return how long to wait, from ``Retry-After`` or by default."""
        value = self.headers.get("Retry-After", "").strip()
        if _SECONDS.fullmatch(value):
            return max(1.0, float(value))
        try:
            return max(1.0, parsedate_to_datetime(value).timestamp() - now)
        except (ValueError, OverflowError):
            return _RETRY_S

    def _told(self, name: str) -> str:
        error = self.body.get("error") if isinstance(self.body, dict) else None
        value = error.get(name) if isinstance(error, dict) else None
        return value if isinstance(value, str) else ""


def call_error(reply: Reply, what: str, now: float) -> ArbError:
    """Return the error for a call that is not a launch.

    Args:
        reply: Not a 2xx.
        what: What was asked, for people.
        now: Seconds since the epoch.
    """
    return _limit_error(reply, now) or _account_error(reply) or _no_answer(reply, what)


def launch_error(reply: Reply, offer: Offer, now: float, secrets: tuple[str, ...]) -> ArbError:
    """Return the error for a launch that was not taken.

    Args:
        reply: Not a 2xx.
        offer: What was ordered.
        now: Seconds since the epoch.
        secrets: How texts begin that must not be repeated.
    """
    if error := _limit_error(reply, now) or _account_error(reply):
        return error
    if reply.code == _NO_CAPACITY:
        summary = f"lambda has no {offer.instance_type} in {offer.region} now"
        return CapacityError(summary, scope=Scope.INSTANCE_TYPE, code="lambda-no-capacity")
    if reply.code == QUOTA:
        hint = "ask Lambda's support for more, or give machines back"
        summary = "lambda: the account's quota is used up"
        return QuotaError(summary, scope=Scope.PROVIDER, code="lambda-quota", hint=hint)
    scope = {INVALID: Scope.OFFER, MISSING: Scope.OFFER, _WRONG_REGION: Scope.REGION}.get(
        reply.code
    )
    if scope is None:
        return _no_answer(reply, "the launch")
    summary = f"lambda refused the launch of {offer.instance_type} in {offer.region}"
    said = presentable(reply.text(), secrets)
    code = NOT_FOUND if reply.code == MISSING else "lambda-refused"
    return RequestError(f"{summary}: {said}" if said else summary, scope=scope, code=code)


def presentable(text: str, secrets: tuple[str, ...]) -> str:
    """Return what may be shown of a refusal; nothing when it repeats something secret.

    Args:
        text: What Lambda said.
        secrets: How texts begin that must not be repeated.
    """
    flat = " ".join(text.split())
    if any(" ".join(secret.split()) in flat for secret in secrets):
        return ""
    return flat if len(flat) <= _LONGEST_TEXT else f"{flat[: _LONGEST_TEXT - 3]}..."


def _account_error(reply: Reply) -> ArbError | None:
    known = _ACCOUNT.get(reply.code)
    if known is None and reply.status == _UNAUTHORIZED:
        known = _ACCOUNT["global/invalid-api-key"]
    if known is None and reply.status == _FORBIDDEN and reply.code:
        known = _ACCOUNT[FORBIDDEN]  # without a code it is a page of some firewall before the API
    if known is None:
        return None
    code, summary, hint = known
    return CredentialsError(f"{summary} (HTTP {reply.status})", code=code, hint=hint)


def _limit_error(reply: Reply, now: float) -> ArbError | None:
    if reply.status != _TOO_MANY:
        return None
    return RateLimited("lambda says: too many requests", retry_after_s=reply.retry_after_s(now))


def _no_answer(reply: Reply, what: str) -> ArbError:
    """Return an error that repeats nothing of the answer: it may hold the whole request."""
    known = f", {reply.code}" if reply.code.isascii() and 0 < len(reply.code) < 64 else ""  # noqa: PLR2004 - no longer is a code
    summary = f"lambda gave no good answer to {what} (HTTP {reply.status}{known})"
    return ProviderUnavailable(summary, code="lambda-http")
