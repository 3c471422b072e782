"""Buyers do not wait for the slowest provider; what it tells later is kept all the same."""

from __future__ import annotations

import threading
import time

import pytest
from support.command import eventually

from arb.catalog import refresh as refreshing
from arb.catalog.gathering import Patience, gather
from arb.catalog.refresh import refresh
from arb.catalog.store import open_catalog
from arb.errors import ProviderUnavailable

pytest.importorskip("pandas")


@pytest.fixture(autouse=True)
def short_patience(monkeypatch):
    monkeypatch.setattr(refreshing, "PATIENCE_S", 0.1)


def hang(street, gate, name):
    """Have a provider answer only when the gate is opened."""
    seller = street.sellers[name]
    answer = seller.answer

    def waits(context):
        assert gate.wait(20)
        return answer(context)

    seller.answer = waits


def read(street, enough=lambda row: True):
    return refresh(street.plugins, street.path, clock=street.clock, enough=enough)


def row_of(street, name):
    with open_catalog(street.path) as store:
        return store.provider(name)


def test_who_is_late_is_named_and_not_waited_for(street, gate):
    street.add("east", {})
    street.add("slow", {})
    refresh(street.plugins, street.path, clock=street.clock)
    street.clock.advance(3600)
    hang(street, gate, "slow")

    report = read(street)

    (late,) = report.failed
    assert late.row.name == "slow"
    (line,) = late.warnings(lambda s: f"{s / 3600:.0f} h", street.clock.now())
    assert line == (
        "slow told no prices within 0.1 s and is not waited for; prices of 1 h ago are used"
    )
    assert row_of(street, "slow").rows == 1, "its last prices stay"


def test_what_comes_late_is_kept_for_the_next_command(street, gate):
    street.add("east", {})
    street.add("slow", {"price_usd_hour": 7.0})
    hang(street, gate, "slow")
    read(street)
    assert row_of(street, "slow").rows == 0

    gate.set()

    eventually(lambda: row_of(street, "slow").rows, what="the late prices")
    assert row_of(street, "slow").error == ""
    assert row_of(street, "east").rows == 1


def test_a_reading_that_nobody_waits_for_does_not_shut_its_provider_out(
    street, gate, short_deadline
):
    street.add("east", {})
    street.add("slow", {})
    hang(street, gate, "slow")
    read(street)
    provider = street.plugins.provider("slow")
    eventually(lambda: row_of(street, "slow").error_code == "deadline", what="its deadline")
    assert provider.hung_in == ""


def test_all_are_waited_for_when_nobody_else_is_worth_going_on_with(street, gate):
    street.add("own", {})
    street.add("slow", {})
    hang(street, gate, "slow")
    opener = threading.Timer(0.3, gate.set)
    opener.start()
    report = read(street, enough=lambda row: row.name != "own")
    opener.join()
    assert report.failed == ()


def test_a_failure_is_not_worth_going_on_with(street, gate):
    street.add("east", {})
    street.fail("east", ProviderUnavailable("503"))
    street.add("slow", {})
    hang(street, gate, "slow")
    opener = threading.Timer(0.3, gate.set)
    opener.start()
    assert [outcome.row.name for outcome in read(street).failed] == ["east"]
    opener.join()


def test_nobody_says_anything_more_of_who_is_late(street, gate):
    told = []
    street.add("east", {})
    street.add("slow", {})
    hang(street, gate, "slow")
    refresh(
        street.plugins,
        street.path,
        clock=street.clock,
        state=told.append,
        enough=lambda row: True,
    )
    before = list(told)
    assert before[-1] == ""
    gate.set()
    eventually(lambda: row_of(street, "slow").rows, what="the late prices")
    assert told == before


def test_who_is_still_awaited_is_told_although_the_others_answered_at_once(street, gate):
    told = []
    street.add("east", {})
    street.add("slow", {})
    hang(street, gate, "slow")
    opener = threading.Timer(5.0, gate.set)  # in case that nothing is told
    opener.start()

    def hear(text):
        told.append(text)
        if text == "reading prices of slow":
            gate.set()

    refresh(street.plugins, street.path, clock=street.clock, state=hear)
    opener.cancel()

    assert told == ["reading prices of east, slow", "reading prices of slow", ""]


def test_an_error_of_our_own_is_raised():
    def broken(name):
        raise ValueError(name)

    with pytest.raises(ValueError, match="one"):
        gather(broken, ["one"], Patience(30.0, bool, lambda _: None))


def test_answers_come_in_the_order_of_the_names_and_as_soon_as_all_are_there():
    begun = time.monotonic()
    patience = Patience(30.0, bool, lambda _: None)
    assert list(gather(str.upper, ["b", "a"], patience).items()) == [("b", "B"), ("a", "A")]
    assert time.monotonic() - begun < 10
