"""What a launch says when nothing could be bought: the exit code, the reasons and what to do."""

from __future__ import annotations

import re

import pytest
from support.fakecloud import FakeCloud, offer

from arb.errors import ArbError, CapacityError, CredentialsError, QuotaError, Scope
from arb.provision.order import Order
from arb.provision.walk import buy

NONE = CapacityError("none of it", scope=Scope.PROVIDER, hint="")
KEY = CredentialsError("the key was refused", code="key", hint="arb auth")
QUOTA = QuotaError("over the quota", scope=Scope.OFFER, hint="ask for more")


def refuse(*errors):
    def script(error):
        def raising(request):
            raise error

        return raising

    return [script(error) for error in errors]


@pytest.fixture
def clouds(world):
    """Three providers, ``fake``, ``other`` and ``third``."""
    world.clouds += [FakeCloud(world.clock, name="other"), FakeCloud(world.clock, name="third")]
    return world.clouds


def exhaust(world, *offers, nearby="", name="train"):
    record = world.cluster(name)
    order = Order(record.name, record.id, offers, 1, world.key, nearby=nearby)
    with pytest.raises(ArbError) as caught:
        buy(world.shop, order, lambda _: None)
    return caught.value


def test_only_when_all_failed_for_credentials_it_is_about_credentials(world, clouds):
    for cloud in clouds:
        cloud.on_provision = refuse(KEY)
    error = exhaust(world, offer("a"), offer("b"), offer("c", provider="other"))
    assert (error.exit_code, error.code) == (4, "no-offer")
    assert error.summary == (
        "no offer could be bought, 2 tried, 1 refused along with them; last: "
        "fake a in r1/a: the key was refused; other c in r1/a: the key was refused"
    )
    assert error.hint == "arb auth"


def test_capacity_beside_credentials_is_about_capacity_and_both_are_told(world, clouds):
    clouds[0].on_provision = refuse(KEY)
    clouds[1].on_provision = refuse(NONE)
    error = exhaust(world, offer("b", provider="other"), offer("a"))
    assert error.exit_code == 3
    assert error.summary.endswith(
        "last: other b in r1/a: none of it; fake a in r1/a: the key was refused"
    )
    assert re.fullmatch(
        r"arb auth; --retry-until-up keeps trying; the first refusal expires at .*", error.hint
    )


def test_what_an_earlier_refusal_keeps_out_is_no_matter_of_credentials(world, clouds):
    clouds[1].on_provision = refuse(NONE)
    exhaust(world, offer("b", provider="other"), name="first")
    clouds[0].on_provision = refuse(KEY)
    error = exhaust(world, offer("b", provider="other"), offer("a"), name="second")
    assert error.exit_code == 3
    assert "1 tried, 1 kept out by earlier refusals" in error.summary
    assert re.search(r"other: none of it \(until \d\d:\d\d:\d\d\); fake a in", error.summary)


def test_what_is_not_available_is_no_matter_of_credentials(world, clouds):
    clouds[0].on_provision = refuse(KEY)
    clouds[1].on_prices = [lambda offers: []]
    error = exhaust(world, offer("b", provider="other"), offer("a"))
    assert error.exit_code == 3
    assert "1 tried, 1 not available" in error.summary
    assert "other: no longer on offer" in error.summary


def test_each_provider_has_a_word_and_its_own_last_try_counts_most(world, clouds):
    clouds[0].on_provision = refuse(QUOTA)
    clouds[1].on_provision = refuse(NONE)
    clouds[2].on_provision = refuse(QUOTA)
    error = exhaust(
        world,
        offer("a", 1),
        offer("b", 2, provider="other"),
        offer("c", 3, provider="third"),
        offer("d", 4),
    )
    assert error.summary.endswith(
        "last: other b in r1/a: none of it; third c in r1/a: over the quota; "
        "fake d in r1/a: over the quota"
    )
    assert error.hint.startswith("ask for more; --retry-until-up")


def test_other_counts_that_are_sold_are_named(world):
    world.cloud.on_provision = refuse(NONE)
    error = exhaust(world, offer(), nearby="fake sells 1 and 8: write H100:8")
    assert error.hint.startswith("fake sells 1 and 8: write H100:8; --retry-until-up")
    kept = exhaust(world, offer(), nearby="fake sells 1 and 8: write H100:8", name="again")
    assert kept.code == "all-blocked"
    assert "write H100:8" in kept.hint


def test_what_is_sold_out_may_come_back_before_a_refusal_expires(world, clouds):
    def sold_out(offers):
        return [row | {"available": False} for row in FakeCloud.listed_prices(offers)]

    clouds[1].on_provision = refuse(QUOTA)
    refused = offer("b", provider="other")
    assert exhaust(world, refused).all_blocked

    clouds[0].on_prices = [sold_out]
    world.new_process()
    error = exhaust(world, offer("a"), refused, name="second")
    assert error.opens_at is not None
    assert not error.all_blocked
