"""Which of the machines under an order's tokens are taken for it."""

from __future__ import annotations

import pytest
from support.fakecloud import offer

from arb.provision.order import one_each
from arb.types import Instance, InstanceState, NodeSetup, ProvisionRequest

GONE, RUNNING = InstanceState.GONE, InstanceState.RUNNING


def request(*tokens, count=1):
    setups = tuple(NodeSetup(token=token, rank=None, authorized_key="") for token in tokens)
    return ProvisionRequest("train", "t", offer("a"), count, setups)


def machine(id_, made_at, state=RUNNING, token="t"):
    return Instance("fake", id_, "r1", state, token=token, made_at=made_at)


@pytest.mark.parametrize(
    ("machines", "kept", "rest"),
    [
        ([machine("new", 2), machine("old", 1)], ["old"], ["new"]),
        ([machine("gone", 1, GONE), machine("alive", 2)], ["alive"], ["gone"]),
        ([machine("gone", 1, GONE)], ["gone"], []),
        ([machine("old", 1), machine("unnamed", 2, token="")], ["old", "unnamed"], []),
    ],
    ids=["the older", "the living", "the last", "the provider's own"],
)
def test_of_machines_under_one_token_one_is_taken(machines, kept, rest):
    taken, left = one_each(request("t"), machines)
    assert sorted(each.id for each in taken) == sorted(kept)
    assert [each.id for each in left] == rest


def test_of_a_batch_under_one_token_as_many_as_were_ordered_are_taken_the_oldest_first():
    taken, left = one_each(request("t", count=2), [machine(f"i{n}", -n) for n in range(3)])
    assert [each.id for each in taken] == ["i2", "i1"]
    assert [each.id for each in left] == ["i0"]
