"""One hook call's view of the rate budgets: what it takes from, and the pause that it brings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from arb.errors import RateLimited
    from arb.types import RateLimiter

__all__ = ["CallLimiter"]


class CallLimiter:
    """``arb.types.RateLimiter`` of one hook call.

    When the call ends with "too many requests", everybody who shares the budget that it took from
    last is held for as long as the provider asked.

    Args:
        shared: Of the provider, for all its calls in all processes.
    """

    def __init__(self, shared: RateLimiter) -> None:
        self.shared: Final = shared
        self._taken_from = ""

    def acquire(self, budget: str, *, deadline: float) -> None:
        """Take one token of a named budget, waiting for it."""
        self._taken_from = ""  # what is raised here is not the provider's word
        self.shared.acquire(budget, deadline=deadline)
        self._taken_from = budget

    def pause(self, budget: str, seconds: float) -> None:
        """Hold everybody who shares a budget."""
        self.shared.pause(budget, seconds)

    def heard(self, error: RateLimited) -> None:
        """Hold everybody when it was the provider itself that said so."""
        if self._taken_from:
            self.shared.pause(self._taken_from, error.retry_after_s)
