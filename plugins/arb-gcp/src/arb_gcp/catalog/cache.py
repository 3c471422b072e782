"""Parts of the catalog on disk: what the next reading takes when the API does not answer in time."""

from __future__ import annotations

import contextlib
import gzip
import json
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeVar

from arb.errors import ArbError, CredentialsError, ProviderUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from arb.types import ProviderContext

__all__ = ["Kept", "Read", "is_kept", "keep", "kept_part", "readable"]

T = TypeVar("T")

_FORMAT: Final = 1


@dataclass(frozen=True, slots=True)
class Kept:
    """One part: JSON, and when it was read, in seconds since the epoch."""

    value: Any
    read_at: float


@dataclass(frozen=True, slots=True)
class Read:
    """What was read of one part: JSON, and whether that is all of it."""

    value: Any
    is_whole: bool = True


def kept_part(
    context: ProviderContext, name: str, fresh_s: float, read: Callable[[], Read]
) -> Kept:
    """Return a part of the catalog: the kept one while it is fresh, else as ``read`` returns it.

    When the API does not answer, or not about all zones, the last whole one is used, whatever its
    age.

    Args:
        context: Of the hook call.
        name: Of the part, with the project: other projects see other types.
        fresh_s: For how long a kept part is not read again.
        read: Asks the API.

    Raises:
        CredentialsError: The account was refused; what is kept stays for another day.
        ArbError: Of ``read``, when nothing is kept.
    """
    path = _path(context, name)
    kept = _load(path)
    now = context.clock.now()
    if kept is not None and 0 <= now - kept.read_at < fresh_s:
        return kept
    try:
        found = readable(name, read)
    except CredentialsError:
        raise
    except ArbError:
        if kept is None:
            raise
        return kept
    if kept is not None and not found.is_whole:
        return kept
    fresh = Kept(found.value, now)
    if found.value and found.is_whole:  # what is empty or partial is asked for again
        _store(path, fresh)
    return fresh


def keep(context: ProviderContext, name: str, kept: Kept) -> None:
    """Keep a part by its name."""
    _store(_path(context, name), kept)


def is_kept(context: ProviderContext, name: str) -> bool:
    """Say whether a part was ever read here."""
    return _load(_path(context, name)) is not None


def readable(name: str, read: Callable[[], T]) -> T:
    """Call ``read``; an answer of another form than described is as good as none.

    Args:
        name: Of the part, for the error.
        read: Asks the API.

    Raises:
        ProviderUnavailable: The answer is not as described.
        ArbError: Of ``read``.
    """
    try:
        return read()
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        summary = f"gcp catalog, part {name}: the answer cannot be read ({type(error).__name__})"
        raise ProviderUnavailable(summary, code="gcp-unreadable") from error


def _path(context: ProviderContext, name: str) -> Path:
    return context.cache_dir / f"{name}.json.gz"


def _load(path: Path) -> Kept | None:
    try:
        with gzip.open(path, "rt", encoding="utf-8") as file:
            said = json.load(file)
        return Kept(said["value"], float(said["read_at"])) if said["format"] == _FORMAT else None
    except (OSError, EOFError, ValueError, KeyError, TypeError):
        return None


def _store(path: Path, kept: Kept) -> None:
    """Keep a part; a cache that cannot be written to costs time, and nothing else."""
    new = path.with_suffix(f".{os.getpid()}")
    document = {"format": _FORMAT, "read_at": kept.read_at, "value": kept.value}
    with contextlib.suppress(OSError):
        with gzip.open(new, "wt", encoding="utf-8", compresslevel=1) as file:
            json.dump(document, file)
        new.replace(path)
