"""Simulated instance types in a file of their own, YAML or CSV."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from arb.errors import UsageError
from arb_local.simulated_values import WHERE, wrong

__all__ = ["read_simulated_file", "simulated_path"]

_MAPS: Final = frozenset({"regions", "coordinates", "price_usd_hour", "spot_price_usd_hour"})
"""Columns of a CSV file that may hold ``name=value;name=value``."""
_LISTS: Final = frozenset({"regions", "coordinates"})
"""Those whose values are lists, written ``a|b``."""


def simulated_path(text: str, home: Path) -> Path:
    """Return the file that an option names.

    Args:
        text: An absolute path, or one that begins with ``~/``.
        home: What ``~`` stands for.

    Raises:
        UsageError: The path depends on the folder that a command happens to run in.
    """
    path = home / text[2:] if text.startswith("~/") else Path(text)
    if path.is_absolute():
        return path
    summary = f"{WHERE} must be an absolute path, or begin with ~/, not {text!r}"
    hint = f'arb config set {WHERE} "$PWD/{text}"'
    raise UsageError(summary, code="local-simulated-invalid", hint=hint)


def read_simulated_file(text: str, home: Path) -> object:
    """Return what a file of simulated types holds, not checked yet.

    In a CSV file maps are written ``east=1.5;west=2`` and lists ``a|b``.

    Args:
        text: The file's path.
        home: What ``~`` stands for.

    Raises:
        UsageError: It cannot be read.
    """
    path = simulated_path(text, home)
    try:
        content = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise wrong(WHERE, f"cannot read {text}: not UTF-8 text") from error
    except OSError as error:
        raise wrong(WHERE, f"cannot read {text}: {error.strerror}") from error
    if path.suffix.lower() == ".csv":
        return _read_csv(content)
    import yaml

    try:
        return yaml.safe_load(content) or []
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise wrong(WHERE, f"{text} is not YAML: {' '.join(str(error).split())}") from error


def _read_csv(content: str) -> list[dict[str, Any]]:
    import csv

    rows = csv.DictReader(content.splitlines(), skipinitialspace=True)
    return [
        {str(key): _csv_cell(str(key), value) for key, value in row.items() if value}
        for row in rows
    ]


def _csv_cell(key: str, text: object) -> object:
    if key not in _MAPS or not isinstance(text, str):
        return text
    if key == "regions" or "=" in text:
        pairs = (part.partition("=") for part in text.split(";") if part.strip())
        return {name.strip(): _csv_value(key, value) for name, _, value in pairs}
    return text


def _csv_value(key: str, text: str) -> object:
    return [item.strip() for item in text.split("|") if item] if key in _LISTS else text.strip()
