"""One line a bad plugin: the same trouble is told once a process."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from arb.errors import ArbError
    from arb.plugins.table import PluginEntry

__all__ = ["Warnings"]


class Warnings:
    """Passes warning lines on, each distribution and place once.

    Args:
        sink: Takes one line. Called from several threads, one at a time.
    """

    def __init__(self, sink: Callable[[str], None]) -> None:
        self._sink: Final = sink
        self._told: Final[set[tuple[str, str]]] = set()
        self._lock: Final = threading.Lock()

    def about(self, entry: PluginEntry, place: str, text: str) -> None:
        """Warn about one plugin. ``place`` is a hook or ``import``; ``text`` names it."""
        self.tell(entry.distribution, place, f"{entry.origin}: {text}")

    def error(self, distribution: str, place: str, error: ArbError) -> None:
        """Warn with an error's summary, which names the distribution itself."""
        self.tell(distribution, place, error.summary)

    def tell(self, distribution: str, place: str, line: str) -> None:
        """Pass a line on unless this place of the distribution was told of before."""
        with self._lock:
            if (distribution, place) in self._told:
                return
            self._told.add((distribution, place))
            self._sink(line)
