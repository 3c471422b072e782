"""A frame's rows as offers, checked as a refresh checks them."""

from __future__ import annotations

import dataclasses
import json

import pytest
from tests.support.sellers import ROW

from arb.catalog import offers_from_catalog
from arb.errors import PluginError
from arb.types import Catalog, Offer

np = pytest.importorskip("numpy")
pd = pytest.importorskip("pandas")


def read(*rows, owned=False, **dtypes):
    frame = pd.DataFrame([{**ROW, **row} for row in rows]).astype(dtypes)
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
    more = {"payload": '{"x": 1}', "capacity": np.int64(3), "available": True, "latitude": 1.5}
    (offer,), _ = read(more, **types)
    for field in dataclasses.fields(offer):
        assert type(getattr(offer, field.name)).__module__ == "builtins", field.name
    assert (offer.capacity, offer.available, offer.latitude) == (3, True, 1.5)
    json.loads(offer.to_json())


def test_what_is_unknown_is_none_and_a_date_of_its_own_is_kept():
    rows = ({"as_of": 5.0}, {"offer_id": "b", "as_of": float("nan"), "available": None})
    (first, second), _ = read(*rows)
    assert (first.as_of, second.as_of) == (5.0, 123.0)
    assert (second.available, second.capacity, second.user_data) == (None, None, None)
    assert (second.latitude, second.longitude) == (None, None)


def test_a_row_that_is_refused_is_named_with_its_reason():
    offers, rejected = read({}, {"offer_id": "b", "price_usd_hour": -1.0}, {"offer_id": "c"})
    assert [offer.offer_id for offer in offers] == ["a", "c"]
    assert [(row.offer_id, row.reason) for row in rejected] == [("b", "the price is negative")]


def test_a_missing_column_is_the_plugins_fault():
    frame = pd.DataFrame([ROW]).drop(columns=["zone", "spot"])
    with pytest.raises(PluginError, match="provider cloud has no columns zone, spot"):
        offers_from_catalog("cloud", Catalog(frame, "live", 0), owned=False)
