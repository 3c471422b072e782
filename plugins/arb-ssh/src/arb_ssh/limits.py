"""Real time. Other machines answer by it, whatever clock a caller goes by."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final, Self

if TYPE_CHECKING:
    from arb.types import ProviderContext

__all__ = ["Limit"]

_SPARE: Final = 0.85
"""Part of a call's time that may be spent on waiting: the rest is for the answer."""


class Limit:
    """A moment after which nobody waits.

    Args:
        seconds: From now.
    """

    def __init__(self, seconds: float) -> None:
        self._at = time.monotonic() + seconds

    @classmethod
    def of(cls, context: ProviderContext, at_most_s: float) -> Self:
        """Return the limit of a call: its own, or ``at_most_s`` from now when that comes first."""
        return cls(min(context.remaining_s() * _SPARE, at_most_s))

    def left_s(self, at_most_s: float = float("inf")) -> float:
        """Return the seconds left, at most so many, never under 0."""
        return min(max(0.0, self._at - time.monotonic()), at_most_s)

    @property
    def over(self) -> bool:
        """Whether it has passed."""
        return not self.left_s()

    def within(self, seconds: float) -> Limit:
        """Return the earlier of this limit and so many seconds from now."""
        return Limit(self.left_s(seconds))
