"""Rate budgets of providers: token buckets that all processes of one store share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from arb.errors import PluginError, RateLimited

if TYPE_CHECKING:
    from collections.abc import Mapping

    from arb.state.store import Store, Transaction
    from arb.types import RateBudget

__all__ = ["MOST_PAUSE_S", "Bucket", "StoreRateLimiter", "paused", "refill"]

MOST_PAUSE_S: Final = 900.0
"""A wrong ``Retry-After`` must not shut a provider out for ever."""

_FOR_UPDATE: Final = """
    INSERT INTO budgets (name, tokens, updated_at) VALUES (?, ?, ?)
    ON CONFLICT (name) DO UPDATE SET tokens = budgets.tokens
    RETURNING tokens, updated_at
"""


class Bucket(NamedTuple):
    """Tokens left at a time. Negative: so many callers have taken theirs ahead, and wait."""

    tokens: float
    updated_at: float


def refill(bucket: Bucket, budget: RateBudget, now: float) -> Bucket:
    """Return the bucket at a later time, never fuller than ``budget.burst``.

    When the clock went back it starts from there: no refill, and none owed.
    """
    earned = max(0.0, now - bucket.updated_at) * budget.per_s
    return Bucket(min(float(budget.burst), bucket.tokens + earned), now)


def paused(bucket: Bucket, budget: RateBudget, seconds: float) -> Bucket:
    """Return the bucket with one token due when a pause is over, or later when it was later before.

    Args:
        bucket: As it is now.
        budget: Its rate.
        seconds: What a provider said; a quarter of an hour at most counts, and nonsense does not.
    """
    wait_s = min(seconds, MOST_PAUSE_S) if seconds > 0 else 0.0
    return bucket._replace(tokens=min(bucket.tokens, 1 - wait_s * budget.per_s))


class StoreRateLimiter:
    """``arb.types.RateLimiter`` of one provider.

    A caller takes its token at once and then waits until it is due, so that callers are served in
    their order and each costs one short transaction.

    Args:
        store: Shared by the processes that share the budgets.
        provider: Its id.
        budgets: ``ProviderInfo.rate_budgets``.
    """

    def __init__(self, store: Store, provider: str, budgets: Mapping[str, RateBudget]) -> None:
        self._store = store
        self._provider = provider
        self._budgets = dict(budgets)

    def acquire(self, budget: str, *, deadline: float) -> None:
        """Take one token, waiting for it.

        Args:
            budget: A name out of the provider's ``rate_budgets``.
            deadline: ``Clock.monotonic`` time to give up at.

        Raises:
            RateLimited: The token would come after the deadline; none was taken.
            PluginError: The provider declares no such budget.
            StateError: The store failed.
        """
        rate, clock = self._rate(budget), self._store.clock
        patience_s = deadline - clock.monotonic()
        with self._store.write(exclusive=False) as tx:
            bucket = self._read(tx, budget, rate)
            wait_s = max(0.0, (1 - bucket.tokens) / rate.per_s)
            if wait_s <= max(0.0, patience_s):
                self._write(tx, budget, bucket._replace(tokens=bucket.tokens - 1))
        if wait_s > max(0.0, patience_s):
            raise RateLimited(
                f"{self._provider}: the budget {budget!r} is used up for {wait_s:.0f} s",
                retry_after_s=wait_s,
                hint="other arb processes of this account use it too; wait, or end them",
            )
        if wait_s > 0:
            clock.sleep(wait_s)

    def pause(self, budget: str, seconds: float) -> None:
        """Let nobody through for some time: the provider itself said "too many requests".

        Args:
            budget: As for ``acquire``.
            seconds: The provider's ``Retry-After``.
        """
        rate = self._rate(budget)
        with self._store.write(exclusive=False) as tx:
            bucket = self._read(tx, budget, rate)
            self._write(tx, budget, paused(bucket, rate, seconds))

    def _rate(self, budget: str) -> RateBudget:
        try:
            return self._budgets[budget]
        except KeyError:
            known = ", ".join(sorted(self._budgets)) or "none"
            raise PluginError(
                f"provider {self._provider} has no rate budget {budget!r} (declared: {known})",
                code="unknown-budget",
            ) from None

    def _read(self, tx: Transaction, budget: str, rate: RateBudget) -> Bucket:
        """Lock the bucket's row, making it full when it is new, and refill it."""
        params = (self._name(budget), float(rate.burst), tx.now)
        row = tx.read(_FOR_UPDATE, params)[0]
        return refill(Bucket(row["tokens"], row["updated_at"]), rate, tx.now)

    def _write(self, tx: Transaction, budget: str, bucket: Bucket) -> None:
        sql = "UPDATE budgets SET tokens = ?, updated_at = ? WHERE name = ?"
        tx.execute(sql, (*bucket, self._name(budget)))

    def _name(self, budget: str) -> str:
        return f"{self._provider}/{budget}"
