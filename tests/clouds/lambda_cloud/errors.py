"""Refusals in the API's own words."""

from __future__ import annotations

from typing import Any

from clouds.http import Answer

__all__ = ["Refused", "invalid", "missing"]

_SUGGESTIONS = {
    "instance-operations/launch/insufficient-capacity": (
        "Choose an instance type with more availability, or try again later."
    ),
    "global/invalid-api-key": "Check your API key or create a new one, then try again.",
    "global/account-inactive": "Verify your email and payment method.",
    "global/invalid-address": "Make sure your billing address is valid.",
    "global/quota-exceeded": "Contact Support to increase your quota.",
    "firewall-rulesets/firewall-ruleset-in-use": "Terminate all instances that are using it.",
}


class Refused(Exception):
    """The API says no; ``answer`` is how."""

    def __init__(self, status: int, code: str, message: str, suggestion: str = "") -> None:
        super().__init__(message)
        error: dict[str, Any] = {"code": code, "message": message}
        if suggestion := suggestion or _SUGGESTIONS.get(code, ""):
            error["suggestion"] = suggestion
        self.answer = Answer(status, {"error": error})


def invalid(message: str = "Invalid request data.") -> Refused:
    """Return the refusal of a request that is wrong in itself."""
    return Refused(400, "global/invalid-parameters", message)


def missing(message: str) -> Refused:
    """Return the refusal of a request about something that is not there."""
    return Refused(404, "global/object-does-not-exist", message, "Check the name.")
