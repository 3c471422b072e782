"""Refusals do not outlive what they were made under, nor count for what was not refused."""

from __future__ import annotations

import itertools
from contextlib import suppress

import pytest
from support.fakecloud import offer

from arb.errors import (
    CapacityError,
    CredentialsError,
    NodeError,
    NoOfferError,
    QuotaError,
    RequestError,
    Scope,
)
from arb.plugins.provider import Provider
from arb.provision import circumstances
from arb.types import Capability, ProviderInfo

NUMBERS = itertools.count(1)
NONE = CapacityError("none of it", scope=Scope.REGION)
QUOTA = QuotaError("over the quota", scope=Scope.QUOTA_FAMILY, family="P")
IMAGE = RequestError("no such image", scope=Scope.PROVIDER)
KEY = CredentialsError("the key was refused", code="key")


def refuse(error):
    def script(request):
        raise error

    return script


@pytest.fixture
def next_command(world, monkeypatch):
    """Begin another command, in which the cloud sells."""

    def begin():
        monkeypatch.setattr(circumstances, "_RUN", f"run{world.clock.monotonic()}")
        world.clock.advance(1)
        world.cloud.on_provision = []
        world.new_process()

    return begin


def is_kept_out(world, *offers, count=1):
    """Say whether a launch of now is not even tried; the cloud sells."""
    before = len(world.cloud.called("provision"))
    with suppress(NoOfferError):
        world.buy(world.cluster(f"c{next(NUMBERS)}", count=count), *offers)
    return len(world.cloud.called("provision")) == before


def fail_with(world, error, *offers, count=1):
    world.cloud.on_provision = [refuse(error)]
    with pytest.raises((NoOfferError, CredentialsError)):
        world.buy(world.cluster("first", count=count), *offers)


@pytest.mark.parametrize(
    ("error", "seconds"),
    [
        (NONE, 300),
        (QUOTA, 3600),
        (CapacityError("for now", scope=Scope.OFFER, block_s=40), 40),
        (CapacityError("try again", scope=Scope.OFFER, block_s=0), 0),
    ],
    ids=["capacity", "quota", "as told", "not at all"],
)
def test_a_refusal_counts_for_so_long_and_no_longer(world, next_command, error, seconds):
    wanted = offer(quota_family="P")
    fail_with(world, error, wanted)
    next_command()
    if seconds:
        world.clock.advance(seconds - 3)
        assert is_kept_out(world, wanted)
        world.clock.advance(3)
    assert not is_kept_out(world, wanted)


@pytest.mark.parametrize("error", [NONE, QUOTA], ids=["capacity", "quota"])
def test_what_a_provider_says_of_its_stock_counts_for_other_commands(world, next_command, error):
    wanted = offer(quota_family="P")
    fail_with(world, error, wanted)
    next_command()
    assert is_kept_out(world, wanted)


@pytest.mark.parametrize("error", [NONE, QUOTA], ids=["capacity", "quota"])
def test_it_is_forgotten_once_the_providers_options_change(world, next_command, error):
    wanted = offer(quota_family="P")
    fail_with(world, error, wanted)
    world.options = {"fake": {"project": "another"}}
    world.cloud.info = ProviderInfo(
        "Fake", world.cloud.info.capabilities, options={"project": "Whose quota."}
    )
    next_command()
    assert not is_kept_out(world, wanted)


def test_it_is_forgotten_once_a_file_that_the_catalog_was_read_from_changes(
    world, next_command, tmp_path
):
    file = tmp_path / "stock.yaml"
    file.write_text("none")
    world.catalog_files = [str(file)]
    world.new_process()
    fail_with(world, NONE, offer())
    next_command()
    assert is_kept_out(world, offer())

    file.write_text("some more")
    next_command()
    assert not is_kept_out(world, offer())


def test_it_is_forgotten_once_the_files_of_credentials_change(
    world, next_command, tmp_path, monkeypatch
):
    file = tmp_path / "credentials"
    file.write_text("[default]")
    mounts = {"~/.cloud/credentials": str(file)}
    monkeypatch.setattr(Provider, "credential_mounts", lambda _: mounts)
    fail_with(world, NONE, offer())
    next_command()
    assert is_kept_out(world, offer())

    file.write_text("[another]\n")
    next_command()
    assert not is_kept_out(world, offer())


def test_a_quota_is_that_of_the_account_that_the_environment_names(world, next_command):
    wanted = offer(quota_family="P")
    fail_with(world, QUOTA, wanted)
    world.env = {"PWD": "elsewhere", "SHLVL": "2"}
    next_command()
    assert is_kept_out(world, wanted)

    world.env = {"CLOUD_PROFILE": "another"}
    next_command()
    assert not is_kept_out(world, wanted)


@pytest.mark.parametrize("error", [KEY, IMAGE], ids=["credentials", "request"])
def test_what_the_user_may_mend_counts_for_one_command_alone(world, next_command, error):
    fail_with(world, error, offer("a"), offer("b"))
    assert len(world.cloud.called("provision")) == 1, "the provider was left alone"
    next_command()
    assert not is_kept_out(world, offer("a"))


def test_nodes_that_did_not_come_up_are_tried_by_the_next_command(world, next_command):
    def bring_up(purchase):
        raise NodeError("another host key", code="host-key")

    with pytest.raises(NoOfferError):
        world.buy(world.cluster("first"), offer(), bring_up=bring_up)
    next_command()
    assert not is_kept_out(world, offer())


def test_own_machines_are_asked_for_by_every_command(world, next_command):
    world.cloud.info = ProviderInfo(
        "Fake", frozenset({Capability.ON_DEMAND, Capability.OWNED, Capability.USER_DATA})
    )
    world.new_process()
    fail_with(world, NONE, offer("a"), offer("b", 2))
    assert len(world.cloud.called("provision")) == 1, "within one walk it counts"
    next_command()
    assert not is_kept_out(world, offer("a"))


def test_two_commands_with_the_same_trouble_do_not_undo_each_others_memory(world, next_command):
    fail_with(world, KEY, offer("a"))
    here = world.shop
    next_command()
    world.cloud.on_provision = [refuse(KEY)]
    with pytest.raises(CredentialsError):
        world.buy(world.cluster("second"), offer("a"))
    assert here.blocklist.covering(offer("b"), 1) is not None
    assert world.shop.blocklist.covering(offer("b"), 1) is not None


def test_no_quota_for_many_is_no_reason_not_to_ask_for_few(world, next_command):
    many = offer("eight", accelerator="H100", accelerator_count=8, quota_family="P")
    few = offer("one", accelerator="H100", accelerator_count=1, quota_family="P")
    fail_with(world, QUOTA, many)
    next_command()
    assert is_kept_out(world, many)
    assert not is_kept_out(world, few)


def test_no_room_for_a_gang_is_no_reason_not_to_ask_for_one(world, next_command):
    fail_with(world, NONE, offer(), count=2)
    next_command()
    assert is_kept_out(world, offer(), count=2)
    assert not is_kept_out(world, offer(), count=1)


def test_the_same_walk_tries_a_smaller_size_after_a_quota_was_refused(world):
    world.cloud.on_provision = [refuse(QUOTA), world.cloud.sell]
    many = offer("eight", 1, accelerator="H100", accelerator_count=8, quota_family="P")
    more = offer("sixteen", 2, accelerator="H100", accelerator_count=16, quota_family="P")
    few = offer("one", 3, accelerator="H100", accelerator_count=1, quota_family="P")
    assert world.buy(world.cluster(), many, more, few).offer.offer_id == "one"
