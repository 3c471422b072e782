"""The values of a list of hosts, read one by one with clear errors."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any, Final

from arb.errors import UsageError
from arb_ssh.hosts import Gpus

__all__ = ["READERS", "read_address", "read_pool", "wrong"]

HINT: Final = "docs/ssh.md has a table of what a host may say"
_POOL: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]*")
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:@-]*")
_ADDRESS: Final = re.compile(r"[A-Za-z0-9:][A-Za-z0-9.:_%-]*")
_USER: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@-]*\$?")
_WRITTEN: Final = re.compile(
    r"(?:(?P<user>[^@\s]+)@)?(?:\[(?P<v6>[^\]]+)\](?::(?P<port6>\d+))?"
    r"|(?P<name>[^:\s]+)(?::(?P<port>\d+))?|(?P<bare6>[0-9a-fA-F:]+))"
)
_KEY: Final = re.compile(
    r"(?:SHA256:[A-Za-z0-9+/]{43}=?|[a-z0-9@.-]+ [A-Za-z0-9+/]+={0,2}(?: .*)?)"
)
_LAST_PORT: Final = 65535


def wrong(where: str, what: str) -> UsageError:
    """Return the error for a place in the list."""
    return UsageError(f"{where} {what}", code="ssh-hosts", hint=HINT)


def read_address(text: str, where: str) -> dict[str, Any]:
    """Take ``[user@]address[:port]`` apart.

    Raises:
        UsageError: It is something else.
    """
    match = _WRITTEN.fullmatch(text.strip())
    if match is None:
        raise wrong(where, f"must be [user@]address[:port], not {text!r}")
    found: dict[str, Any] = {"address": match["v6"] or match["name"] or match["bare6"]}
    if match["user"]:
        found["user"] = match["user"]
    if port := match["port6"] or match["port"]:
        found["port"] = int(port)
    return found


def read_pool(value: object, where: str) -> str:
    """Return the name of a pool.

    Raises:
        UsageError: It is none.
    """
    return _matching(_POOL, value, where, "the name of a pool")


def _matching(pattern: re.Pattern[str], value: object, where: str, what: str) -> str:
    if isinstance(value, str | int) and not isinstance(value, bool):
        text = str(value).strip()
        if pattern.fullmatch(text):
            return text
    raise wrong(where, f"must be {what}, not {value!r}")


def _text(value: object, where: str) -> str:
    if not isinstance(value, str) or not value.strip():
        raise wrong(where, f"must be a text, not {value!r}")
    return value.strip()


def _path(value: object, where: str) -> str:
    text = _text(value, where)
    if not text.startswith(("/", "~/")):
        raise wrong(where, f"must be an absolute path, or begin with ~/, not {text!r}")
    return text


def _number(value: object, where: str, least: float = 0.0) -> float:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not least <= value < math.inf:  # type: ignore[operator]  # a number
        raise wrong(where, f"must be a number from {least:g} up, not {value!r}")
    return float(value)  # type: ignore[arg-type]  # a number


def _size(value: object, where: str) -> float:
    if _number(value, where) == 0:
        raise wrong(where, "must be above 0")
    return _number(value, where)


def _port(value: object, where: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 < value <= _LAST_PORT:
        raise wrong(where, f"must be a port from 1 to {_LAST_PORT}, not {value!r}")
    return value


def _gpus(value: object, where: str) -> Gpus:
    """Read ``H100``, ``H100:8`` or ``{H100: 8}``; an empty text or ``none`` is no accelerator."""
    if isinstance(value, Mapping) and len(value) == 1:
        ((name, count),) = value.items()
    elif isinstance(value, str):
        name, _, count = value.strip().partition(":")
        count = count or 1
    else:
        raise wrong(where, f"must be NAME:COUNT, not {value!r}")
    if str(name).strip().lower() in {"", "none"}:
        return Gpus()
    try:
        number = float(count)
    except (TypeError, ValueError):
        raise wrong(where, f"must be NAME:COUNT, not {value!r}") from None
    return Gpus(str(name).strip(), _size(number, where))


def _labels(value: object, where: str) -> dict[str, str]:
    if not isinstance(value, Mapping):
        raise wrong(where, f"must be names with values, not {value!r}")
    return {str(name): str(text) for name, text in value.items()}


def _host_key(value: object, where: str) -> str:
    return _matching(_KEY, value, where, "'TYPE BASE64' or 'SHA256:...'")


READERS: Final = {
    "address": lambda v, w: _matching(_ADDRESS, v, w, "an address"),
    "private_address": lambda v, w: _matching(_ADDRESS, v, w, "an address"),
    "name": lambda v, w: _matching(_NAME, v, w, "a name"),
    "user": lambda v, w: _matching(_USER, v, w, "the name of a user"),
    "port": _port,
    "identity_file": _path,
    "host_key": _host_key,
    "pool": read_pool,
    "accelerators": _gpus,
    "accelerator_gib": _size,
    "vcpus": _size,
    "memory_gib": _size,
    "arch": _text,
    "price_usd_hour": _number,
    "labels": _labels,
}
"""What a host may say, and how it is read."""
