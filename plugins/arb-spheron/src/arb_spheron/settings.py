"""What the user configured: where the API is and who pays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from arb.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from arb.types import ProviderContext

__all__ = ["OPTIONS", "Settings", "read_settings"]

API_URL: Final = "https://app.spheron.ai"
API_VARIABLE: Final = "SPHERON_API_BASE"
TEAM_VARIABLE: Final = "SPHERON_TEAM_ID"

OPTIONS: Final[Mapping[str, str]] = {
    "team": "Id or name of the team that pays; default: SPHERON_TEAM_ID, else the current team.",
    "api_url": f"Address of the API; default: SPHERON_API_BASE, else {API_URL}.",
}
_LOCAL: Final = frozenset({"127.0.0.1", "::1", "localhost"})


@dataclass(frozen=True, slots=True)
class Settings:
    """Validated options. ``team`` is empty when the account's current team pays."""

    api_url: str
    team: str


def read_settings(context: ProviderContext) -> Settings:
    """Read options and environment.

    Raises:
        UsageError: One of them cannot be used; the summary names it.
    """
    url, where = _text(context, "api_url", API_VARIABLE)
    team, _ = _text(context, "team", TEAM_VARIABLE)
    return Settings(_checked_url(url or API_URL, where), team)


def _text(context: ProviderContext, option: str, variable: str) -> tuple[str, str]:
    """Return an option, else a variable, with where it is from."""
    where = f"provider_options.{context.provider}.{option}"
    value = context.options.get(option)
    if value is None:
        return context.env.get(variable, "").strip(), variable
    if not isinstance(value, str) or not value.strip():
        raise UsageError(f"{where} must be a text, not {value!r}", code="spheron-option")
    return value.strip(), where


def _checked_url(url: str, where: str) -> str:
    """Return the address without a path: clients write it with and without ``/api``."""
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise UsageError(f"{where} is no address of an API", code="spheron-option")
    if parts.scheme == "http" and parts.hostname not in _LOCAL:
        hint = "write https://: the API key goes there"
        raise UsageError(f"{where} is not encrypted", code="spheron-option", hint=hint)
    if parts.username or parts.password:
        raise UsageError(f"{where} must not hold a password", code="spheron-option")
    path = parts.path.rstrip("/").removesuffix("/api")
    return f"{parts.scheme}://{parts.netloc}{path}"
