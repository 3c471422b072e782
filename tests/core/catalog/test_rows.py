"""From a provider's frame to offers: good rows stay, bad ones are refused with their reason."""

from __future__ import annotations

import dataclasses
import json
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arb.catalog import offers_from_catalog
from arb.catalog.rows import REQUIRED
from arb.errors import PluginError
from arb.types import Catalog, Offer

np = pytest.importorskip("numpy")
pd = pytest.importorskip("pandas")
settings.register_profile("arb-catalog", database=None, deadline=None, max_examples=80)
settings.load_profile("arb-catalog")

ROW = {
    "offer_id": "a",
    "region": "r",
    "zone": "",
    "instance_type": "t",
    "accelerator": "H100",
    "accelerator_count": 8.0,
    "accelerator_gib": 80.0,
    "vcpus": 8.0,
    "memory_gib": 64.0,
    "spot": False,
    "price_usd_hour": 2.5,
}


def read(*rows, owned=False, **columns):
    frame = pd.DataFrame([{**ROW, **row} for row in rows])
    for name, dtype in columns.items():
        frame[name] = frame[name].astype(dtype)
    return offers_from_catalog("cloud", Catalog(frame, "live", 123.0), owned=owned)


def test_a_row_becomes_an_offer_with_its_origin():
    (offer,), rejected = read({})
    assert rejected == []
    assert (offer.provider, offer.source, offer.as_of) == ("cloud", "live", 123.0)
    assert {name: getattr(offer, name) for name in ROW} == ROW
    assert Offer.from_json(offer.to_json()) == offer


def test_the_documented_dtypes_come_out_as_pythons_own():
    types = dict.fromkeys(("region", "zone", "instance_type", "accelerator"), "category")
    types |= dict.fromkeys(("accelerator_count", "vcpus", "memory_gib"), "float32")
    (offer,), _ = read({"payload": '{"x": 1}', "capacity": np.int64(3)}, **types)
    for field in dataclasses.fields(offer):
        assert type(getattr(offer, field.name)).__module__ == "builtins", field.name
    json.loads(offer.to_json())


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"price_usd_hour": float("nan")}, "the price is not a number"),
        ({"price_usd_hour": math.inf}, "the price is not a number"),
        ({"price_usd_hour": -1.0}, "the price is negative (-1.0)"),
        ({"price_usd_hour": 0.0}, "the price is 0"),
        ({"offer_id": ""}, "the offer has no id"),
        ({"instance_type": ""}, "the offer has no id"),
        ({"vcpus": float("nan")}, "vcpus is not a number"),
        ({"memory_gib": math.inf}, "memory_gib is not a number"),
        ({"accelerator_count": -1.0}, "accelerator_count is negative (-1.0)"),
        ({"region": ""}, "the offer has no region"),
    ],
)
def test_a_bad_row_is_refused_with_its_reason_and_the_others_stay(changes, reason):
    offers, rejected = read({"offer_id": "good"}, {"offer_id": "bad", **changes})
    assert [offer.offer_id for offer in offers] == ["good"]
    assert [each.reason for each in rejected] == [reason]


def test_price_0_is_for_owned_machines():
    assert len(read({"price_usd_hour": 0.0}, owned=True)[0]) == 1


def test_an_identity_may_not_stand_twice_but_may_differ_in_spot():
    offers, rejected = read({}, {"spot": True}, {"region": "elsewhere"})
    assert [(offer.spot, offer.region) for offer in offers] == [(False, "r"), (True, "r")]
    assert [each.reason for each in rejected] == ["the same offer_id stands twice"]


def test_a_missing_column_is_the_plugins_fault():
    frame = pd.DataFrame([ROW]).drop(columns=["zone", "spot"])
    with pytest.raises(PluginError, match="provider cloud has no column zone, spot"):
        offers_from_catalog("cloud", Catalog(frame, "live", 0), owned=False)


def test_an_empty_catalog_is_fine():
    frame = pd.DataFrame(columns=list(REQUIRED))
    assert offers_from_catalog("cloud", Catalog(frame, "live", 0), owned=False) == ([], [])


def test_unknown_columns_are_dropped():
    (offer,), _ = read({"colour": "red"})
    assert not hasattr(offer, "colour")


@pytest.mark.parametrize("unknown", [None, float("nan"), pd.NA], ids=["None", "nan", "NA"])
def test_what_is_unknown_is_none(unknown):
    frame = pd.DataFrame([{**ROW, "available": unknown, "capacity": unknown, "user_data": unknown}])
    (offer,), _ = offers_from_catalog("cloud", Catalog(frame, "live", 0), owned=False)
    assert (offer.available, offer.capacity, offer.user_data) == (None, None, None)


def test_a_nullable_column_may_be_known_in_some_rows():
    rows = ({"available": True}, {"offer_id": "b", "available": None})
    offers, _ = read(*rows, available="boolean")
    assert [offer.available for offer in offers] == [True, None]


@pytest.mark.parametrize("missing", [None, float("nan"), pd.NA], ids=["None", "nan", "NA"])
def test_a_text_that_is_missing_is_empty(missing):
    (offer,), _ = read({"zone": missing, "accelerator": missing, "note": missing})
    assert (offer.zone, offer.accelerator, offer.note) == ("", "", "")


def test_a_number_that_is_missing_costs_its_row_only():
    rows = ({"vcpus": pd.NA}, {"offer_id": "b", "vcpus": 4})
    offers, rejected = read(*rows, vcpus="Float64")
    assert [offer.offer_id for offer in offers] == ["b"]
    assert [each.reason for each in rejected] == ["vcpus is not a number"]


def test_an_optional_number_that_is_missing_takes_its_default():
    (offer,), _ = read({"minimum_s": float("nan"), "disk_gib": None})
    assert (offer.minimum_s, offer.disk_gib) == (0, 0)


cells = st.one_of(
    st.none(),
    st.just(pd.NA),
    st.booleans(),
    st.integers(-3, 3),
    st.floats(),
    st.sampled_from(["", "x", "H100"]),
)


@given(
    rows=st.lists(st.dictionaries(st.sampled_from([*ROW, "available", "note"]), cells), max_size=4)
)
def test_any_row_is_an_offer_or_refused(rows):
    frame = pd.DataFrame([{**ROW, **row} for row in rows], columns=[*ROW, "available", "note"])
    offers, rejected = offers_from_catalog(
        "cloud", Catalog(frame.astype(object), "live", 0), owned=False
    )
    assert len(offers) + len(rejected) == len(rows)
