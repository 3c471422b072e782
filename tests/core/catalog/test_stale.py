"""Who is read again: listings read what changed, buyers also what is old."""

from __future__ import annotations

import datetime as dt
import os

import pytest

from arb.catalog.refresh import refresh
from arb.catalog.stale import fingerprint, stale
from arb.catalog.store import open_catalog
from arb.errors import ProviderUnavailable

pytest.importorskip("pandas")


def read(street):
    return refresh(street.plugins, street.path, clock=street.clock)


def due(street, *, buying=False, names=None):
    with open_catalog(street.path) as store:
        return stale(store, street.plugins, now=street.clock.now(), buying=buying, names=names)


def test_what_was_never_read_is_due(street):
    street.add("east", {})
    street.add("west", {})
    assert due(street) == ("east", "west")
    refresh(street.plugins, street.path, ["east"], clock=street.clock)
    assert due(street) == ("west",)
    read(street)
    assert due(street) == ()


def test_a_listing_takes_old_prices_and_a_buyer_does_not(street):
    street.add("east", {}, catalog_ttl_s=100)
    street.add("west", {}, catalog_ttl_s=1000)
    read(street)
    street.clock.advance(101)
    assert due(street) == ()
    assert due(street, buying=True) == ("east",)
    assert due(street, buying=True, names=["west"]) == ()
    street.clock.advance(1000)
    assert due(street, buying=True) == ("east", "west")


def test_prices_that_were_read_in_the_future_are_too_old_to_buy(street):
    street.add("east", {})
    read(street)
    street.clock.set_wall(street.clock.now() - 5000)
    assert due(street) == ()
    assert due(street, buying=True) == ("east",)


def test_another_version_of_the_plugin_is_due(street):
    street.add("east", {})
    read(street)
    street.versions["east"] = "1.1"
    assert due(street) == ("east",)
    read(street)
    assert due(street) == ()


def test_other_options_are_due(street):
    street.add("east", {}, options={"room": "A folder."})
    read(street)
    street.options["east"] = {"room": "here"}
    assert due(street) == ("east",)
    read(street)
    street.options["east"] = {"room": "there"}
    assert due(street) == ("east",)


def test_any_options_have_a_fingerprint_and_their_order_is_not_in_it(street):
    street.add("east", {})
    options = [("a", {1: "x", "b": None}), ("d", [dt.date(2026, 1, 1), {"s", "t", 3}])]
    street.options["east"] = dict(options)
    one = fingerprint(street.plugins, "east")
    street.options["east"] = dict(reversed(options))
    assert fingerprint(street.plugins, "east") == one
    street.options["east"] = {**dict(options), "a": {1: "y", "b": None}}
    assert fingerprint(street.plugins, "east") != one


def test_a_fingerprint_does_not_tell_what_options_hold(street):
    street.add("east", {})
    street.options["east"] = {"token": "hunter2hunter2"}
    assert "hunter2" not in fingerprint(street.plugins, "east")


@pytest.fixture
def hosts(street, tmp_path):
    """A file that a provider reads, an hour old."""
    path = tmp_path / "hosts.yaml"
    path.write_text("a")
    os.utime(path, (1e9, 1e9))
    street.add("east", {}, files=[path, tmp_path / "other"])
    read(street)
    return path


def test_a_file_that_stays_is_not_due(street, hosts):
    assert due(street) == ()


@pytest.mark.parametrize("change", ["content", "replaced", "gone", "appeared"])
def test_a_file_that_changed_is_due_once(street, hosts, tmp_path, change):
    if change == "content":
        hosts.write_text("b")
        os.utime(hosts, (1e9 + 60, 1e9 + 60))
    elif change == "replaced":
        (tmp_path / "new").write_text("b")
        os.utime(tmp_path / "new", (1e9, 1e9))
        (tmp_path / "new").replace(hosts)
    elif change == "gone":
        hosts.unlink()
    else:
        (tmp_path / "other").write_text("x")
        os.utime(tmp_path / "other", (1e9, 1e9))
    assert due(street) == ("east",)
    read(street)
    assert due(street) == ()


def test_a_file_that_changed_while_it_was_read_is_due_once_more(street, hosts):
    seller = street.sellers["east"]
    good = seller.answer

    def answer(context):
        catalog = good(context)
        hosts.write_text("after the provider has read it")
        return catalog

    seller.answer = answer
    read(street)
    assert due(street) == ("east",)
    seller.answer = good
    os.utime(hosts, (1e9, 1e9))
    read(street)
    assert due(street) == ()


def test_a_file_from_the_future_is_not_due_for_ever(street, hosts):
    os.utime(hosts, (4e9, 4e9))
    read(street)
    assert due(street) == ()


def test_one_that_never_answered_is_asked_again_after_a_minute(street):
    street.add("east", {})
    street.fail("east", ProviderUnavailable("down"))
    read(street)
    assert due(street) == ()
    assert due(street, buying=True) == ("east",)
    street.clock.advance(61)
    assert due(street) == ("east",)


def test_one_that_let_listings_wait_is_left_alone_longer(street):
    seller = street.add("east", {})

    def slow(context):
        street.clock.advance(20)
        raise ProviderUnavailable("down", code="deadline")

    seller.answer = slow
    read(street)
    street.clock.advance(599)
    assert due(street) == ()
    assert due(street, buying=True) == ("east",)
    street.clock.advance(2)
    assert due(street) == ("east",)


def test_a_listing_does_not_wait_again_for_one_whose_rows_are_there(street):
    street.add("east", {})
    read(street)
    street.versions["east"] = "1.1"
    street.fail("east", ProviderUnavailable("down"))
    read(street)
    street.clock.advance(10_000)
    assert due(street) == ()
    with open_catalog(street.path) as store:
        assert len(store.groups()) == 1


def test_what_is_not_installed_is_not_due(street):
    street.add("east", {})
    assert due(street, names=["east", "nowhere"]) == ("east",)


def test_a_damaged_file_is_read_anew(street):
    street.add("east", {})
    read(street)
    street.path.write_bytes(street.path.read_bytes()[:5000])
    assert due(street) == ("east",)
    read(street)
    with open_catalog(street.path) as store:
        assert len(store.groups()) == 1
