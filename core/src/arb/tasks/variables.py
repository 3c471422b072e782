"""Variables from the command line: ``--env``, ``--env-file``, ``--secret``."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from arb.errors import UsageError
from arb.tasks.reading import read_file

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["parse_assignment", "read_env_file"]

_MOST_BYTES: Final = 10_000_000


def read_env_file(path: Path) -> dict[str, str]:
    """Read ``NAME=value`` lines; ``#`` comments, ``export`` and quotes as in dotenv files.

    A line that is a name alone takes its value from the environment.

    Raises:
        UsageError: Not readable, or a line that is none of these, with its number.
    """
    try:
        lines = read_file(path, _MOST_BYTES).decode("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8 text"
        raise UsageError(f"cannot read {path}: {reason}", code="env-file") from error
    values = {}
    for number, line in enumerate(lines, start=1):
        text = line.strip().removeprefix("export ").strip()
        if not text or text.startswith("#"):
            continue
        name, value = parse_assignment(text, where=f"{path}:{number}")
        values[name] = _unquoted(value)
    return values


def parse_assignment(text: str, *, where: str) -> tuple[str, str]:
    """Split ``NAME=value``; ``NAME`` alone takes the environment's value.

    Raises:
        UsageError: No name, or a name alone that the environment does not have. The value is
            never part of the message: it may be a secret.
    """
    name, equals, value = text.partition("=")
    if not name.strip().isidentifier():
        hint = "a name is letters, digits and '_', and does not begin with a digit"
        raise UsageError(f"{where}: expected NAME=value", code="env-assignment", hint=hint)
    if equals:
        return name.strip(), value
    if name not in os.environ:
        raise UsageError(f"{where}: {name} is not set in the environment", code="env-missing")
    return name, os.environ[name]


def _unquoted(value: str) -> str:
    text = value.strip()
    if len(text) >= 2 and text[0] == text[-1] and text[0] in "'\"":  # noqa: PLR2004 - two quotes
        return text[1:-1]
    return text
