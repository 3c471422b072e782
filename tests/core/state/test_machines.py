from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from arb.state import events
from arb.state.clusters import ClusterRecord, ClusterStatus, insert_cluster
from arb.state.machines import (
    Machine,
    get_machine,
    machines_of_cluster,
    machines_with_token,
    open_machines,
    record_machine,
    report_billed,
    update_machine,
)
from arb.types import GoneReason, InstanceState

if TYPE_CHECKING:
    from arb.state.store import Store
    from arb.testing import FakeClock

CLUSTER = "cccccccc"
MACHINE = Machine(
    provider="aws", instance_id="i-1", token="arb-o-c-000-0000", attempt_id="arb-o-c-000",
    cluster_id=CLUSTER, rank=0, region="us-east-1", state=InstanceState.PENDING, made_at=100.0,
    price_usd_hour=2.5, zone="us-east-1a", instance_type="p5", address="1.2.3.4",
    private_address="10.0.0.1", ssh_host="1.2.3.4", ssh_port=22, ssh_user="ubuntu",
    host_key="ssh-ed25519 AAAA", minimum_s=60.0, spot=True, handle="{}", detail="booting",
)  # fmt: skip


def add(store: Store, **changes: Any) -> Machine:
    machine = replace(MACHINE, **changes)
    with store.write() as tx:
        assert record_machine(tx, machine)
    return machine


def kinds(store: Store) -> list[str]:
    return [event.kind for event in events.read_events(store) if event.instance]


def change(store: Store, **changes: Any) -> Machine:
    with store.write() as tx:
        after = update_machine(tx, "aws", "i-1", **changes)
    assert after is not None
    return after


def test_a_machine_comes_back_as_it_was_written(store: Store) -> None:
    add(store)

    assert get_machine(store, "aws", "i-1") == MACHINE
    assert get_machine(store, "gcp", "i-1") is None


def test_a_machine_seen_again_changes_nothing(store: Store) -> None:
    add(store)

    with store.write() as tx:
        assert not record_machine(tx, replace(MACHINE, price_usd_hour=9.0, rank=3))

    assert get_machine(store, "aws", "i-1") == MACHINE
    assert kinds(store) == ["machine-made"]


def test_a_machine_is_open_until_the_provider_says_gone(store: Store, clock: FakeClock) -> None:
    add(store)
    for state in InstanceState:
        after = change(store, state=state)
        assert open_machines(store) == ([] if state is InstanceState.GONE else [after])
    assert after.gone_at == clock.now()


def test_the_providers_own_time_of_the_end_counts(store: Store) -> None:
    add(store)

    after = change(store, state=InstanceState.GONE, reason=GoneReason.PREEMPTED, gone_at=123.0)

    assert (after.gone_at, after.reason) == (123.0, GoneReason.PREEMPTED)
    data = json.loads(events.read_events(store)[-1].data)
    assert data == {"detail": "booting", "gone_at": 123.0, "reason": "preempted"}


def test_machines_are_found_by_cluster_provider_and_token(store: Store) -> None:
    second = add(store, instance_id="i-2", rank=1, token="t1")
    first = add(store)
    other = add(store, provider="gcp", cluster_id="dddddddd", token="t2", made_at=50.0)
    gone = add(store, instance_id="i-0", state=InstanceState.GONE, gone_at=1.0, token="t1")

    assert machines_of_cluster(store, CLUSTER) == [first, second]
    assert machines_of_cluster(store, CLUSTER, include_gone=True) == [gone, first, second]
    assert open_machines(store) == [other, first, second]
    assert open_machines(store, provider="gcp") == [other]
    assert machines_with_token(store, "t1") == [gone, second]


def test_polling_that_finds_nothing_new_is_no_event(store: Store) -> None:
    add(store)

    change(store, state=InstanceState.PENDING, detail="still booting", address="1.2.3.4")

    assert kinds(store) == ["machine-made"]


def test_what_the_bill_depends_on_is_an_event(store: Store) -> None:
    add(store)
    change(store, state=InstanceState.RUNNING)
    change(store, made_at=90.0)
    change(store, state=InstanceState.STOPPING)
    change(store, state=InstanceState.STOPPED)
    change(store, state=InstanceState.PENDING)
    change(store, state=InstanceState.GONE)
    change(store, gone_at=1.0)
    with store.write() as tx:
        report_billed(tx, MACHINE, 0.5)

    assert kinds(store) == [
        "machine-made", "machine-state", "machine-made", "machine-state", "machine-stopped",
        "machine-started", "machine-gone", "machine-gone", "machine-billed",
    ]  # fmt: skip


def test_a_machine_that_comes_back_is_not_gone(store: Store) -> None:
    add(store)
    change(store, state=InstanceState.GONE)

    after = change(store, state=InstanceState.RUNNING)

    assert after.gone_at is None
    assert kinds(store)[-1] == "machine-started"


def test_a_wanted_end_is_kept_until_it_is_confirmed(store: Store) -> None:
    add(store)

    after = change(store, terminate_after=500.0, terminate_detail="minimum run time")

    assert (after.terminate_after, after.terminate_detail) == (500.0, "minimum run time")
    assert after.state is InstanceState.PENDING


def test_an_unknown_machine_is_none(store: Store) -> None:
    with store.write() as tx:
        assert update_machine(tx, "aws", "nobody", detail="x") is None


def test_events_carry_the_name_of_the_cluster(store: Store) -> None:
    with store.write() as tx:
        insert_cluster(tx, ClusterRecord(CLUSTER, "train", ClusterStatus.INIT, tx.now, 1))
    add(store)

    event = events.read_events(store)[-1]
    assert (event.cluster, event.attempt, event.instance) == ("train", "arb-o-c-000", "aws/i-1")
