"""Where broken providers register: each breaks one promise, and is named after what it does."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

BROKEN: list[tuple[str, type]] = []
"""Check that must fail -> the provider that it fails for."""


def breaks(check: str) -> Callable[[type], type]:
    """Say which check, and no other, finds a provider out."""

    def register(provider: type) -> type:
        BROKEN.append((f"test_{check}", provider))
        return provider

    return register
