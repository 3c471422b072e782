"""The shared budget keeps any number of processes within Spheron's limit."""

from __future__ import annotations

import pytest
from clouds.spheron.customer import Account

from arb.errors import RateLimited
from arb.state.budgets import StoreRateLimiter
from arb.state.store import open_store
from arb.types import ListQuery
from arb_spheron import plugin


@pytest.fixture
def processes(paper_spheron, tmp_path):
    """Three processes of one home: what they share is the state store."""
    url = f"sqlite:///{tmp_path / 'state.db'}"
    stores = [open_store(url, clock=paper_spheron.clock) for _ in range(3)]
    accounts = []
    for store in stores:
        account = Account(paper_spheron, tmp_path / "mine")
        info = plugin.arb_provider_info()
        account.budgets = StoreRateLimiter(store, "spheron", info.rate_budgets)
        accounts.append(account)
    yield accounts
    for store in stores:
        store.close()


def test_whatever_they_read_the_limit_of_a_quarter_of_an_hour_is_never_met(processes):
    cloud, waited = processes[0].cloud, 0
    for number in range(250):
        try:
            plugin.arb_list_instances(processes[number % 3].context(), ListQuery())
        except RateLimited as error:
            waited += 1
            cloud.advance(error.retry_after_s)
    calls = cloud.ledger().calls
    assert {call.status for call in calls} == {200}
    assert len(calls) > 240
    first = calls[0].at
    assert sum(call.at < first + 900 for call in calls) <= 100


def test_one_who_waits_for_a_machine_may_look_every_ten_seconds_for_ten_minutes(processes):
    (account, *_), begun = processes, processes[0].cloud.clock.now()
    for _ in range(60):
        plugin.arb_list_instances(account.context(), ListQuery())
        account.cloud.advance(10)
    assert account.cloud.clock.now() - begun < 615
