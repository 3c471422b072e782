"""Reading catalogs again: who answers is merged, who does not keeps what was there and is named."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from arb.catalog.refresh import refresh
from arb.catalog.stale import stale
from arb.catalog.store import open_catalog
from arb.errors import CredentialsError, PluginError, ProviderUnavailable, StateError, UsageError
from arb.types import Capability

pd = pytest.importorskip("pandas")
ROOT = Path(__file__).resolve().parents[3]


def age(seconds):
    return f"{seconds:.0f}s"


def read(street, *names):
    return refresh(street.plugins, street.path, names or None, clock=street.clock)


def sold(street):
    with open_catalog(street.path) as store:
        frame = store.candidates(store.groups())
        return sorted(
            zip(frame["provider"], frame["offer_id"], frame["price_usd_hour"], strict=True)
        )


def known(street, name):
    with open_catalog(street.path) as store:
        return store.provider(name)


def test_all_providers_are_merged_into_one_file(street):
    street.add("east", {"offer_id": "a"}, {"offer_id": "b", "price_usd_hour": 1.5})
    street.add("west", {"offer_id": "a", "price_usd_hour": 3.0}, source="bundled")
    report = read(street)
    assert sold(street) == [("east", "a", 2.5), ("east", "b", 1.5), ("west", "a", 3.0)]
    assert [outcome.error for outcome in report.outcomes] == [None, None]
    row = known(street, "west")
    now = street.clock.now()
    assert (row.rows, row.source, row.as_of, row.refreshed_at) == (1, "bundled", now, now)
    assert (row.distribution, row.version, row.error) == ("arb-west", "1.0", "")


def test_one_that_fails_keeps_its_last_good_rows_and_is_named_once(street):
    street.add("east", {})
    street.add("west", {})
    read(street)
    street.sell("west", {"price_usd_hour": 9.0})
    street.fail("east", ProviderUnavailable("east did not answer (HTTP 503)"))
    street.clock.advance(100)
    report = read(street)
    assert sold(street) == [("east", "a", 2.5), ("west", "a", 9.0)]
    (failed,) = report.failed
    lines = failed.warnings(age, street.clock.now())
    assert lines == ["east did not answer (HTTP 503); prices of 100s ago are used"]
    assert known(street, "east").error == "east did not answer (HTTP 503)"
    assert known(street, "east").refreshed_at == street.clock.now() - 100


def test_rows_that_are_kept_are_as_old_as_their_prices(street):
    seller = street.add("east", {})
    good = seller.answer
    seller.answer = lambda context: replace(good(context), as_of=context.clock.now() - 86400)
    read(street)
    street.fail("east", ProviderUnavailable("east did not answer"))
    (failed,) = read(street).failed
    (line,) = failed.warnings(age, street.clock.now())
    assert line == "east did not answer; prices of 86400s ago are used"


@pytest.mark.parametrize(("source", "told_as"), [("bundled", "bundled"), ("live", "earlier")])
def test_why_prices_are_not_live_is_told(street, source, told_as):
    seller = street.add("east", {}, source=source)
    good = seller.answer
    seller.answer = lambda context: replace(good(context), why="east did not answer")
    (outcome,) = read(street).outcomes
    told = f"{told_as} prices are used: east did not answer"
    assert (outcome.error, outcome.notes) == (None, (told,))
    assert outcome.warnings(age, street.clock.now()) == [f"arb-east 1.0: {told}"]


def test_an_error_that_does_not_name_its_provider_gets_the_name(street):
    street.add("east", {})
    street.fail("east", CredentialsError("the key was refused", code="key-refused"))
    (outcome,) = read(street).outcomes
    assert outcome.warnings(age, 0) == ["east: the key was refused"]
    assert known(street, "east").error_code == "key-refused"
    assert known(street, "east").refreshed_at == 0


def test_a_success_forgets_the_error(street):
    street.add("east", {})
    street.fail("east", ProviderUnavailable("down"))
    read(street)
    street.sell("east", {})
    read(street)
    assert (known(street, "east").error, known(street, "east").error_code) == ("", "")


def test_one_that_hangs_costs_its_deadline_and_the_others_nothing(street, gate, short_deadline):
    for name in ("east", "north", "south"):
        street.add(name, {})
    street.add("west", {})
    street.hang("west", gate)
    begun = time.monotonic()
    report = read(street)
    assert time.monotonic() - begun < short_deadline + 3
    assert [outcome.row.name for outcome in report.failed] == ["west"]
    assert [name for name, *_ in sold(street)] == ["east", "north", "south"]
    (line,) = report.failed[0].warnings(age, street.clock.now())
    assert "west" in line


def test_a_passing_silence_is_asked_once_more(street):
    seller = street.add("east", {})
    good, silent = seller.answer, iter([True])

    def answer(context):
        if next(silent, False):
            raise ProviderUnavailable("no answer")
        return good(context)

    seller.answer = answer
    assert read(street).failed == ()
    assert seller.asked == 2


def test_a_silence_that_took_half_of_the_time_is_not_asked_again(street):
    seller = street.add("east", {})

    def answer(context):
        street.clock.advance(11)
        raise ProviderUnavailable("no answer")

    seller.answer = answer
    assert len(read(street).failed) == 1
    assert seller.asked == 1


def test_bad_rows_are_named_with_their_plugin_and_the_good_ones_stay(street):
    street.add(
        "east", {}, {"offer_id": "b", "price_usd_hour": -1.0}, {"offer_id": "c", "spot": None}
    )
    (outcome,) = read(street).outcomes
    assert sold(street) == [("east", "a", 2.5)]
    assert outcome.warnings(age, 0) == [
        "arb-east 1.0: 1 offer: spot is neither true nor false (first: c)",
        "arb-east 1.0: 1 offer: the price is negative (first: b, -1)",
    ]
    assert (known(street, "east").rows, known(street, "east").refused) == (1, 2)


def test_a_provider_whose_rows_are_all_bad_has_failed(street):
    street.add("east", {})
    read(street)
    street.sell("east", {"price_usd_hour": -1.0})
    (failed,) = read(street).failed
    assert isinstance(failed.error, PluginError)
    assert failed.error.summary.startswith(
        "arb-east 1.0: every offer was refused; 1 offer: the price"
    )
    assert sold(street) == [("east", "a", 2.5)]


def test_a_provider_that_sells_nothing_now_has_not_failed(street):
    street.add("east", {})
    read(street)
    street.sell("east")
    assert read(street).failed == ()
    assert sold(street) == []
    assert known(street, "east").rows == 0


@pytest.mark.parametrize(
    ("column", "value", "told"),
    [
        ("price_usd_hour", "cheap", "price_usd_hour"),
        ("spot", "no", "spot"),
        ("vcpus", "8", "vcpus"),
    ],
    ids=["price", "spot", "vcpus"],
)
def test_a_wrong_dtype_is_the_plugins_fault(street, column, value, told):
    street.add("east", {column: value})
    street.add("west", {})
    (failed,) = read(street).failed
    (line,) = failed.warnings(age, 0)
    assert "arb-east 1.0" in line
    assert told in line
    assert [name for name, *_ in sold(street)] == ["west"]


def test_a_frame_that_cannot_be_read_costs_its_provider_only(street):
    class Odd(pd.DataFrame):
        def get(self, *_):
            raise ValueError("odd")

    seller = street.add("east", {})
    street.add("west", {})
    good = seller.answer
    seller.answer = lambda context: replace(good(context), frame=Odd(good(context).frame))
    (failed,) = read(street).failed
    assert failed.error.summary == "arb-east 1.0: the catalog cannot be read: ValueError: odd"
    assert [name for name, *_ in sold(street)] == ["west"]


class Surly(pd.DataFrame):
    """A frame that breaks whoever looks closely."""

    def get(self, key, default=None):
        raise AttributeError(key)


def test_a_frame_that_breaks_in_any_way_costs_its_provider_only(street):
    street.add("west", {})
    street.add("east", {})
    good = street.sellers["east"].answer
    street.sellers["east"].answer = lambda context: replace(
        good(context), frame=Surly(good(context).frame)
    )
    (failed,) = read(street).failed
    assert failed.error.summary.startswith(
        "arb-east 1.0: the catalog cannot be read: AttributeError"
    )
    assert sold(street) == [("west", "a", 2.5)]


@pytest.mark.parametrize("files", [5, None, "/a/b", (5,), ("/a", 5), ("a/b",), ("/a\0b",)])
def test_files_that_are_no_paths_cost_their_provider_only(street, files):
    street.add("west", {})
    street.add("east", {})
    good = street.sellers["east"].answer
    street.sellers["east"].answer = lambda context: replace(good(context), files=files)
    (failed,) = read(street).failed
    assert failed.error.summary == "arb-east 1.0: the files of the catalog are no absolute paths"
    assert sold(street) == [("west", "a", 2.5)]


@pytest.mark.parametrize("ttl_s", ["an hour", float("nan"), float("inf"), -1.0])
def test_a_ttl_that_is_no_time_costs_its_provider_only(street, ttl_s):
    street.add("west", {})
    street.add("east", {}, catalog_ttl_s=ttl_s)
    (failed,) = read(street).failed
    assert failed.error.summary == "arb-east 1.0: catalog_ttl_s is no number of seconds"
    assert sold(street) == [("west", "a", 2.5)]


def test_files_may_be_paths(street):
    street.add("east", {})
    good = street.sellers["east"].answer
    street.sellers["east"].answer = lambda context: replace(good(context), files=(Path("/a"),))
    assert not read(street).failed
    assert known(street, "east").files == (("/a", "missing"),)


def test_dates_of_rows_are_dates_that_have_been(street):
    now = street.clock.now()
    dates = [5.0, now + 1e6, float("inf"), -1e300, float("nan")]
    street.add("east", *({"offer_id": f"{n}", "as_of": date} for n, date in enumerate(dates)))
    (outcome,) = read(street).outcomes
    with open_catalog(street.path) as store:
        rows = store.candidates(store.groups())
        offers = sorted(store.offers(rows["row"].tolist()), key=lambda offer: offer.offer_id)
    assert [offer.as_of for offer in offers] == [5.0, now, now, now, now]
    assert outcome.notes == ("as_of is no date in 2 rows: that of the catalog counts",)


def test_an_unknown_column_is_dropped_and_said(street):
    street.add("east", {"colour": "red", "acelerator": "x"})
    (outcome,) = read(street).outcomes
    assert outcome.error is None
    assert outcome.warnings(age, 0) == [
        "arb-east 1.0: unknown column 'colour' is dropped",
        "arb-east 1.0: unknown column 'acelerator' is dropped: did you mean 'accelerator'?",
    ]


def test_only_the_named_are_asked(street):
    east, west = street.add("east", {}), street.add("west", {})
    read(street)
    read(street, "west")
    assert (east.asked, west.asked) == (1, 2)
    assert [name for name, *_ in sold(street)] == ["east", "west"]


def test_a_name_that_is_not_installed_is_a_usage_error_and_asks_nobody(street):
    east = street.add("east", {})
    with pytest.raises(UsageError, match="did you mean 'east'"):
        read(street, "east", "eats")
    assert east.asked == 0


def test_wrong_options_of_one_provider_cost_that_provider(street):
    street.add("east", {})
    street.add("west", {})
    street.options["east"] = {"rom": 1}
    report = read(street)
    assert [outcome.row.name for outcome in report.failed] == ["east"]
    assert "rom" in report.failed[0].error.summary


def test_a_provider_that_is_gone_is_dropped_at_the_next_refresh(street):
    street.add("east", {})
    street.add("west", {})
    read(street)
    del street.sellers["east"]
    read(street)
    assert [name for name, *_ in sold(street)] == ["west"]
    assert known(street, "east") is None


def test_a_provider_that_is_gone_is_dropped_also_when_nobody_answers(street):
    street.add("east", {})
    street.add("west", {})
    read(street)
    del street.sellers["east"]
    street.fail("west", ProviderUnavailable("down"))
    read(street)
    assert [name for name, *_ in sold(street)] == ["west"]


def test_a_provider_that_is_switched_off_is_not_asked_and_keeps_its_rows(street):
    east = street.add("east", {})
    street.add("west", {})
    read(street)
    street.disabled = frozenset({"east"})
    read(street)
    assert east.asked == 1
    assert [name for name, *_ in sold(street)] == ["east", "west"]
    with open_catalog(street.path, street.plugins.provider_names()) as store:
        assert {group.provider for group in store.groups()} == {"west"}


def test_the_billing_floor_of_the_provider_is_that_of_offers_without_one(street):
    nan = float("nan")
    rows = ({"minimum_s": nan}, {"offer_id": "b", "minimum_s": 5.0})
    street.add("east", *rows, minimum_s=1200)
    read(street)
    with open_catalog(street.path) as store:
        frame = store.candidates(store.groups())
    assert dict(zip(frame["offer_id"], frame["minimum_s"], strict=True)) == {"a": 1200, "b": 5}


def test_price_0_is_for_owned_machines(street):
    owned = frozenset({Capability.ON_DEMAND, Capability.OWNED})
    street.add("mine", {"price_usd_hour": 0.0}, capabilities=owned)
    street.add("theirs", {"price_usd_hour": 0.0}, {"offer_id": "b"})
    read(street)
    assert sold(street) == [("mine", "a", 0.0), ("theirs", "b", 2.5)]
    with open_catalog(street.path) as store:
        assert {g.provider: g.owned for g in store.groups()} == {"mine": True, "theirs": False}


@pytest.mark.parametrize("date", [float("nan"), float("inf"), -1.0, -1e300, 1e300, 10**400])
def test_a_catalog_without_a_date_is_refused(street, date):
    street.add("east", {})
    street.sell("east", {}, as_of=date)
    (failed,) = read(street).failed
    assert failed.error.summary == "arb-east 1.0: the date of the catalog is no date"


def test_prices_of_the_future_are_of_now(street):
    street.add("east", {})
    street.sell("east", {}, as_of=street.clock.now() + 1e6)
    read(street)
    assert known(street, "east").as_of == street.clock.now()


def test_older_rows_do_not_replace_newer_ones_of_another_process(street):
    street.add("east", {})
    before = street.clock.now()

    def another_process_reads(text):
        if not text:  # everybody has answered
            street.clock.set_wall(before + 1000)
            street.sell("east", {"price_usd_hour": 9.0})
            read(street)

    refresh(street.plugins, street.path, clock=street.clock, state=another_process_reads)
    assert sold(street) == [("east", "a", 9.0)]
    assert known(street, "east").refreshed_at == before + 1000


def test_rows_that_a_wrong_clock_dated_are_replaced_once_it_is_right(street):
    street.add("east", {})
    right = street.clock.now()
    street.clock.set_wall(right + 1e6)
    read(street)
    street.clock.set_wall(right)
    street.sell("east", {"price_usd_hour": 9.0})
    read(street)
    assert sold(street) == [("east", "a", 9.0)]
    assert known(street, "east").refreshed_at == right


def test_a_failure_is_told_though_a_wrong_clock_dated_the_rows(street):
    street.add("east", {})
    right = street.clock.now()
    street.clock.set_wall(right + 1e6)
    read(street)
    street.clock.set_wall(right)
    street.fail("east", ProviderUnavailable("east is down"))
    read(street)
    assert known(street, "east").error == "east is down"
    assert sold(street) == [("east", "a", 2.5)]


def test_a_late_failure_says_nothing_of_what_another_process_read_meanwhile(street):
    seller = street.add("east", {})
    good = seller.answer

    def answer(context):
        seller.answer = good
        street.clock.advance(5)
        read(street)  # the other process
        street.clock.advance(5)
        raise CredentialsError("the key was refused")

    seller.answer = answer
    assert len(read(street).failed) == 1
    row = known(street, "east")
    assert (row.error, row.rows, row.refreshed_at) == ("", 1, street.clock.now() - 5)


def test_many_that_read_at_once_lose_nothing_of_each_other(street):
    names = ["p0", "p1", "p2", "p3"]
    for number, name in enumerate(names):
        street.add(name, {"price_usd_hour": 1.0 + number})
    start = threading.Barrier(len(names))

    def wait_and_read(plugins, name):
        start.wait(10)
        refresh(plugins, street.path, [name], clock=street.clock)

    workers = [threading.Thread(target=wait_and_read, args=(street.plugins, n)) for n in names]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(30)
    assert sold(street) == [(name, "a", 1.0 + number) for number, name in enumerate(names)]


KILLED = """
import os, signal, sys
from dataclasses import replace
from pathlib import Path
import arb.catalog.write as write
from tests.support.catalogs import write_big_catalog
write._write_rows = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
write_big_catalog(Path(sys.argv[1]), 100, 2)
"""


def test_dying_in_the_middle_leaves_the_old_file_and_the_next_one_tidies_up(street):
    street.add("east", {})
    read(street)
    done = subprocess.run([sys.executable, "-c", KILLED, street.path], cwd=ROOT, check=False)
    assert done.returncode == -signal.SIGKILL
    assert sold(street) == [("east", "a", 2.5)]
    assert len(list(street.folder.glob(".catalog.db-*"))) == 1
    read(street)
    assert sold(street) == [("east", "a", 2.5)]
    assert list(street.folder.glob(".catalog.db-*")) == []


def test_a_damaged_file_is_made_anew_of_what_was_read(street):
    street.add("east", {})
    street.add("west", {})
    read(street)
    spoiled = bytearray(street.path.read_bytes())
    spoiled[4096:] = b"\xff" * (len(spoiled) - 4096)
    street.path.write_bytes(spoiled)
    (outcome,) = read(street, "east").outcomes
    assert outcome.error is None
    assert sold(street) == [("east", "a", 2.5)]
    assert stale(open_catalog(street.path), street.plugins, now=street.clock.now()) == ("west",)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written_says_what_to_do(street):
    street.add("east", {})
    street.folder.chmod(0o500)
    try:
        with pytest.raises(StateError) as caught:
            read(street)
    finally:
        street.folder.chmod(0o700)
    assert "ARB_HOME" in caught.value.hint


def test_a_folder_that_is_not_there_says_what_to_do(street):
    street.add("east", {})
    with pytest.raises(StateError, match="cannot write"):
        refresh(street.plugins, street.folder / "no" / "c.db", clock=street.clock)


def test_who_is_awaited_is_told(street):
    street.add("east", {})
    street.add("west", {})
    told = []
    refresh(street.plugins, street.path, clock=street.clock, state=told.append)
    assert told == ["reading prices of east, west", ""]


def test_nobody_to_ask_writes_nothing(street):
    assert read(street).outcomes == ()
    assert not street.path.exists()
