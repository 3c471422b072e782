"""The user's settings under ``provider_options.lambda``, checked and with their defaults."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from arb.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from arb.types import ProviderContext

__all__ = ["OPTIONS", "Settings", "read_settings"]

API_URL: Final = "https://cloud.lambda.ai"

OPTIONS: Final[Mapping[str, str]] = {
    "image": "Id or family of the image where a task names none; default: Lambda's newest.",
    "firewall": "Make a rule set for each purchase; false: the account's global rules suffice.",
    "ssh_source_ranges": "List of CIDR ranges that may reach the SSH server; default: 0.0.0.0/0.",
    "ssh_port": "Where the SSH server of the image listens; default: 22.",
    "ssh_user": "Login name on the machines; default: ubuntu.",
    "api_url": f"Address of the API; default: {API_URL}.",
}
_LOCAL: Final = frozenset({"127.0.0.1", "::1", "localhost"})
_USER: Final = re.compile(r"[a-z_][a-z0-9_-]{0,31}")
_LAST_PORT: Final = 65535
_EVERYBODY: Final = ("0.0.0.0/0",)


@dataclass(frozen=True, slots=True)
class Settings:
    """Validated options. ``image`` is empty when the user said nothing."""

    api_url: str = API_URL
    image: str = ""
    firewall: bool = True
    ssh_source_ranges: tuple[str, ...] = _EVERYBODY
    ssh_port: int = 22
    ssh_user: str = "ubuntu"


def read_settings(context: ProviderContext) -> Settings:
    """Read the options.

    Raises:
        UsageError: One of them cannot be used; the summary names it.
    """
    options = _Options(context.options, f"provider_options.{context.provider}")
    return Settings(
        api_url=options.url("api_url", API_URL),
        image=options.text("image", ""),
        firewall=options.flag("firewall"),
        ssh_source_ranges=options.networks("ssh_source_ranges"),
        ssh_port=options.port("ssh_port", 22),
        ssh_user=options.text("ssh_user", "ubuntu", _USER),
    )


@dataclass(frozen=True, slots=True)
class _Options:
    """What the user wrote; every method raises ``UsageError`` for what cannot be used."""

    values: Mapping[str, object]
    where: str

    def text(self, name: str, default: str, form: re.Pattern[str] | None = None) -> str:
        value = self.values.get(name)
        if value is None:
            return default
        if not isinstance(value, str) or not value.strip():
            raise self._wrong(name, f"must be a text, not {value!r}")
        if form is not None and not form.fullmatch(value.strip()):
            raise self._wrong(name, f"cannot be {value!r}")
        return value.strip()

    def flag(self, name: str) -> bool:
        value = self.values.get(name)
        if value is None or isinstance(value, bool):
            return value is not False
        raise self._wrong(name, f"must be true or false, not {value!r}")

    def port(self, name: str, default: int) -> int:
        value = self.values.get(name, default)
        if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= _LAST_PORT:
            return value
        raise self._wrong(name, f"must be a port from 1 to {_LAST_PORT}, not {value!r}")

    def networks(self, name: str) -> tuple[str, ...]:
        value = self.values.get(name)
        if value is None:
            return _EVERYBODY
        if not isinstance(value, list) or not value:
            raise self._wrong(name, f"must be a list of CIDR ranges, not {value!r}")
        try:
            return tuple(str(ipaddress.IPv4Network(text)) for text in value)
        except ValueError as error:
            raise self._wrong(name, f"holds no IPv4 range: {error}") from None

    def url(self, name: str, default: str) -> str:
        """Return the address without a path: it is written with and without ``/api/v1``."""
        parts = urlsplit(self.text(name, default))
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise self._wrong(name, "is no address of an API")
        if parts.scheme == "http" and parts.hostname not in _LOCAL:
            raise self._wrong(name, "is not encrypted", "write https://: the API key goes there")
        if parts.username or parts.password:
            raise self._wrong(name, "must not hold a password")
        path = parts.path.rstrip("/").removesuffix("/api/v1")
        return f"{parts.scheme}://{parts.netloc}{path}"

    def _wrong(self, name: str, why: str, hint: str = "") -> UsageError:
        return UsageError(f"{self.where}.{name} {why}", code="lambda-option", hint=hint)
