"""Who may call the simulated Lambda, and how often."""

from __future__ import annotations

import base64
import math
from typing import TYPE_CHECKING

from clouds.http import Answer
from clouds.lambda_cloud.errors import Refused
from clouds.lambda_cloud.settings import KEY, OTHER_KEY

if TYPE_CHECKING:
    from clouds.http import Request
    from clouds.lambda_cloud.cloud import Lambda

__all__ = ["ACCOUNTS", "Gate"]

ACCOUNTS = {KEY: "ours", OTHER_KEY: "other"}
_JITTER_S = 0.1
"""Calls are counted where they arrive: a little too early is forgiven."""
_LAUNCH = "/api/v1/instance-operations/launch"
_REFUSALS = {
    "inactive": ("global/account-inactive", "Your account is inactive."),
    "address": ("global/invalid-address", "Your billing address is invalid."),
    "forbidden": ("global/forbidden", "You may not do this."),
}


class Gate:
    """API keys, accounts and rate limits."""

    def __init__(self, cloud: Lambda) -> None:
        self._cloud = cloud
        self._last: dict[tuple[str, str], float] = {}

    def account_of(self, request: Request) -> str:
        """Return whose call it is.

        Raises:
            Refused: Nobody's who may call, or one too many.
        """
        account = ACCOUNTS.get(_key_of(request.headers.get("authorization", "")))
        how = self._cloud.settings
        if account is None:
            message = "API key was invalid, expired, or deleted."
            raise Refused(401, "global/invalid-api-key", message)
        if how.account != "active":
            raise Refused(403, *_REFUSALS[how.account])
        if how.calls_per_s:
            self._take("calls", account, 1 / how.calls_per_s)
        if how.launch_every_s and request.path == _LAUNCH:
            self._take("launches", account, how.launch_every_s)
        return account

    def _take(self, what: str, account: str, every_s: float) -> None:
        now = self._cloud.clock.now()
        wait_s = self._last.get((what, account), 0.0) + every_s - now
        if wait_s > _JITTER_S:
            refused = Refused(429, "", "")
            told = {"Retry-After": str(math.ceil(wait_s))}
            headers = told if self._cloud.settings.retry_after else {}
            refused.answer = Answer(429, "Too Many Requests", headers)
            raise refused
        self._last[what, account] = now


def _key_of(header: str) -> str:
    """Return the API key in a header: as a bearer, or as a user without a password."""
    scheme, _, value = header.partition(" ")
    if scheme == "Bearer":
        return value
    if scheme != "Basic":
        return ""
    try:
        return base64.b64decode(value, validate=True).decode().removesuffix(":")
    except ValueError:
        return value
