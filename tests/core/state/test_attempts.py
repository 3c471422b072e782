from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from arb.state import events
from arb.state.attempts import (
    Attempt,
    AttemptState,
    attempts_of_cluster,
    get_attempt,
    insert_attempt,
    next_seq,
    open_attempts,
    update_attempt,
)
from arb.state.clusters import ClusterRecord, ClusterStatus, insert_cluster
from arb.state.store import Conflict, open_store
from arb.types.tokens import attempt_token

if TYPE_CHECKING:
    from arb.state.store import Store
    from arb.testing import FakeClock

CLUSTER = "cccccccc"


def add(store: Store, cluster_id: str = CLUSTER) -> Attempt:
    with store.write() as tx:
        seq = next_seq(tx, cluster_id)
        token = attempt_token(store.owner(), cluster_id, seq)
        attempt = Attempt(
            token, cluster_id, seq, "aws", '{"offer": 1}', 2, '{"request": 1}', "abc", 1.25, tx.now
        )
        insert_attempt(tx, attempt)
    return attempt


@pytest.fixture(autouse=True)
def cluster(store: Store) -> None:
    with store.write() as tx:
        insert_cluster(tx, ClusterRecord(CLUSTER, "train", ClusterStatus.INIT, tx.now, 2))


def test_an_intent_is_on_disk_when_the_transaction_ends(store: Store, url: str) -> None:
    attempt = add(store)

    with open_store(url) as other:
        assert get_attempt(other, attempt.id) == attempt
    assert attempt.state is AttemptState.INTENT


def test_attempts_of_a_cluster_are_numbered(store: Store) -> None:
    made = [add(store) for _ in range(3)]
    add(store, "dddddddd")

    assert [attempt.seq for attempt in made] == [0, 1, 2]
    assert attempts_of_cluster(store, CLUSTER) == made


def test_a_number_is_used_once(store: Store) -> None:
    attempt = add(store)

    with pytest.raises(Conflict), store.write() as tx:
        insert_attempt(tx, replace(attempt, id="other"))


def test_an_unknown_attempt_is_none(store: Store) -> None:
    assert get_attempt(store, "nobody") is None
    with store.write() as tx:
        assert update_attempt(tx, "nobody", handle="x") is None


@pytest.mark.parametrize("state", list(AttemptState))
def test_an_attempt_is_open_until_nothing_of_it_can_exist(
    store: Store, clock: FakeClock, state: AttemptState
) -> None:
    attempt = add(store)
    clock.advance(10)
    with store.write() as tx:
        after = update_attempt(tx, attempt.id, state=state, handle="h", error_json="{}")

    assert after is not None
    ended = state in {AttemptState.FAILED, AttemptState.CLOSED}
    assert after.is_open is not ended
    assert after.closed_at == (clock.now() if ended else None)
    assert open_attempts(store) == ([] if ended else [after])
    assert open_attempts(store, cluster_id=CLUSTER) == ([] if ended else [after])
    assert open_attempts(store, cluster_id="dddddddd") == []


def test_every_change_of_state_is_an_event_under_the_name_of_the_cluster(store: Store) -> None:
    attempt = add(store)
    with store.write() as tx:
        update_attempt(tx, attempt.id, handle="h")
        update_attempt(tx, attempt.id, state=AttemptState.PLACED)
        update_attempt(tx, attempt.id, state=AttemptState.FAILED, error_json='{"code": "x"}')

    log = events.read_events(store, cluster="train")[1:]
    assert [event.kind for event in log] == ["attempt-opened", "attempt-state", "attempt-state"]
    assert {event.attempt for event in log} == {attempt.id}
    assert "price_usd_hour" in log[0].data
    assert '"to": "failed"' in log[2].data
    assert "code" in log[2].data
