"""What Spheron's refusals mean. There are few codes: most is told by status and text."""

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
    RateLimited,
    RequestError,
    Scope,
)
from arb_spheron.credentials import SET_UP
from arb_spheron.values import number

if TYPE_CHECKING:
    from collections.abc import Mapping

    from arb.types import Offer

__all__ = ["Reply", "call_error", "order_error"]

_OUT_OF_STOCK: Final = re.compile(
    r"(?i)not enough stock|unable to launch|sold out|out of stock|insufficient capacity"
    r"|no available (capacity|inventory|stock)|(offer|region|gpu)\b.{0,20} not available"
)
_NO_BALANCE: Final = re.compile(r"(?i)insufficient (balance|credits?|funds)")
_NO_TEAM: Final = re.compile(r"(?i)team not found")
_TOO_MANY: Final = re.compile(r"(?i)rate limit|too many requests")
_RETRY_S: Final = 60.0
_LONGEST_RETRY_S: Final = 3600.0
"""Limits are for 15 minutes: what says more is not to be believed."""
_LONGEST_TEXT: Final = 160
_SERVER_ERROR: Final = 500
_UNSURE: Final = frozenset({408, 409, 425})
"""Time-out, conflict, too early: an order that is refused so may have been taken before."""


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer.

    Attributes:
        status: Of HTTP.
        body: The JSON value; of a refusal that is no JSON its text; None for a web page, and for
            a good answer without a body.
        headers: Names in whatever case.
    """

    status: int
    body: Any
    headers: Mapping[str, str]

    @property
    def is_ok(self) -> bool:
        """Whether it is a 2xx."""
        return 200 <= self.status < 300  # noqa: PLR2004 - HTTP

    def text(self) -> str:
        """Return what the error says, in one line; empty when it says nothing."""
        if not isinstance(self.body, dict):
            return " ".join(_words(self.body).split())
        names = ("error", "message", "details", "errors")
        parts = [_words(self.body.get(name)) for name in names]
        return " ".join(": ".join(part for part in parts if part).split())

    def retry_after_s(self, now: float) -> float:
        """Return how long to wait, from ``Retry-After`` or by default."""
        value = self.headers.get("Retry-After", "").strip()
        told = self.body if isinstance(self.body, dict) else {}
        seconds = number(value or told.get("retryAfter"))
        try:
            if seconds is None:
                seconds = parsedate_to_datetime(value).timestamp() - now
        except (ValueError, OverflowError):
            return _RETRY_S
        return min(max(1.0, seconds), _LONGEST_RETRY_S)


def call_error(reply: Reply, what: str, now: float) -> ArbError:
    """Return the error for a call that is not an order.

    Args:
        reply: Not a 2xx.
        what: What was asked, for people.
        now: Seconds since the epoch.
    """
    return _account_error(reply) or _limit_error(reply, now) or _no_answer(reply, what)


def order_error(reply: Reply, offer: Offer, now: float, secrets: tuple[str, ...]) -> ArbError:
    """Return the error for an order that was not taken.

    Args:
        reply: Not a 2xx.
        offer: What was ordered.
        now: Seconds since the epoch.
        secrets: How texts begin that must not be repeated.
    """
    text = reply.text()
    if _OUT_OF_STOCK.search(text):
        summary = f"spheron has no {offer.instance_type} in {offer.place} now"
        return CapacityError(summary, scope=Scope.OFFER, code="spheron-no-stock")
    if error := _account_error(reply) or _limit_error(reply, now):
        return error
    if reply.status >= _SERVER_ERROR or reply.status in _UNSURE:
        return _no_answer(reply, "the order")
    summary = f"spheron refused the order of {offer.instance_type} (HTTP {reply.status})"
    said = _presentable(text, secrets)
    return RequestError(
        f"{summary}: {said}" if said else summary, scope=Scope.OFFER, code="spheron-refused"
    )


def _account_error(reply: Reply) -> ArbError | None:
    text = reply.text()
    if _NO_BALANCE.search(text) or reply.status == 402:  # noqa: PLR2004 - HTTP
        hint = "top up at https://app.spheron.ai, or set provider_options.spheron.team"
        summary = "spheron: the team's balance does not suffice"
        return CredentialsError(summary, code="spheron-no-balance", hint=hint)
    if _NO_TEAM.search(text):
        hint = "see provider_options.spheron.team and SPHERON_TEAM_ID"
        return CredentialsError("spheron knows no such team", code="spheron-no-team", hint=hint)
    if reply.status == 401:  # noqa: PLR2004 - HTTP
        summary = "spheron refused the API key (HTTP 401)"
        return CredentialsError(summary, code="spheron-key-refused", hint=SET_UP)
    if reply.status == 403 and reply.body is not None:  # noqa: PLR2004 - HTTP; None is a firewall's page
        summary = "spheron does not allow this with the API key (HTTP 403)"
        hint = "enable API access at https://app.spheron.ai under settings, API"
        return CredentialsError(summary, code="spheron-forbidden", hint=hint)
    return None


def _limit_error(reply: Reply, now: float) -> ArbError | None:
    said = reply.status < _SERVER_ERROR and _TOO_MANY.search(reply.text())
    if reply.status == 429 or said:  # noqa: PLR2004 - HTTP
        summary = "spheron says: too many requests"
        return RateLimited(summary, retry_after_s=reply.retry_after_s(now))
    return None


def _no_answer(reply: Reply, what: str) -> ArbError:
    """Return an error that repeats nothing of the answer: it may hold the whole request."""
    summary = f"spheron gave no good answer to {what} (HTTP {reply.status})"
    return ProviderUnavailable(summary, code="spheron-http")


def _words(value: object) -> str:
    """Return the words in a part of an error: a text, an object with a message, a list of those."""
    if isinstance(value, str):
        return value
    if isinstance(value, dict):
        return _words(value.get("message"))
    if isinstance(value, list):
        return "; ".join(filter(None, map(_words, value)))
    return ""


def _presentable(text: str, secrets: tuple[str, ...]) -> str:
    """Return what may be shown of a refusal; nothing when it repeats something secret."""
    flat = " ".join(text.split())
    if any(" ".join(secret.split()) in flat for secret in secrets):
        return ""
    return flat if len(flat) <= _LONGEST_TEXT else f"{flat[: _LONGEST_TEXT - 3]}..."
