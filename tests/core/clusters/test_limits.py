"""Rate budgets and owner of a command that only looks, before there is any state."""

from __future__ import annotations

import pytest

from arb.clusters.limits import ProcessRateLimiter
from arb.clusters.session import Session
from arb.errors import PluginError, RateLimited
from arb.testing import FakeClock
from arb.types import RateBudget

BUDGETS = {"calls": RateBudget(burst=2, per_s=0.5)}


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def limiter(clock):
    return ProcessRateLimiter(clock, "acme", BUDGETS)


def waited(clock, limiter, *, deadline=1e9):
    before = clock.monotonic()
    limiter.acquire("calls", deadline=deadline)
    return clock.monotonic() - before


def test_a_burst_is_let_through_and_the_rest_waits(clock, limiter):
    assert [waited(clock, limiter) for _ in range(4)] == [0, 0, 2, 2]


def test_an_idle_time_earns_tokens_up_to_the_burst(clock, limiter):
    for _ in range(2):
        limiter.acquire("calls", deadline=1e9)
    clock.advance(3600)
    assert [waited(clock, limiter) for _ in range(3)] == [0, 0, 2]


def test_a_wait_past_the_deadline_takes_nothing(clock, limiter):
    for _ in range(2):
        limiter.acquire("calls", deadline=1e9)
    with pytest.raises(RateLimited) as caught:
        limiter.acquire("calls", deadline=clock.monotonic() + 1)
    assert caught.value.retry_after_s == 2
    assert waited(clock, limiter) == 2


def test_a_budget_that_was_not_declared_is_the_plugins_fault(limiter):
    with pytest.raises(PluginError, match="no rate budget 'other'"):
        limiter.acquire("other", deadline=1e9)


def test_a_session_that_only_looks_makes_no_state(tmp_path, clock):
    env = {"HOME": str(tmp_path), "ARB_HOME": str(tmp_path / "arb")}
    with Session(env, clock=clock, only_looks=True) as session:
        settings = session.plugins.settings
        assert settings.owner() == ""
        settings.limiter("acme", BUDGETS).acquire("calls", deadline=1e9)
        assert not session.home.has_database()


def test_a_session_that_only_looks_uses_state_that_is_there(tmp_path, clock):
    env = {"HOME": str(tmp_path), "ARB_HOME": str(tmp_path / "arb")}
    with Session(env, clock=clock) as session:
        owner = session.plugins.settings.owner()
    with Session(env, clock=clock, only_looks=True) as session:
        assert session.plugins.settings.owner() == owner != ""
        limiter = session.plugins.settings.limiter("acme", BUDGETS)
        assert not isinstance(limiter, ProcessRateLimiter)
