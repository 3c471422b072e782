from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.processes import race

from arb.errors import PluginError, RateLimited
from arb.state.budgets import Bucket, StoreRateLimiter, refill
from arb.state.store import open_store
from arb.types import RateBudget, RateLimiter

if TYPE_CHECKING:
    from arb.state.store import Store
    from arb.testing import FakeClock

READS = RateBudget(burst=3, per_s=0.5)


@pytest.fixture
def limiter(store: Store) -> StoreRateLimiter:
    return StoreRateLimiter(store, "aws", {"reads": READS, "launches": READS})


def acquire(limiter: RateLimiter, clock: FakeClock, budget: str = "reads", s: float = 60) -> None:
    limiter.acquire(budget, deadline=clock.monotonic() + s)


def test_a_burst_passes_and_then_the_rate_holds(
    limiter: StoreRateLimiter, clock: FakeClock
) -> None:
    for _ in range(5):
        acquire(limiter, clock)

    assert clock.sleeps == [pytest.approx(2), pytest.approx(2)]


def test_time_refills_the_bucket_to_its_burst_and_no_further(
    limiter: StoreRateLimiter, clock: FakeClock
) -> None:
    for _ in range(3):
        acquire(limiter, clock)
    clock.advance(3600)
    for _ in range(3):
        acquire(limiter, clock)
    assert clock.sleeps == []

    acquire(limiter, clock)
    assert clock.sleeps == [pytest.approx(2)]


def test_a_token_that_comes_too_late_is_not_taken(
    limiter: StoreRateLimiter, clock: FakeClock
) -> None:
    for _ in range(3):
        acquire(limiter, clock)

    for _ in range(2):
        with pytest.raises(RateLimited) as caught:
            acquire(limiter, clock, s=1.9)
        assert caught.value.retry_after_s == pytest.approx(2)
    clock.advance(2)
    acquire(limiter, clock, s=0)
    assert clock.sleeps == []


def test_a_deadline_that_is_over_still_takes_what_is_there(
    limiter: StoreRateLimiter, clock: FakeClock
) -> None:
    limiter.acquire("reads", deadline=clock.monotonic() - 5)

    assert clock.sleeps == []


def test_budgets_and_providers_do_not_touch_each_other(
    store: Store, limiter: StoreRateLimiter, clock: FakeClock
) -> None:
    other = StoreRateLimiter(store, "gcp", {"reads": READS})
    for _ in range(3):
        acquire(limiter, clock)
        acquire(limiter, clock, "launches")
        acquire(other, clock)

    assert clock.sleeps == []


def test_a_second_store_object_shares_the_budget(
    url: str, limiter: StoreRateLimiter, clock: FakeClock
) -> None:
    with open_store(url, clock=clock) as other:
        second = StoreRateLimiter(other, "aws", {"reads": READS})
        for each in (limiter, second, limiter, second):
            acquire(each, clock)

    assert clock.sleeps == [pytest.approx(2)]


def test_a_pause_holds_everybody_for_as_long_as_the_provider_said(
    limiter: StoreRateLimiter, clock: FakeClock
) -> None:
    limiter.pause("reads", 30)
    acquire(limiter, clock)

    assert clock.sleeps == [pytest.approx(30)]


def test_a_pause_never_shortens_a_longer_wait(limiter: StoreRateLimiter, clock: FakeClock) -> None:
    limiter.pause("reads", 30)
    limiter.pause("reads", 1)
    acquire(limiter, clock)

    assert clock.sleeps == [pytest.approx(30)]


@pytest.mark.parametrize(
    ("seconds", "waits"), [(1e9, 900), (float("inf"), 900), (float("nan"), 0), (-5, 0)]
)
def test_a_nonsensical_pause_shuts_nobody_out_for_long(
    limiter: StoreRateLimiter, clock: FakeClock, seconds: float, waits: float
) -> None:
    limiter.pause("reads", seconds)
    acquire(limiter, clock, s=1000)

    assert sum(clock.sleeps) == pytest.approx(waits)


def test_a_clock_that_went_back_blocks_nobody(limiter: StoreRateLimiter, clock: FakeClock) -> None:
    for _ in range(3):
        acquire(limiter, clock)
    clock.set_wall(clock.now() - 1e8)
    acquire(limiter, clock)
    acquire(limiter, clock)

    assert clock.sleeps == [pytest.approx(2), pytest.approx(2)]


def test_a_budget_that_was_not_declared_is_the_plugins_mistake(
    limiter: StoreRateLimiter, clock: FakeClock
) -> None:
    with pytest.raises(PluginError, match=r"aws has no rate budget 'writes'.*launches, reads"):
        acquire(limiter, clock, "writes")


SPEND = """
import sys, time
from arb.errors import RateLimited
from arb.state.budgets import StoreRateLimiter
from arb.state.store import open_store
from arb.types import RateBudget
limiter = StoreRateLimiter(open_store(sys.argv[1]), "aws", {"reads": RateBudget(20, 0.001)})
print("ready", flush=True)
sys.stdin.readline()
count = 0
try:
    while True:
        limiter.acquire("reads", deadline=time.monotonic() + 1)
        count += 1
except RateLimited:
    print(count)
"""


def test_processes_share_one_budget(url: str) -> None:
    open_store(url).close()

    counts = [int(output) for output in race(SPEND, [[url]] * 3)]

    assert sum(counts) == 20


@given(st.floats(-100, 5), st.floats(0, 1e9), st.floats(0, 1e9))
def test_a_bucket_never_holds_more_than_its_burst_nor_loses(
    tokens: float, then: float, now: float
) -> None:
    after = refill(Bucket(tokens, then), RateBudget(5, 2.0), now)

    assert tokens <= after.tokens <= 5
    assert after.updated_at == now
