from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from arb.state import events
from arb.types import Event

if TYPE_CHECKING:
    from arb.state.store import Store
    from arb.testing import FakeClock


def add(store: Store, kind: str, cluster: str = "") -> None:
    with store.write() as tx:
        events.append(tx, kind, cluster=cluster)


def test_an_event_is_read_as_plugins_see_it(store: Store, clock: FakeClock) -> None:
    with store.write() as tx:
        events.append(
            tx, "tried", cluster="train", attempt="a", instance="aws/i", data={"b": 1, "a": "x"}
        )

    assert events.read_events(store) == [
        Event(1, clock.now(), "tried", "train", "a", "aws/i", '{"a": "x", "b": 1}')
    ]


def test_events_are_read_on_from_the_last_one_seen(store: Store) -> None:
    for kind in ("one", "two", "three"):
        add(store, kind)
    seen = events.read_events(store, limit=2)

    rest = events.read_events(store, after=seen[-1].id)
    assert [event.kind for event in rest] == ["three"]
    assert events.last_id(store) == rest[0].id


def test_an_empty_log_has_id_0(store: Store) -> None:
    assert events.last_id(store) == 0
    assert events.read_events(store) == []


def test_events_are_chosen_by_cluster_and_kind(store: Store) -> None:
    add(store, "one", "a")
    add(store, "two", "a")
    add(store, "one", "b")

    chosen = events.read_events(store, cluster="a", kinds=("one", "three"))
    assert [(event.kind, event.cluster) for event in chosen] == [("one", "a")]
    assert len(events.read_events(store, kinds=("one",))) == 2


def test_events_of_an_undone_transaction_never_were(store: Store) -> None:
    with pytest.raises(ValueError, match="no"), store.write() as tx:  # noqa: PT012 - a transaction
        events.append(tx, "one")
        raise ValueError("no")

    assert events.read_events(store) == []


def test_events_need_a_transaction_that_keeps_their_order(store: Store) -> None:
    with pytest.raises(RuntimeError, match="exclusive"), store.write(exclusive=False) as tx:
        events.append(tx, "one")
