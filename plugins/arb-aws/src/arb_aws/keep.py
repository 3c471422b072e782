"""Answers that are kept on disk: what the next reading takes when the API does not answer in time."""

from __future__ import annotations

import contextlib
import gzip
import json
import os
import threading
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from arb.errors import ArbError, CredentialsError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from arb.types import ProviderContext

__all__ = ["Kept", "kept_part"]

_FORMAT: Final = 1


@dataclass(frozen=True, slots=True)
class Kept:
    """One part.

    Attributes:
        value: JSON.
        read_at: When it was read, in seconds since the epoch.
        why: Why it is not fresh, although it was asked for anew; empty when it is.
    """

    value: Any
    read_at: float
    why: str = ""


def kept_part(context: ProviderContext, name: str, fresh_s: float, read: Callable[[], Any]) -> Kept:
    """Return a part of the catalog: the kept one while it is fresh, else as ``read`` returns it.

    When the API does not answer, the last good one is used, whatever its age.

    Args:
        context: Of the hook call.
        name: Of the part.
        fresh_s: For how long a kept part is not read again.
        read: Asks the API; returns what JSON can hold.

    Raises:
        CredentialsError: The account was refused; what is kept stays for another day.
        ArbError: Of ``read``, when nothing is kept.
    """
    path = context.cache_dir / f"{name}.json.gz"
    kept = _load(path)
    now = context.clock.now()
    if kept is not None and 0 <= now - kept.read_at < fresh_s:
        return kept
    try:
        fresh = Kept(read(), now)
    except CredentialsError:
        raise
    except ArbError as error:
        if kept is None:
            raise
        return replace(kept, why=error.summary)
    _store(path, fresh)
    return fresh


def _load(path: Path) -> Kept | None:
    try:
        with gzip.open(path, "rt", encoding="utf-8") as file:
            said = json.load(file)
        return Kept(said["value"], float(said["read_at"])) if said["format"] == _FORMAT else None
    except (OSError, EOFError, ValueError, KeyError, TypeError):
        return None


def _store(path: Path, kept: Kept) -> None:
    """Keep a part; a cache that cannot be written to costs time, and nothing else."""
    new = path.with_suffix(f".{os.getpid()}-{threading.get_ident()}")
    document = {"format": _FORMAT, "read_at": kept.read_at, "value": kept.value}
    with contextlib.suppress(OSError):
        with gzip.open(new, "wt", encoding="utf-8", compresslevel=1) as file:
            json.dump(document, file)
        new.replace(path)
