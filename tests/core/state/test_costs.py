from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arb.state.attempts import Attempt, AttemptState, insert_attempt, update_attempt
from arb.state.clusters import ClusterRecord, ClusterStatus, insert_cluster, update_cluster
from arb.state.costs import CostRow, _paid_s, read_costs, totals
from arb.state.machines import Machine, record_machine, report_billed, update_machine
from arb.types import InstanceState

if TYPE_CHECKING:
    from arb.state.store import Store
    from arb.testing import FakeClock

HOUR = 3600.0


def launch(store: Store, name: str = "train", cluster_id: str = "cccccccc") -> None:
    with store.write() as tx:
        insert_cluster(tx, ClusterRecord(cluster_id, name, ClusterStatus.INIT, tx.now, 1))


def buy(store: Store, instance_id: str, price: float = 2.0, **changes: Any) -> Machine:
    machine = Machine(
        "aws", instance_id, "t", "attempt-0", "cccccccc", 0, "us", InstanceState.RUNNING,
        store.now(), price,
    )  # fmt: skip
    machine = replace(machine, **changes)
    with store.write() as tx:
        record_machine(tx, machine)
    return machine


def set_state(store: Store, machine: Machine, state: InstanceState, **changes: Any) -> None:
    with store.write() as tx:
        update_machine(tx, machine.provider, machine.instance_id, state=state, **changes)


def row(store: Store, instance_id: str, **query: Any) -> CostRow:
    return next(r for r in read_costs(store, **query) if r.instance_id == instance_id)


def test_a_running_machine_costs_until_now(store: Store, clock: FakeClock) -> None:
    buy(store, "i-1", price=2.0)
    clock.advance(1.5 * HOUR)

    cost = row(store, "i-1")
    assert cost.usd == pytest.approx(3.0)
    assert (cost.seconds, cost.running) == (5400.0, True)
    assert cost.ended_at is None


def test_a_machine_that_is_gone_costs_no_more(store: Store, clock: FakeClock) -> None:
    machine = buy(store, "i-1", price=2.0)
    clock.advance(HOUR)
    set_state(store, machine, InstanceState.TERMINATING)
    clock.advance(600)  # it is billed until the provider says that it is gone
    set_state(store, machine, InstanceState.GONE)
    clock.advance(100 * HOUR)

    cost = row(store, "i-1")
    assert cost.usd == pytest.approx(2.0 * 4200 / 3600)
    assert not cost.running


def test_billing_begins_when_the_provider_made_it(store: Store, clock: FakeClock) -> None:
    clock.advance(HOUR)
    buy(store, "i-1", price=6.0, made_at=clock.now() - 600)  # a lost answer, found later

    assert row(store, "i-1").usd == pytest.approx(1.0)


def test_a_corrected_time_or_price_replaces_the_first(store: Store, clock: FakeClock) -> None:
    buy(store, "i-1", price=6.0)
    made_at = clock.now() - 600
    with store.write() as tx:
        update_machine(tx, "aws", "i-1", made_at=made_at, price_usd_hour=3.0)

    assert row(store, "i-1").usd == pytest.approx(0.5)


def test_the_billing_floor_counts(store: Store, clock: FakeClock) -> None:
    machine = buy(store, "i-1", price=3.0, minimum_s=1200.0)
    clock.advance(60)
    set_state(store, machine, InstanceState.GONE)

    assert row(store, "i-1").usd == pytest.approx(1.0)


def test_a_stopped_machine_costs_nothing_until_it_starts(store: Store, clock: FakeClock) -> None:
    machine = buy(store, "i-1", price=2.0)
    clock.advance(HOUR)
    set_state(store, machine, InstanceState.STOPPED)
    clock.advance(10 * HOUR)
    assert not row(store, "i-1").running
    set_state(store, machine, InstanceState.RUNNING)
    clock.advance(HOUR)

    assert row(store, "i-1").seconds == 2 * HOUR


def test_each_start_pays_the_floor(store: Store, clock: FakeClock) -> None:
    machine = buy(store, "i-1", price=3600.0, minimum_s=60.0)
    clock.advance(10)
    set_state(store, machine, InstanceState.STOPPED)
    clock.advance(1000)
    set_state(store, machine, InstanceState.RUNNING)
    clock.advance(100)
    set_state(store, machine, InstanceState.GONE)

    assert row(store, "i-1").usd == pytest.approx(160.0)


def test_an_end_while_stopped_costs_nothing_more(store: Store, clock: FakeClock) -> None:
    machine = buy(store, "i-1")
    clock.advance(HOUR)
    set_state(store, machine, InstanceState.STOPPED)
    clock.advance(HOUR)
    set_state(store, machine, InstanceState.GONE)

    assert row(store, "i-1").seconds == HOUR


def test_a_machine_wrongly_called_gone_was_paid_for_all_along(
    store: Store, clock: FakeClock
) -> None:
    machine = buy(store, "i-1")
    clock.advance(HOUR)
    set_state(store, machine, InstanceState.GONE)
    clock.advance(HOUR)
    set_state(store, machine, InstanceState.RUNNING)
    clock.advance(HOUR)

    cost = row(store, "i-1")
    assert (cost.seconds, cost.running, cost.ended_at) == (3 * HOUR, True, None)


def test_a_corrected_end_replaces_the_first(store: Store, clock: FakeClock) -> None:
    machine = buy(store, "i-1")
    begin = clock.now()
    clock.advance(HOUR)
    set_state(store, machine, InstanceState.GONE)
    set_state(store, machine, InstanceState.GONE, gone_at=begin + 1800)

    assert row(store, "i-1").seconds == 1800


def test_since_counts_only_what_was_paid_later(store: Store, clock: FakeClock) -> None:
    old = buy(store, "old", price=1.0)
    clock.advance(HOUR)
    set_state(store, old, InstanceState.GONE)
    buy(store, "both", price=1.0)
    clock.advance(HOUR)
    since = clock.now()
    clock.advance(HOUR)
    buy(store, "new", price=1.0)
    clock.advance(HOUR)

    costs = read_costs(store, since=since)
    assert {cost.instance_id: cost.usd for cost in costs} == {
        "both": pytest.approx(2.0),
        "new": pytest.approx(1.0),
    }


def test_the_bill_of_a_launch_with_a_failed_attempt_and_a_relaunch(
    store: Store, clock: FakeClock
) -> None:
    launch(store)
    with store.write() as tx:
        for seq in range(2):
            attempt = Attempt(
                f"attempt-{seq}", "cccccccc", seq, "aws", "{}", 1, "{}", "", 6.0, tx.now
            )
            insert_attempt(tx, attempt)
    failed = buy(store, "made-of-a-broken-gang", price=6.0)
    clock.advance(600)
    set_state(store, failed, InstanceState.GONE)
    with store.write() as tx:
        update_attempt(tx, "attempt-0", state=AttemptState.CLOSED)
        update_attempt(tx, "attempt-1", state=AttemptState.READY)
    good = [buy(store, f"good-{n}", 10.0, attempt_id="attempt-1", rank=n) for n in range(2)]
    clock.advance(HOUR)
    for machine in good:
        set_state(store, machine, InstanceState.GONE)
    with store.write() as tx:
        update_cluster(tx, "cccccccc", status=ClusterStatus.GONE)
    launch(store, cluster_id="dddddddd")
    buy(store, "again", price=4.0, cluster_id="dddddddd", attempt_id="attempt-2")
    clock.advance(900)

    costs = read_costs(store, cluster="train")
    assert [(cost.instance_id, cost.attempt_state) for cost in costs] == [
        ("made-of-a-broken-gang", "closed"), ("good-0", "ready"), ("good-1", "ready"),
        ("again", "intent"),
    ]  # fmt: skip
    first, second = totals(costs)
    assert (first.cluster, first.cluster_id, first.machines) == ("train", "cccccccc", 3)
    assert first.usd == pytest.approx(1.0 + 20.0)
    assert (first.hourly_usd, first.running, first.seconds) == (0, False, 600 + 2 * HOUR)
    assert second.usd == pytest.approx(1.0)
    assert (second.hourly_usd, second.running) == (4.0, True)


def test_other_clusters_are_left_out(store: Store, clock: FakeClock) -> None:
    launch(store)
    buy(store, "i-1")
    launch(store, "other", "dddddddd")
    buy(store, "i-2", cluster_id="dddddddd")

    assert [cost.instance_id for cost in read_costs(store, cluster="other")] == ["i-2"]
    assert [total.cluster for total in totals(read_costs(store))] == ["other", "train"]


def test_the_providers_own_total_stands_beside_ours(store: Store, clock: FakeClock) -> None:
    first, second = buy(store, "i-1", price=1.0), buy(store, "i-2", price=1.0)
    clock.advance(HOUR)
    with store.write() as tx:
        report_billed(tx, first, 0.5)
        report_billed(tx, first, 0.9)
    assert [cost.billed_usd for cost in read_costs(store)] == [0.9, None]
    assert totals(read_costs(store))[0].billed_usd is None

    with store.write() as tx:
        report_billed(tx, second, 1.2)
    total = totals(read_costs(store))[0]
    assert total.billed_usd == pytest.approx(2.1)
    assert total.usd == pytest.approx(2.0)


def test_nothing_bought_costs_nothing(store: Store) -> None:
    assert read_costs(store) == []
    assert totals([]) == []


@given(st.floats(0, 1e6), st.floats(0, 1e6), st.floats(0, 1e6), st.lists(st.floats(0, 2e6)))
def test_the_parts_of_any_division_of_time_sum_up_to_the_whole(
    begin: float, length: float, minimum_s: float, cuts: list[float]
) -> None:
    end = begin + length
    now = 4e6
    edges = [0.0, *sorted(cuts), 4e6]
    since = [_paid_s(begin, end, minimum_s, now, edge) for edge in edges]

    assert since == sorted(since, reverse=True)
    assert since[0] == pytest.approx(max(length, minimum_s), abs=1e-6)
    assert since[-1] == 0
    assert sum(a - b for a, b in pairwise(since)) == pytest.approx(since[0], abs=1e-6)
