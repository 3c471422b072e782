"""Rate budgets that never wait, and note who asked for them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from arb.errors import RateLimited

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["RecordingLimiter"]


class RecordingLimiter:
    """``arb.types.RateLimiter`` of one call.

    Args:
        deadline: Of the call: a wait must not be longer.
        acquired: Gets ``(budget, whether the wait was bounded by the deadline)`` for each request.
        spent: Says whether the budget is used up; then ``acquire`` raises ``RateLimited``.
    """

    def __init__(
        self,
        deadline: float,
        acquired: list[tuple[str, bool]],
        spent: Callable[[], bool] | None = None,
    ) -> None:
        self._deadline = deadline
        self._acquired = acquired
        self._spent = spent

    def acquire(self, budget: str, *, deadline: float) -> None:
        """Take one token at once.

        Raises:
            RateLimited: There is none.
        """
        self._acquired.append((budget, deadline <= self._deadline))
        if self._spent is not None and self._spent():
            raise RateLimited(f"no calls left in the budget {budget}", retry_after_s=5)

    def pause(self, budget: str, seconds: float) -> None:
        """Take note of nothing: nobody waits here."""
