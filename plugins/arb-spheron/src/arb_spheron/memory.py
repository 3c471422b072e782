"""What processes share of what they were told: files in the cache folder, safe to lose."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from arb_spheron.client import SpheronClient

__all__ = ["asker", "forget", "recall", "remember"]


def asker(client: SpheronClient, *more: str) -> str:
    """Return a hash of who asks where: by it one caller's answers are told from another's.

    Args:
        client: Of the call.
        more: Whatever else answers depend on.
    """
    key = client.key.text if client.key else ""
    text = "\0".join((client.settings.api_url, *more, key))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def recall(client: SpheronClient, name: str) -> dict[str, Any]:
    """Return a document; an empty one when there is none, or it is damaged."""
    with contextlib.suppress(OSError, ValueError):
        document = json.loads(_path(client, name).read_text())
        return document if isinstance(document, dict) else {}
    return {}


def remember(client: SpheronClient, name: str, document: dict[str, Any]) -> None:
    """Keep a document, where that is possible; other processes see the old one or the new."""
    path = _path(client, name)
    partial = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}")
    with contextlib.suppress(OSError):
        partial.write_text(json.dumps(document))
        partial.replace(path)


def forget(client: SpheronClient, name: str) -> None:
    """Remove a document."""
    with contextlib.suppress(OSError):
        _path(client, name).unlink(missing_ok=True)


def _path(client: SpheronClient, name: str) -> Path:
    return client.context.cache_dir / f"{name}.json"
