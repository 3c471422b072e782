"""Answers whose parts are missing or of another kind: nothing crashes, and nothing is taken for the end."""

from __future__ import annotations

import random

import pytest
from clouds.spheron.customer import recorded

from arb.errors import ArbError
from arb.types import InstanceState, Offer
from arb_spheron.access import ssh_endpoint
from arb_spheron.catalog import _frame
from arb_spheron.deployments import instance_of
from arb_spheron.errors import Reply, call_error, order_error
from arb_spheron.offers import rows_of

ODD = (None, "", "x", -1, 0, [], {}, "12", True, 10**30, "NaN", [None], {"message": "?"}, 22)
OFFER = Offer("spheron", "x@y", "y", "x", price_usd_hour=1)


def mutated(chance, value, share):
    """Return a copy in which some parts are missing, and some are odd."""
    if isinstance(value, dict):
        kept = {k: v for k, v in value.items() if chance.random() > share / 2}
        return {k: mutated(chance, v, share) for k, v in kept.items()}
    if chance.random() < share:
        return chance.choice(ODD)
    if isinstance(value, list):
        return [mutated(chance, item, share) for item in value]
    return value


def variants(document, count=150):
    chance = random.Random(7)
    return [mutated(chance, document, chance.choice((0.03, 0.2))) for _ in range(count)]


def test_offers_become_rows_that_make_a_frame():
    for page in variants(recorded("gpu-offers-page1")):
        groups = page.get("data") if isinstance(page.get("data"), list) else []
        rows = rows_of(group for group in groups if isinstance(group, dict))
        frame = _frame(rows)
        assert len(frame) == len(rows)
        assert (frame["price_usd_hour"] > 0).all()
        assert (frame["accelerator_count"] >= 0).all()


@pytest.mark.parametrize("name", ["running", "deploying"])
def test_a_deployment_becomes_a_machine_that_has_not_ended(name):
    for document in variants(recorded(f"deployment-{name}")):
        instance = instance_of("spheron", document)
        assert instance.state is not InstanceState.GONE
        if instance.address:
            assert 0 < ssh_endpoint(instance).port <= 65_535


@pytest.mark.parametrize("name", ["stock", "minimum-runtime", "already-terminated", "not-found"])
def test_a_refusal_becomes_an_error_of_one_line(name):
    chance = random.Random(7)
    for body in variants(recorded(f"error-{name}"), 60):
        reply = Reply(chance.choice((400, 401, 403, 404, 409, 429, 500)), body, {})
        for error in (call_error(reply, "a test", 0), order_error(reply, OFFER, 0, ())):
            assert isinstance(error, ArbError)
            assert "\n" not in error.summary
