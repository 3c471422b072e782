"""Machines that live on are cleared before they are given back."""

from __future__ import annotations

import pytest
from support.fakecloud import offer

from arb.errors import HostKeyError, NodeError, NodeUnreachable
from arb.provision.giveback import end_cluster, finish
from arb.provision.resume import resume
from arb.state.machines import update_machine
from arb.types import Capability, ProviderInfo, SshEndpoint

HOST_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAbc"
LIVES_ON = frozenset({Capability.ON_DEMAND, Capability.OWNED, Capability.LIVES_ON})


class Cleared:
    """Stands for the nodes: says what was cleared, and fails as it is told."""

    def __init__(self, world):
        self.world = world
        self.nodes = []
        self.ended_before = []
        self.errors = []
        self.says = []

    def __call__(self, node):
        self.nodes.append(node)
        self.ended_before.append(len(self.world.cloud.called("terminate")))
        if self.errors:
            raise self.errors.pop(0)
        return self.says


@pytest.fixture
def cleared(world, monkeypatch):
    world.cloud.info = ProviderInfo("Fake", LIVES_ON)
    world.cloud.on_ssh_ports = [lambda i: SshEndpoint(i.address or "?", 2222, "me", HOST_KEY)]
    made = Cleared(world)
    monkeypatch.setattr("arb.nodes.removal.remove_agent", made)
    return made


def test_a_machine_is_cleared_before_it_is_given_back(world, cleared):
    record = world.cluster()
    world.buy(record, offer())
    assert finish(world.shop, record.id) == []
    (node,) = cleared.nodes
    assert (node.endpoint.host, node.endpoint.port, node.endpoint.user) == ("10.0.0.1", 2222, "me")
    assert (node.host_key, node.pinned_on_first_use) == (HOST_KEY, False)
    assert cleared.ended_before == [0]
    assert world.cloud.alive() == []


def test_machines_that_vanish_are_not_cleared(world, cleared):
    world.cloud.info = ProviderInfo("Fake", LIVES_ON - {Capability.LIVES_ON})
    record = world.cluster()
    world.buy(record, offer())
    assert finish(world.shop, record.id) == []
    assert cleared.nodes == []


def test_what_is_left_on_purpose_is_told(world, cleared):
    cleared.says = ["/home/me/sky_workdir was there before and is left"]
    record = world.cluster()
    world.buy(record, offer())
    finish(world.shop, record.id)
    assert world.told.warnings == ["fake/i-1: /home/me/sky_workdir was there before and is left"]


@pytest.mark.parametrize(
    "error",
    [
        NodeUnreachable("it is silent", code="unreachable"),
        NodeError("a job does not end", code="not-removed"),
        HostKeyError("another key", code="host-key-changed"),
    ],
    ids=lambda error: error.code,
)
def test_one_that_cannot_be_cleared_is_kept_and_nobody_waits_for_it(world, cleared, error):
    cleared.errors = [error]
    record = world.cluster()
    world.buy(record, offer())
    before = world.clock.now()
    (left,) = finish(world.shop, record.id)
    assert world.clock.now() == before
    assert left.terminate_detail == error.summary
    assert world.cloud.called("terminate") == []
    world.clock.advance(61)
    resume(world.shop)
    assert world.cloud.alive() == []


def test_on_one_that_never_let_us_in_there_is_nothing_to_clear(world, cleared):
    cleared.errors = [NodeError("no", code="login-refused")]
    record = world.cluster()
    world.buy(record, offer())
    assert finish(world.shop, record.id) == []
    assert world.cloud.alive() == []


def test_one_that_let_us_in_before_and_does_not_now_is_kept(world, cleared):
    """Another machine may have its address, and our jobs may go on elsewhere."""
    cleared.errors = [NodeError("it refused the key", code="login-refused")]
    record = world.cluster()
    world.buy(record, offer())
    with world.store.write() as tx:
        update_machine(tx, "fake", "i-1", host_key_seen=True)
    (left,) = finish(world.shop, record.id)
    assert left.terminate_detail == "it refused the key"
    assert world.cloud.called("terminate") == []


def test_a_machine_that_came_up_for_nothing_is_cleared_too(world, cleared):
    record = world.cluster()

    def fail(_purchase):
        raise NodeError("no Python", code="no-python")

    with pytest.raises(Exception, match="no Python"):
        world.buy(record, offer(), bring_up=fail)
    assert len(cleared.nodes) == 1
    assert world.cloud.alive() == []


def test_one_machine_that_is_silent_does_not_keep_the_others(world, cleared):
    cleared.errors = [NodeUnreachable("it is silent", code="unreachable")]
    record = world.cluster(count=2)
    world.buy(record, offer())
    end_cluster(world.shop, record.id)
    assert len(finish(world.shop, record.id)) == 1
    assert len(world.cloud.alive()) == 1
