"""``arb refresh``: who answered, what was refused and why, and the exit code."""

from __future__ import annotations

import threading
import time

import pytest
from tests.support.sellers import Street

from arb.errors import CredentialsError, ProviderUnavailable
from arb.plugins import PluginTable

pytest.importorskip("pandas")


@pytest.fixture
def street(tmp_path, cli, monkeypatch):
    """Providers that this process finds installed."""
    made = Street(tmp_path)
    monkeypatch.setattr(PluginTable, "load", lambda *_, **__: made.table)
    yield made
    made.close()


def lines(text):
    return [line.split() for line in text.splitlines()]


def young(row):
    """Return a row's age where it is of seconds: the machine may be busy."""
    return row[3] if row[3] in {f"{seconds}s" for seconds in range(60)} else "a few seconds"


def test_a_table_shows_what_each_provider_sells_and_what_was_refused(cli, street):
    street.add("east", {}, {"offer_id": "b"}, {"offer_id": "c", "price_usd_hour": -0.5})
    street.add("west", {"colour": "red"}, source="bundled")
    done = cli("refresh")
    assert done.code == 0
    header, east, refused, west, note = lines(done.out)
    assert header == ["provider", "offers", "source", "age", "refused", "took"]
    assert east[:5] == ["east", "2", "live", young(east), "1"]
    assert " ".join(refused) == "refused 1 offer: the price is negative (first: c, -0.5)"
    assert west[:5] == ["west", "1", "bundled", young(west), "0"]
    assert " ".join(note) == "unknown column 'colour' is dropped"
    assert done.err == "reading prices of east, west\n"


def test_one_that_failed_is_named_once_and_the_command_fails(cli, street):
    street.add("east", {})
    street.add("west", {})
    assert cli("refresh").code == 0
    street.fail("east", ProviderUnavailable("east did not answer", hint="try again later"))
    done = cli("refresh")
    assert done.code == 1
    _, east, failed, hint, west = lines(done.out)
    assert east[:3] == ["east", "1", "live"]
    assert " ".join(failed) == "failed: east did not answer (the offers read before are kept)"
    assert " ".join(hint) == "try again later"
    assert west[0] == "west"
    assert "did not answer" not in done.err


def test_one_that_was_never_read_has_nothing_to_show(cli, street):
    street.add("east", {})
    street.fail("east", RuntimeError("boom"))
    done = cli("refresh")
    assert done.code == 1
    assert lines(done.out)[1][:5] == ["east", "0", "-", "-", "-"]
    assert "arb-east 1.0" in done.out
    assert done.err.count("boom") + done.out.count("boom") == 1


def test_the_exit_code_tells_when_all_were_refused_for_their_credentials(cli, street):
    street.add("east", {})
    street.fail("east", CredentialsError("east refused the key"))
    assert cli("refresh").code == 4
    street.add("west", {})
    assert cli("refresh").code == 1


def test_only_the_named_are_read(cli, street):
    east, west = street.add("east", {}), street.add("west", {})
    done = cli("refresh", "west")
    assert (done.code, east.asked, west.asked) == (0, 0, 1)
    assert [line[0] for line in lines(done.out)] == ["provider", "west"]


def test_an_unknown_name_gets_the_closest_one(cli, street):
    east = street.add("east", {})
    done = cli("refresh", "esat")
    assert (done.code, done.out, east.asked) == (2, "", 0)
    assert "unknown provider 'esat': did you mean 'east'?" in done.err


def test_json_is_one_document_also_when_one_failed(cli, street):
    street.add("east", {}, {"offer_id": "c", "price_usd_hour": -0.5}, catalog_ttl_s=60)
    street.add("west", {})
    street.fail("west", ProviderUnavailable("west is down", code="west-down", hint="wait"))
    done = cli("refresh", "--json")
    assert done.code == 1
    east, west = done.json["providers"]
    assert (east["provider"], east["offers"], east["refused"], east["ttl_s"]) == ("east", 1, 1, 60)
    assert east["refusals"] == ["1 offer: the price is negative (first: c, -0.5)"]
    assert east["error"] is None
    assert west["error"] == {"summary": "west is down", "code": "west-down", "hint": "wait"}
    assert done.json["took_s"] >= 0


def test_without_providers_it_says_how_to_add_one(cli, street):
    done = cli("refresh")
    assert (done.code, done.out) == (0, "")
    assert "pip install" in done.err


def test_one_that_hangs_costs_its_deadline(cli, street, monkeypatch):
    from arb.plugins.budgets import BUDGETS_S

    monkeypatch.setitem(BUDGETS_S, "arb_catalog", 0.3)
    gate = threading.Event()
    street.add("east", {})
    street.add("west", {})
    street.hang("west", gate)
    begun = time.monotonic()
    done = cli("refresh")
    gate.set()
    assert time.monotonic() - begun < 5
    assert done.code == 1
    assert "failed: arb-west 1.0" in done.out
