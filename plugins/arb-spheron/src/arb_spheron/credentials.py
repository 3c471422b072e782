"""The API key, from wherever clients of Spheron keep it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from arb.errors import CredentialsError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["KEY_FILES", "SET_UP", "ApiKey", "find_key", "key_file"]

VARIABLE: Final = "SPHERON_API_KEY"
KEY_FILES: Final = (".spheron/token", ".spheron/api_key", ".spheron/credentials")
"""Below the home folder, in this order; the first that holds a key is used."""
SET_UP: Final = (
    "create a key at https://app.spheron.ai under settings, API, and put it into "
    f"{VARIABLE} or ~/{KEY_FILES[0]}"
)
_KEY: Final = re.compile(r"sai_pk_[A-Za-z0-9_\-]+")
_BARE: Final = re.compile(r"[!-~]{8,}")
_ASSIGNED: Final = re.compile(
    r"(?im)^\s*(?:export\s+)?[\w.\-\"']*(?:key|token)[\"']?\s*[=:]\s*(.+)$"
)


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key and where it was found."""

    text: str = field(repr=False)
    source: str


def find_key(env: Mapping[str, str], home: Path) -> ApiKey | None:
    """Return the key that will be used, or None when there is none.

    Raises:
        CredentialsError: What stands where a key should be is none, or cannot be read.
    """
    if value := env.get(VARIABLE, "").strip():
        return ApiKey(_checked(value, VARIABLE), VARIABLE)
    for name in KEY_FILES:
        text = _read(home / name, name)
        if text is not None and (key := _key_in(text, name)):
            return ApiKey(key, f"~/{name}")
    return None


def key_file(home: Path) -> Path | None:
    """Return the first of the key files that is there and not empty; it is not read."""
    paths = (home / name for name in KEY_FILES)
    return next((path for path in paths if path.is_file() and path.stat().st_size), None)


def _read(path: Path, name: str) -> str | None:
    try:
        return path.read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "not a text"
        raise CredentialsError(
            f"spheron: cannot read ~/{name}: {why}", code="spheron-key-unreadable"
        ) from None


def _key_in(text: str, name: str) -> str:
    """Return the key in a file: alone, or as the value of some ``...key`` or ``...token``."""
    stripped = text.strip()
    if not stripped:
        return ""
    if found := _KEY.search(stripped):
        return found[0]
    if found := _ASSIGNED.search(stripped):
        stripped = found[1].strip().strip("\"',")
    return _checked(stripped, f"~/{name}")


def _checked(text: str, source: str) -> str:
    if _BARE.fullmatch(text):
        return text
    summary = f"spheron: what is in {source} is no API key"
    raise CredentialsError(summary, code="spheron-key-invalid", hint=SET_UP)
