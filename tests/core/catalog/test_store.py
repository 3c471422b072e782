"""The catalog file: what is written is read, and what cannot be read is as good as not there."""

from __future__ import annotations

import math
import sqlite3
from contextlib import closing

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.examples import examples
from tests.support.catalogs import NOW, make_frame, make_frames, write_big_catalog

from arb.catalog.columns import normal_dtypes
from arb.catalog.schema import FORMAT, ProviderRow
from arb.catalog.store import open_catalog
from arb.catalog.validate import validate
from arb.catalog.write import write_catalog, write_providers
from arb.errors import StateError
from arb.types import Offer

pd = pytest.importorskip("pandas")


@pytest.fixture(scope="module")
def big(tmp_path_factory):
    path = tmp_path_factory.mktemp("big") / "catalog.db"
    write_big_catalog(path, 4000, providers=4)
    return path


@pytest.fixture
def write(tmp_path, row):
    """Write rows by provider and return the path."""

    def write(**rows):
        frames = {
            name: validate(pd.DataFrame([{**row, **each} for each in of_name]), owned=True).frame
            for name, of_name in rows.items()
        }
        known = [ProviderRow(name, "d", "1", "live", NOW, NOW, NOW) for name in rows]
        path = tmp_path / "catalog.db"
        write_catalog(path, known, frames)
        return path

    return write


texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=6)
amounts = st.integers(0, 10**9).map(lambda value: value / 1000)
rows = st.fixed_dictionaries({
    "offer_id": texts.filter(bool),
    "region": texts.filter(bool),
    "zone": texts,
    "instance_type": texts.filter(bool),
    "accelerator": st.sampled_from(["H100", "Ünknown chip"]),
    "accelerator_count": st.sampled_from([0.125, 1.0, 8.0]),
    "accelerator_gib": st.sampled_from([0.0, 80.0]),
    "vcpus": amounts,
    "memory_gib": amounts,
    "spot": st.booleans(),
    "price_usd_hour": st.sampled_from([1.0, 1.5, 2.0]),
    "arch": st.sampled_from(["x86_64", "arm64"]),
    "interconnect": st.sampled_from(["", "SXM"]),
    "fabric": texts,
    "quota_family": texts,
    "disk_gib": amounts,
    "minimum_s": amounts,
    "available": st.sampled_from([None, True, False]),
    "capacity": st.none() | st.integers(0, 2**53),
    "user_data": st.sampled_from([None, True, False]),
    "latitude": st.none() | st.integers(-90, 90).map(float),
    "longitude": st.none() | amounts,
    "note": texts,
    "payload": texts.filter(bool) | st.just("{}"),
    "as_of": st.none() | amounts,
})  # fmt: skip
by_identity = st.lists(rows, max_size=5, unique_by=lambda row: (row["offer_id"], row["spot"]))


def frame_of(given_rows):
    frame = pd.DataFrame(given_rows, columns=list(normal_dtypes()))
    return frame.astype({**normal_dtypes(), "accelerator": "category"})


def comparable(frame):
    """Return a frame's rows as plain values, in an order of their own."""
    plain = frame.astype(object).where(frame.notna(), None)
    return sorted(map(repr, plain[list(normal_dtypes())].itertuples(index=False)))


@examples(40)
@given(written=st.dictionaries(st.sampled_from(["east", "west"]), by_identity))
def test_what_is_written_is_read(tmp_path_factory, written):
    path = tmp_path_factory.mktemp("round") / "catalog.db"
    frames = {name: frame_of(of_name) for name, of_name in written.items()}
    write_catalog(path, [ProviderRow(n, as_of=-1.0, source="live") for n in written], frames)
    with open_catalog(path) as store:
        assert [row.rows for row in store.providers()] == [len(written[n]) for n in sorted(written)]
        for name, frame in frames.items():
            assert comparable(store.frame_of(name)) == comparable(frame)
        found = store.candidates(store.groups(), whole=True)
        offers = store.offers(found["row"].tolist())
    assert [(o.provider, o.offer_id, o.spot) for o in offers] == list(
        zip(found["provider"], found["offer_id"], found["spot"], strict=True)
    )
    given_rows = {
        (n, r["offer_id"], r["spot"]): r for n, of_name in written.items() for r in of_name
    }
    for offer in offers:
        for name, value in given_rows[offer.key].items():
            told = getattr(offer, name)
            assert told == value or (name == "as_of" and value is None and told == -1.0), name


def test_offers_are_sorted_by_group_and_in_a_group_cheapest_first(big):
    with open_catalog(big) as store:
        frame = store.candidates(store.groups())
        groups = store.groups()
    assert frame["row"].is_monotonic_increasing
    of_group = ["accelerator", "accelerator_count", "accelerator_gib", "spot", "provider"]
    keys = list(frame[of_group].astype(object).itertuples(index=False, name=None))
    assert keys == sorted(keys)
    frame["unavailable"] = frame["available"].eq(False).fillna(value=False)
    for group, rows_of_group in frame.groupby("group"):
        inner = rows_of_group[["unavailable", "price_usd_hour", "region", "zone", "instance_type"]]
        inner = list(inner.astype(object).itertuples(index=False, name=None))
        assert inner == sorted(inner)
        assert groups[group].rows == len(inner)
        assert groups[group].cheapest_usd_hour == rows_of_group["price_usd_hour"].min()


def test_exact_ties_are_in_order_of_their_ids(write):
    path = write(east=[{"offer_id": name} for name in "cabed"])
    with open_catalog(path) as store:
        assert store.candidates(store.groups())["offer_id"].tolist() == list("abcde")


def test_what_is_said_to_be_sold_out_comes_last_however_cheap(write):
    path = write(east=[{"offer_id": "out", "price_usd_hour": 1.0, "available": False}, {}])
    with open_catalog(path) as store:
        assert store.candidates(store.groups())["offer_id"].tolist() == ["a", "out"]
        assert store.groups()[0].cheapest_usd_hour == 1.0


def test_a_group_is_what_first_filters_cannot_tell_apart(write):
    path = write(
        east=[{}, {"offer_id": "b", "region": "far"}, {"offer_id": "c", "accelerator_count": 1.0}],
        west=[{}, {"spot": True}],
    )
    with open_catalog(path) as store:
        told = {(g.provider, g.accelerator_count, g.spot): g.rows for g in store.groups()}
    assert told == {
        ("east", 8.0, False): 2,
        ("east", 1.0, False): 1,
        ("west", 8.0, False): 1,
        ("west", 8.0, True): 1,
    }


def test_candidates_are_those_of_the_groups_asked_for(big):
    with open_catalog(big) as store:
        wanted = [g for g in store.groups() if g.accelerator == "H100" and g.provider == "cloud02"]
        frame = store.candidates(reversed(wanted))
    assert len(frame) == sum(group.rows for group in wanted)
    assert set(frame["group"]) == {group.id for group in wanted}
    assert set(frame["provider"]) == {"cloud02"}


def test_candidates_of_no_group_have_all_columns(big):
    with open_catalog(big) as store:
        some = store.candidates(store.groups()[:1], whole=True)
        none = store.candidates([], whole=True)
    assert len(none) == 0
    assert list(none.columns) == list(some.columns)


def test_unknown_values_are_missing_in_candidates(write):
    path = write(east=[{"capacity": 3, "available": True, "latitude": 10.0}, {"offer_id": "b"}])
    with open_catalog(path) as store:
        frame = store.candidates(store.groups()).set_index("offer_id")
    assert (frame["capacity"]["a"], frame["available"]["a"], frame["latitude"]["a"]) == (
        3,
        True,
        10,
    )
    assert frame["capacity"].isna()["b"]
    assert frame["available"].isna()["b"]
    assert math.isnan(frame["latitude"]["b"])


def test_offers_come_in_the_order_asked_for_and_twice_when_asked_twice(big):
    with open_catalog(big) as store:
        rows = [37, 5, 3999, 5, *range(1000, 2200)]
        offers = store.offers(rows)
        again = {row: store.offers([row])[0] for row in (37, 5, 3999)}
    assert offers[:4] == [again[37], again[5], again[3999], again[5]]
    assert len(offers) == len(rows)
    assert all(type(offer) is Offer for offer in offers)


def test_a_row_that_is_not_there_is_a_key_error(big):
    with open_catalog(big) as store, pytest.raises(KeyError):
        store.offers([4000])


def test_providers_that_are_not_to_be_shown_are_nowhere(big):
    with open_catalog(big, providers=["cloud01", "elsewhere"]) as store:
        assert [row.name for row in store.providers()] == ["cloud01"]
        assert {group.provider for group in store.groups()} == {"cloud01"}
        assert set(store.candidates(store.groups())["provider"]) == {"cloud01"}


def test_what_is_sold_is_known_by_name_and_count(big):
    with open_catalog(big) as store:
        assert store.accelerators()["A10G"] == (1.0, 4.0, 8.0)
        assert "" not in store.accelerators()


def test_an_open_catalog_stays_what_it_was(write):
    path = write(east=[{}])
    with open_catalog(path) as store:
        write(west=[{}, {"offer_id": "b"}])
        assert [group.provider for group in store.groups()] == ["east"]
        assert len(store.candidates(store.groups())) == 1


def test_what_is_known_of_providers_can_be_written_without_their_offers(write):
    path = write(east=[{}], west=[{}])
    with open_catalog(path) as store:
        east = store.provider("east")
        offers = store.candidates(store.groups())
    failed = ProviderRow("west", "d", "2", "live", 1.5, error="down", files=(("/x", "1:2:3"),))
    write_providers(path, [east, failed])
    with open_catalog(path) as store:
        assert store.providers() == (east, failed)
        assert store.provider("west") == failed
        pd.testing.assert_frame_equal(store.candidates(store.groups()), offers)


def garbage(path):
    path.write_bytes(b"not a database at all" * 100)


def truncated(path):
    path.write_bytes(path.read_bytes()[:-4096])


def empty(path):
    path.write_bytes(b"")


def older(path):
    with sqlite3.connect(path) as database:
        database.execute(f"PRAGMA user_version = {FORMAT + 1}")
    database.close()


def another(path):
    path.unlink()
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE offers (row)")
    database.close()


def folder(path):
    path.unlink()
    path.mkdir()


def missing(path):
    path.unlink()


BROKEN = [garbage, truncated, empty, older, another, folder, missing]


@pytest.mark.parametrize("spoil", BROKEN, ids=[f.__name__ for f in BROKEN])
def test_a_file_that_cannot_be_used_is_an_empty_catalog(write, spoil):
    path = write(east=[{}])
    spoil(path)
    with open_catalog(path) as store:
        assert (store.providers(), store.groups(), store.accelerators()) == ((), (), {})
        assert len(store.candidates(store.groups())) == 0


def test_damage_inside_is_told_and_the_file_removed(tmp_path):
    path = tmp_path / "catalog.db"
    write_big_catalog(path, 2000, providers=2)
    spoiled = bytearray(path.read_bytes())
    spoiled[8192:] = b"\xff" * (len(spoiled) - 8192)
    path.write_bytes(spoiled)
    with open_catalog(path) as store, pytest.raises(StateError, match="damaged") as caught:
        store.candidates(store.groups())
    assert "again" in caught.value.hint
    assert not path.exists()


def read_all(store):
    store.providers()
    store.candidates(store.groups(), whole=True)
    store.offers(range(20))


def test_a_file_that_contradicts_itself_is_told_and_removed(tmp_path):
    statements = [
        "UPDATE providers SET document = '{'",
        "UPDATE providers SET document = 5",
        "UPDATE offers SET region = 99",
        "UPDATE offers SET price_usd_hour = 'x'",
        "DELETE FROM offers WHERE row = 7",
        "UPDATE groups SET rows = rows + 1",
    ]
    for number, statement in enumerate(statements):
        path = tmp_path / f"{number}.db"
        write_big_catalog(path, 20, providers=1)
        with closing(sqlite3.connect(path)) as database:
            database.execute(statement)
            database.commit()
        with open_catalog(path) as store, pytest.raises(StateError, match="damaged"):
            read_all(store)
        assert not path.exists(), statement


def test_what_is_wrong_with_the_caller_is_no_damage(tmp_path):
    path = tmp_path / "catalog.db"
    write_big_catalog(path, 20, providers=1)
    store = open_catalog(path)
    for row in (20, -1):
        with pytest.raises(KeyError):
            store.offers([row])
    store.close()
    with pytest.raises(sqlite3.ProgrammingError):
        store.groups()
    assert path.exists()


def test_a_path_may_hold_anything(tmp_path):
    folder = tmp_path / "50% of #1?&x=y é"
    folder.mkdir()
    write_big_catalog(folder / "catalog.db", 20, providers=1)
    with open_catalog(folder / "catalog.db") as store:
        assert len(store.candidates(store.groups())) == 20


def test_generated_catalogs_are_the_same_each_time_and_of_the_size_asked_for():
    first, again = make_frames(1003, 4), make_frames(1003, 4)
    assert sum(map(len, first.values())) == 1003
    for name, frame in first.items():
        pd.testing.assert_frame_equal(frame, again[name])
    assert not make_frames(100, 4, seed=1)["cloud00"].equals(make_frames(100, 4)["cloud00"])


def test_generated_catalogs_are_good_ones():
    checked = validate(make_frame("cloud01", 9000))
    assert (checked.faults, checked.notes) == ((), ())
