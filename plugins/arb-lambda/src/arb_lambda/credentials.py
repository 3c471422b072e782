"""The API key, from where clients of Lambda keep it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from arb.errors import CredentialsError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["KEY_FILE", "SET_UP", "ApiKey", "find_key", "key_file"]

VARIABLE: Final = "LAMBDA_API_KEY"
KEY_FILE: Final = ".lambda_cloud/lambda_keys"
"""Below the home folder."""
SET_UP: Final = (
    f"create a key at https://cloud.lambda.ai/api-keys and put it into {VARIABLE}, "
    f"or as a line 'api_key = KEY' into ~/{KEY_FILE}"
)
_KEY: Final = re.compile(r"[!-~]+")
_LINE: Final = re.compile(r"(?m)^\s*api_key\s*=\s*(.*?)\s*$")
_BARE: Final = re.compile(r"\s*([^\s=]+)\s*")
"""A file with nothing but a key in it is understood too."""


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
    text = _read(home / KEY_FILE)
    if not text.strip():
        return None
    found = _LINE.search(text) or _BARE.fullmatch(text)
    key = found[1].strip("\"'") if found else ""
    return ApiKey(_checked(key, f"~/{KEY_FILE}"), f"~/{KEY_FILE}")


def key_file(home: Path) -> Path | None:
    """Return the key file if it is there; it is not read."""
    path = home / KEY_FILE
    return path if path.is_file() else None


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError):
        return ""
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "not a text"
        raise CredentialsError(
            f"lambda: cannot read ~/{KEY_FILE}: {why}", code="lambda-key-unreadable"
        ) from None


def _checked(text: str, source: str) -> str:
    if _KEY.fullmatch(text):
        return text
    summary = f"lambda: what is in {source} is no API key"
    raise CredentialsError(summary, code="lambda-key-invalid", hint=SET_UP)
