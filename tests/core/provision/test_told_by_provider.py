"""What a provider knows of its machines beyond user data: host keys, and notes for the user."""

from __future__ import annotations

from dataclasses import replace

from support.fakecloud import offer

from arb.types import Capability, ProviderInfo, SshEndpoint

HOST_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAbc"


def without_user_data(world):
    world.cloud.info = ProviderInfo("Fake", frozenset({Capability.ON_DEMAND}))


def test_a_host_key_that_the_provider_knows_is_the_one_that_counts(world):
    without_user_data(world)
    world.cloud.on_ssh_ports = [lambda i: SshEndpoint(i.address, 22, "me", HOST_KEY)]
    world.buy(world.cluster(), offer())
    (machine,) = world.machines()
    assert machine.host_key == HOST_KEY


def test_without_one_the_key_of_the_first_connection_counts(world):
    without_user_data(world)
    world.buy(world.cluster(), offer())
    (machine,) = world.machines()
    assert machine.host_key == ""


def test_the_key_of_the_user_data_wins_over_what_the_provider_says(world):
    world.cloud.on_ssh_ports = [lambda i: SshEndpoint(i.address, 22, "me", HOST_KEY)]
    world.buy(world.cluster(), offer())
    (machine,) = world.machines()
    (request,) = world.cloud.called("provision")
    assert machine.host_key == request.setups[0].host_key.public


def test_notes_of_an_order_are_told_with_the_provider_s_name(world):
    sell = world.cloud.sell
    world.cloud.on_provision = [lambda request: replace(sell(request), notes=("mind the gap",))]
    world.buy(world.cluster(), offer())
    assert world.told.warnings == ["fake: mind the gap"]
