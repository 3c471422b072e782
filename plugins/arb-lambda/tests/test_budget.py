"""The shared budgets keep any number of processes within Lambda's limits."""

from __future__ import annotations

import pytest
from clouds.lambda_cloud.customer import Customer

from arb.state.budgets import StoreRateLimiter
from arb.state.store import open_store
from arb_lambda import plugin

LAUNCH = "POST /instance-operations/launch"


@pytest.fixture
def processes(paper_lambda, tmp_path):
    """Three processes of one home: what they share is the state store."""
    url = f"sqlite:///{tmp_path / 'state.db'}"
    stores = [open_store(url, clock=paper_lambda.clock) for _ in range(3)]
    rates = plugin.arb_provider_info().rate_budgets
    yield [
        Customer(paper_lambda, tmp_path / "mine", budgets=StoreRateLimiter(store, "lambda", rates))
        for store in stores
    ]
    for store in stores:
        store.close()


def test_launches_of_all_processes_are_a_queue_and_not_failures(processes):
    cloud, begun = processes[0].cloud, processes[0].cloud.clock.now()
    for number in range(6):
        buyer = processes[number % 3]
        buyer._sequence = number
        buyer.buy()
    assert {call.status for call in cloud.ledger().calls} == {200}
    assert len(cloud.ledger().alive("machine")) == 6
    assert 60 <= cloud.clock.now() - begun < 75


def test_listings_of_all_processes_are_one_a_second(processes):
    cloud = processes[0].cloud
    begun = cloud.clock.now()
    for number in range(30):
        processes[number % 3].list()
    calls = cloud.ledger().calls
    assert {call.status for call in calls} == {200}
    assert len(calls) - 1 <= cloud.clock.now() - begun < len(calls) + 5


def test_giving_back_thirty_machines_takes_a_minute(processes):
    cloud, (account, *_) = processes[0].cloud, processes
    cloud.configure(launch_every_s=0, calls_per_s=0)
    account.budget_s = 1000
    machines = [i for _ in range(3) for i in account.buy(10).instances]
    cloud.configure(calls_per_s=1)
    begun = cloud.clock.now()
    left = list(machines)
    for machine in left:
        assert account.terminate(machine, account="").gone
    assert cloud.ledger().alive("machine") == []
    assert 2 * len(machines) - 2 <= cloud.clock.now() - begun < 3 * len(machines) + 5
