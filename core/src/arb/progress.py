"""How long work tells what it is doing. The command line shows it; a library user need not."""

from __future__ import annotations

from typing import Protocol

__all__ = ["Progress", "SilentProgress"]


class Progress(Protocol):
    """Hears of steps. Called from several threads."""

    def step(self, text: str) -> None:
        """Something happened that stays worth reading: an attempt, its price, its failure."""

    def state(self, text: str) -> None:
        """What is being waited for; replaces the one before. Empty: nothing."""

    def warn(self, text: str) -> None:
        """Something that should not be missed."""


class SilentProgress:
    """Hears and does nothing."""

    def step(self, text: str) -> None:
        """Do nothing."""

    def state(self, text: str) -> None:
        """Do nothing."""

    def warn(self, text: str) -> None:
        """Do nothing."""
