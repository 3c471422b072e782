from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from arb.errors import CapacityError, QuotaError, Refusal, Scope
from arb.state.blocks import Blocks, active_blocks, add_block, forget_blocks
from arb.types import Offer

if TYPE_CHECKING:
    from arb.state.store import Store
    from arb.testing import FakeClock

OFFER = Offer(
    provider="aws", offer_id="o1", region="us", zone="us-a", instance_type="p5", accelerator="H100",
    accelerator_count=8, price_usd_hour=30.0, quota_family="P",
)  # fmt: skip


def block(store: Store, refusal: Refusal, offer: Offer = OFFER, seconds: float = 600) -> Blocks:
    with store.write() as tx:
        add_block(tx, offer, refusal, seconds=seconds)
        return Blocks(active_blocks(tx, tx.now))


@pytest.mark.parametrize(
    ("scope", "changes", "is_covered"),
    [
        (Scope.OFFER, {}, True),
        (Scope.OFFER, {"offer_id": "o2"}, False),
        (Scope.OFFER, {"spot": True}, False),
        (Scope.OFFER, {"price_usd_hour": 1.0}, True),
        (Scope.ZONE, {"offer_id": "o2"}, True),
        (Scope.ZONE, {"zone": "us-b"}, False),
        (Scope.ZONE, {"instance_type": "p4"}, False),
        (Scope.INSTANCE_TYPE, {"zone": "us-b"}, True),
        (Scope.INSTANCE_TYPE, {"region": "eu"}, False),
        (Scope.INSTANCE_TYPE, {"spot": True}, False),
        (Scope.REGION, {"instance_type": "p4", "zone": "us-b"}, True),
        (Scope.REGION, {"region": "eu"}, False),
        (Scope.REGION, {"spot": True}, False),
        (Scope.QUOTA_FAMILY, {"instance_type": "p4", "quota_family": "Q"}, True),
        (Scope.QUOTA_FAMILY, {"accelerator": "A100"}, False),
        (Scope.QUOTA_FAMILY, {"region": "eu"}, False),
        (Scope.QUOTA_FAMILY_EVERYWHERE, {"region": "eu", "quota_family": "Q"}, True),
        (Scope.QUOTA_FAMILY_EVERYWHERE, {"accelerator": "A100"}, False),
        (Scope.QUOTA_FAMILY_EVERYWHERE, {"spot": True}, False),
        (Scope.PROVIDER, {"region": "eu", "instance_type": "p4", "spot": True}, True),
        (Scope.PROVIDER, {"provider": "gcp"}, False),
    ],
)
def test_a_block_covers_what_its_scope_says(
    store: Store, scope: Scope, changes: dict[str, Any], is_covered: bool
) -> None:
    blocks = block(store, CapacityError("none left", scope=scope))

    found = blocks.covering(replace(OFFER, **changes))
    assert (found is not None) is is_covered


@pytest.mark.parametrize(
    ("changes", "is_covered"),
    [
        ({"instance_type": "p4", "accelerator": "A100"}, True),
        ({"quota_family": "G"}, False),
        ({"quota_family": "G P"}, True),
        ({"quota_family": ""}, False),
        ({"spot": True}, False),
    ],
)
def test_a_named_quota_family_covers_its_members(
    store: Store, changes: dict[str, Any], is_covered: bool
) -> None:
    blocks = block(store, QuotaError("no quota", scope=Scope.QUOTA_FAMILY, family="P"))

    assert (blocks.covering(replace(OFFER, **changes)) is not None) is is_covered


@pytest.mark.parametrize(("nodes", "is_covered"), [(1, False), (3, False), (4, True), (5, True)])
def test_a_refusal_counts_for_as_many_machines_and_more(
    store: Store, nodes: int, is_covered: bool
) -> None:
    with store.write() as tx:
        none = CapacityError("no room for 4", scope=Scope.ZONE)
        blocks = Blocks([add_block(tx, OFFER, none, seconds=600, nodes=4)])

    assert (blocks.covering(OFFER, nodes) is not None) is is_covered


def test_what_is_said_of_a_whole_provider_counts_for_every_order(store: Store) -> None:
    with store.write() as tx:
        busy = Refusal("too many requests", scope=Scope.PROVIDER)
        blocks = Blocks([add_block(tx, OFFER, busy, seconds=600, nodes=4)])

    assert blocks.covering(OFFER, 1) is not None


@pytest.mark.parametrize(
    ("changes", "nodes", "is_covered"),
    [
        ({}, 1, False),
        ({}, 2, True),
        ({"accelerator_count": 4}, 2, False),
        ({"accelerator_count": 4}, 4, True),
        ({"accelerator_count": 4, "vcpus": 48}, 3, False),
        ({"accelerator_count": 16, "vcpus": 400}, 2, True),
        ({"accelerator_count": 8, "vcpus": 0}, 2, True),  # not known: of its accelerators alone
    ],
)
def test_a_quota_refusal_counts_for_orders_that_take_as_much(
    store: Store, changes: dict[str, Any], nodes: int, is_covered: bool
) -> None:
    refused = replace(OFFER, vcpus=192)
    with store.write() as tx:
        no = QuotaError("no quota", scope=Scope.QUOTA_FAMILY, family="P")
        blocks = Blocks([add_block(tx, refused, no, seconds=600, nodes=2)])

    assert (blocks.covering(replace(refused, **changes), nodes) is not None) is is_covered


def test_of_refusals_that_reach_as_far_the_one_that_lasts_longest_is_told(store: Store) -> None:
    no = CapacityError("none", scope=Scope.ZONE)
    with store.write() as tx:
        short = add_block(tx, OFFER, no, seconds=60, nodes=1)
        long = add_block(tx, OFFER, no, seconds=600, nodes=2)
        shorter = add_block(tx, OFFER, no, seconds=30, nodes=3)

    assert Blocks([short, long, shorter]).covering(OFFER, 3) == long


def test_a_longer_refusal_of_more_and_a_shorter_one_of_less_both_count(
    store: Store, clock: FakeClock
) -> None:
    no = CapacityError("none", scope=Scope.ZONE)
    with store.write() as tx:
        add_block(tx, OFFER, no, seconds=600, nodes=4)
        add_block(tx, OFFER, no, seconds=60, nodes=1)
    now = clock.now()

    both = Blocks(active_blocks(store, now))
    found = [both.covering(OFFER, nodes) for nodes in (1, 4)]
    assert [block and block.until - now for block in found] == [60, 600]
    later = Blocks(active_blocks(store, now + 60))
    assert [later.covering(OFFER, nodes) is None for nodes in (1, 4)] == [True, False]


def test_a_block_tells_why(store: Store, clock: FakeClock) -> None:
    blocks = block(store, CapacityError("none left", scope=Scope.ZONE, code="stock"), seconds=60)

    found = blocks.covering(OFFER)
    assert found is not None
    assert (found.reason, found.code, found.scope) == ("none left", "stock", Scope.ZONE)
    assert (found.made_at, found.until) == (clock.now(), clock.now() + 60)


def test_the_widest_block_is_named(store: Store) -> None:
    block(store, CapacityError("offer", scope=Scope.OFFER))
    blocks = block(store, CapacityError("region", scope=Scope.REGION))

    found = blocks.covering(OFFER)
    assert found is not None
    assert found.reason == "region"


def test_blocks_expire(store: Store, clock: FakeClock) -> None:
    block(store, CapacityError("none", scope=Scope.ZONE), seconds=60)
    clock.advance(60)

    assert active_blocks(store, store.now()) == []
    block(store, CapacityError("none", scope=Scope.OFFER), seconds=60)
    assert len(store.read("SELECT * FROM blocks")) == 1  # what expired is swept


def test_a_shorter_refusal_does_not_end_a_longer_one(store: Store, clock: FakeClock) -> None:
    block(store, CapacityError("first", scope=Scope.ZONE), seconds=600)
    blocks = block(store, CapacityError("second", scope=Scope.ZONE), seconds=10)

    found = blocks.covering(OFFER)
    assert found is not None
    assert (found.until, found.reason) == (clock.now() + 600, "second")
    assert len(blocks) == 1


def test_blocks_are_forgotten_when_the_user_acts(store: Store) -> None:
    block(store, CapacityError("none", scope=Scope.ZONE))
    block(store, CapacityError("none", scope=Scope.ZONE), replace(OFFER, provider="gcp"))

    with store.write() as tx:
        assert forget_blocks(tx, provider="aws") == 1
        assert [b.provider for b in active_blocks(tx, tx.now)] == ["gcp"]
        assert forget_blocks(tx) == 1


def test_no_blocks_cover_nothing() -> None:
    assert Blocks([]).covering(OFFER) is None


@pytest.mark.parametrize("scope", list(Scope))
def test_every_scope_covers_the_offer_that_was_refused(store: Store, scope: Scope) -> None:
    blocks = block(store, Refusal("no", scope=scope, family="P"))

    assert blocks.covering(OFFER) is not None
