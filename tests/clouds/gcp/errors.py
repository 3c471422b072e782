"""Errors as Google's APIs word them."""

from __future__ import annotations

from typing import Any

from clouds.http import Answer

__all__ = ["Refused", "api_off", "billing_off", "forbidden", "not_found", "unauthorized"]

_STATUSES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    409: "ALREADY_EXISTS",
    412: "FAILED_PRECONDITION",
    429: "RESOURCE_EXHAUSTED",
    503: "UNAVAILABLE",
}


class Refused(Exception):
    """A call is answered with an error."""

    def __init__(
        self, status: int, reason: str, message: str, *, info: dict[str, Any] | None = None
    ) -> None:
        super().__init__(message)
        self.status, self.reason, self.message, self.info = status, reason, message, info

    def answer(self, *, old: bool) -> Answer:
        """Return the answer.

        Args:
            old: The Compute Engine's way, which tells no ``status`` for its own errors.
        """
        one = {"message": self.message, "domain": "global", "reason": self.reason}
        error: dict[str, Any] = {"code": self.status, "message": self.message, "errors": [one]}
        if not old or self.info:
            error["status"] = _STATUSES.get(self.status, "UNKNOWN")
        if self.info:
            error["details"] = [{"@type": "type.googleapis.com/google.rpc.ErrorInfo", **self.info}]
        return Answer(self.status, {"error": error})


def not_found(path: str) -> Refused:
    """Return the error of a resource that is not there."""
    return Refused(404, "notFound", f"The resource '{path}' was not found")


def unauthorized() -> Refused:
    """Return the error of a token that is none."""
    said = "Request had invalid authentication credentials. Expected OAuth 2 access token."
    return Refused(401, "authError", said)


def forbidden(permission: str, path: str) -> Refused:
    """Return the error of a missing permission."""
    return Refused(403, "forbidden", f"Required '{permission}' permission for '{path}'")


def api_off(service: str, project: str) -> Refused:
    """Return the error of an API that is not enabled."""
    page = f"https://console.developers.google.com/apis/api/{service}/overview?project={project}"
    said = (
        f"{service} has not been used in project {project} before or it is disabled. Enable it by"
        f" visiting {page} then retry."
    )
    info = {
        "reason": "SERVICE_DISABLED",
        "domain": "googleapis.com",
        "metadata": {
            "service": service,
            "consumer": f"projects/{project}",
            "activationUrl": page,
        },
    }
    return Refused(403, "accessNotConfigured", said, info=info)


def billing_off(project: str) -> Refused:
    """Return the error of a project that nobody pays for."""
    said = f"This API method requires billing to be enabled. Please enable billing on project #{project}."
    info = {"reason": "BILLING_DISABLED", "domain": "googleapis.com", "metadata": {}}
    return Refused(403, "forbidden", said, info=info)
