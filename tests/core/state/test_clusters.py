from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.processes import race

from arb.state import events
from arb.state.clusters import (
    ClusterRecord,
    ClusterStatus,
    get_by_id,
    get_cluster,
    insert_cluster,
    list_clusters,
    update_cluster,
)
from arb.state.rows import insert_row
from arb.state.store import Conflict, open_store
from arb.types.tokens import new_id

if TYPE_CHECKING:
    from arb.state.store import Store
    from arb.testing import FakeClock


def add(store: Store, name: str = "train", status: ClusterStatus = ClusterStatus.INIT) -> str:
    with store.write() as tx:
        record = ClusterRecord(new_id(), name, status, tx.now, 2, task_json='{"run": "x"}')
        insert_cluster(tx, record)
    return record.id


def test_a_cluster_comes_back_as_it_was_written(store: Store) -> None:
    record = ClusterRecord(
        new_id(), "train", ClusterStatus.UP, 12.5, 2, "aws", "us-east-1", "{}", "{}", "{}", 13.0,
        None, "all fine",
    )  # fmt: skip
    with store.write() as tx:
        insert_cluster(tx, record)

    assert get_cluster(store, "train") == record
    assert get_by_id(store, record.id) == record


def test_an_unknown_cluster_is_none(store: Store) -> None:
    assert get_cluster(store, "nobody") is None
    assert get_by_id(store, "nobody") is None
    with store.write() as tx:
        assert update_cluster(tx, "nobody", detail="x") is None


def test_a_live_name_is_taken(store: Store) -> None:
    add(store)

    with pytest.raises(Conflict) as caught:
        add(store)
    assert caught.value.code == "cluster-exists"
    assert "'train'" in caught.value.summary
    assert len(list_clusters(store)) == 1


def test_the_database_itself_refuses_a_second_live_cluster(store: Store) -> None:
    add(store)
    row = {
        "id": "other", "name": "train", "status": "init", "created_at": 0, "num_nodes": 1,
        "provider": "", "region": "", "task_json": "", "offer_json": "", "autostop_json": "",
        "detail": "",
    }  # fmt: skip

    with pytest.raises(Conflict), store.write() as tx:
        insert_row(tx, "clusters", row)
    with store.write() as tx:
        insert_row(tx, "clusters", {**row, "status": "gone"})


def test_a_name_is_free_again_when_its_cluster_is_gone(store: Store, clock: FakeClock) -> None:
    first = add(store)
    with store.write() as tx:
        update_cluster(tx, first, status=ClusterStatus.GONE)
    clock.advance(1)
    second = add(store)

    live = get_cluster(store, "train")
    assert live is not None
    assert live.id == second != first
    everything = list_clusters(store, include_gone=True, name="train")
    assert [record.id for record in everything] == [first, second]


def test_the_end_of_a_cluster_is_dated(store: Store, clock: FakeClock) -> None:
    cluster_id = add(store)
    clock.advance(100)

    with store.write() as tx:
        after = update_cluster(tx, cluster_id, status=ClusterStatus.GONE, detail="by user")

    assert after is not None
    assert (after.gone_at, after.detail) == (clock.now(), "by user")


def test_clusters_are_listed_by_name(store: Store) -> None:
    for name in ("b", "c", "a"):
        add(store, name)

    assert [record.name for record in list_clusters(store)] == ["a", "b", "c"]
    assert [record.name for record in list_clusters(store, name="c")] == ["c"]


def test_only_changes_of_status_are_events(store: Store) -> None:
    cluster_id = add(store)
    with store.write() as tx:
        update_cluster(tx, cluster_id, detail="booting", provider="aws")
        update_cluster(tx, cluster_id, status=ClusterStatus.UP, ready_at=tx.now)
        update_cluster(tx, cluster_id, status=ClusterStatus.UP)

    log = events.read_events(store, cluster="train")
    assert [event.kind for event in log] == ["cluster-created", "cluster-status"]
    assert '"from": "init"' in log[1].data
    assert '"to": "up"' in log[1].data


LAUNCH = """
import sys
from arb.state.store import Conflict, open_store
from arb.state.clusters import ClusterRecord, ClusterStatus, insert_cluster
from arb.types.tokens import new_id
store = open_store(sys.argv[1])
print("ready", flush=True)
sys.stdin.readline()
try:
    with store.write() as tx:
        insert_cluster(tx, ClusterRecord(new_id(), "train", ClusterStatus.INIT, tx.now, 1))
    print("won")
except Conflict as error:
    print(error.code)
"""


def test_of_processes_that_race_for_a_name_exactly_one_wins(url: str) -> None:
    open_store(url).close()

    outputs = race(LAUNCH, [[url]] * 4)

    assert sorted(outputs) == ["cluster-exists"] * 3 + ["won"]
    with open_store(url) as store:
        assert len(list_clusters(store)) == 1
