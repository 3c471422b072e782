"""The metadata server of a Google machine: who it acts as, in which project, and its tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import requests

    from arb.types import ProviderContext

__all__ = ["ask", "email_of_machine", "project_of_machine"]

_TIMEOUT_S: Final = 15.0
_ACCOUNT: Final = "instance/service-accounts/default/"


def ask(
    context: ProviderContext, http: requests.Session, host: str, what: str
) -> requests.Response:
    """Return the answer of a metadata server.

    Args:
        context: Of the hook call: no longer than its deadline is waited.
        http: The connections.
        host: Name or address, with a port where it is not 80.
        what: Path below ``computeMetadata/v1/``.

    Raises:
        requests.RequestException: No answer, or one that is an error.
    """
    limit = min(_TIMEOUT_S, max(0.1, context.remaining_s()))
    url = f"http://{host}/computeMetadata/v1/{what}"
    answer = http.get(url, headers={"Metadata-Flavor": "Google"}, timeout=limit)
    answer.raise_for_status()
    return answer


def project_of_machine(context: ProviderContext, http: requests.Session, host: str) -> str:
    """Return the project of this machine; empty when the server does not tell."""
    return _text(context, http, host, "project/project-id")


def email_of_machine(context: ProviderContext, http: requests.Session, host: str) -> str:
    """Return the e-mail of the account that this machine acts as; empty when that is not told."""
    return _text(context, http, host, f"{_ACCOUNT}email")


def _text(context: ProviderContext, http: requests.Session, host: str, what: str) -> str:
    import requests

    try:
        return ask(context, http, host, what).text.strip()
    except requests.RequestException:
        return ""
