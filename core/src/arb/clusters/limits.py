"""Rate budgets for when there is no state store yet: they apply only within this process."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from arb.errors import PluginError, RateLimited
from arb.state.budgets import Bucket, paused, refill

if TYPE_CHECKING:
    from collections.abc import Mapping

    from arb.types import Clock, RateBudget

__all__ = ["ProcessRateLimiter"]


class ProcessRateLimiter:
    """``arb.types.RateLimiter`` of one provider, for commands that only look.

    Args:
        clock: Time.
        provider: Its id.
        budgets: ``ProviderInfo.rate_budgets``.
    """

    def __init__(self, clock: Clock, provider: str, budgets: Mapping[str, RateBudget]) -> None:
        self._clock = clock
        self._provider = provider
        self._budgets = dict(budgets)
        self._buckets: dict[str, Bucket] = {}
        self._lock = threading.Lock()

    def acquire(self, budget: str, *, deadline: float) -> None:
        """Take one token, waiting for it.

        Args:
            budget: A name out of the provider's ``rate_budgets``.
            deadline: ``Clock.monotonic`` time to give up at.

        Raises:
            RateLimited: The token would come after the deadline; none was taken.
            PluginError: The provider declares no such budget.
        """
        wait_s = self._take(budget, max(0.0, deadline - self._clock.monotonic()))
        if wait_s > 0:
            self._clock.sleep(wait_s)

    def pause(self, budget: str, seconds: float) -> None:
        """Let nobody of this process through for some time.

        Args:
            budget: As for ``acquire``.
            seconds: The provider's ``Retry-After``.
        """
        rate = self._rate(budget)
        with self._lock:
            self._buckets[budget] = paused(self._bucket(budget, rate), rate, seconds)

    def _rate(self, budget: str) -> RateBudget:
        if budget not in self._budgets:
            summary = f"provider {self._provider} has no rate budget {budget!r}"
            raise PluginError(summary, code="unknown-budget")
        return self._budgets[budget]

    def _bucket(self, budget: str, rate: RateBudget) -> Bucket:
        now = self._clock.monotonic()
        full = Bucket(float(rate.burst), now)
        return refill(self._buckets.get(budget, full), rate, now)

    def _take(self, budget: str, patience_s: float) -> float:
        """Take a token ahead of time if need be; return the seconds until it is due."""
        rate = self._rate(budget)
        with self._lock:
            bucket = self._bucket(budget, rate)
            wait_s = max(0.0, (1 - bucket.tokens) / rate.per_s)
            if wait_s > patience_s:
                summary = f"{self._provider}: the budget {budget!r} is used up for {wait_s:.0f} s"
                raise RateLimited(summary, retry_after_s=wait_s)
            self._buckets[budget] = bucket._replace(tokens=bucket.tokens - 1)
        return wait_s
