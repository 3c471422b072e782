"""Rate budgets and owner of a command that only looks, before there is any state."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.processes import start

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


def test_a_pause_holds_this_process_where_there_is_no_state(clock, limiter):
    limiter.pause("calls", 30)
    limiter.pause("calls", 1)
    assert [waited(clock, limiter) for _ in range(2)] == [30, 2]


COMMAND = """
import sys, time
from support.fakecloud import FakeCloud
from arb.clusters.session import Session
from arb.errors import RateLimited
from arb.hookspecs import hookimpl
from arb.plugins import Plugins, PluginTable
from arb.types import CheckResult, CheckStatus, ProviderInfo, RateBudget, SystemClock

root, answer = sys.argv[1:]
session = Session({"ARB_HOME": root, "HOME": root})
cloud = FakeCloud(SystemClock())
cloud.info = ProviderInfo("Fake", cloud.info.capabilities, rate_budgets={
    "reads": RateBudget(50, 1.0), "launches": RateBudget(50, 1.0)})
entry = cloud.entry()

@hookimpl
def arb_check(context):
    context.limiter.acquire("launches", deadline=context.deadline)
    context.limiter.acquire("reads", deadline=time.monotonic() + 1)
    if answer == "429":
        raise RateLimited("too many requests", retry_after_s=600)
    return CheckResult(CheckStatus.OK, "fine")

vars(sys.modules[entry.value])["arb_check"] = arb_check
settings = session.plugins.settings
session.__dict__["plugins"] = Plugins(settings, warn=print, table=PluginTable([entry]))
provider = session.plugins.provider("fake")
session.store.owner()
print("ready", flush=True)
for line in sys.stdin:
    try:
        print(provider.check().summary, flush=True)
    except RateLimited as error:
        print(f"{error.summary}: {error.retry_after_s:.0f}", flush=True)
session.close()
"""


def test_too_many_requests_heard_by_one_process_holds_the_others(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    busy, other = (start(COMMAND, str(tmp_path), answer) for answer in ("429", "fine"))
    try:
        assert asked(other) == "fine"
        assert asked(busy) == "too many requests: 600"
        for process in (other, busy):
            told, wait_s = asked(process).rsplit(": ", 1)
            assert told.startswith("fake: the budget 'reads' is used up for")
            assert 590 < int(wait_s) <= 600, "what is not sent asks for no further pause"
    finally:
        for process in (busy, other):
            process.communicate(timeout=30)


def asked(process):
    process.stdin.write("go\n")
    process.stdin.flush()
    return process.stdout.readline().strip()
