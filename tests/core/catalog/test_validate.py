"""Good rows stay in normal form, bad ones are refused with their reason."""

from __future__ import annotations

import math
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.examples import examples
from tests.support.catalogs import make_frame
from tests.support.sellers import ROW

from arb.catalog.columns import normal_dtypes
from arb.catalog.validate import validate
from arb.errors import PluginError

np = pytest.importorskip("numpy")
pd = pytest.importorskip("pandas")
NAN = float("nan")


def check(*rows, owned=False, dtypes=None, **kwargs):
    frame = pd.DataFrame([{**ROW, **row} for row in rows])
    return validate(frame.astype(dtypes or {}), owned=owned, **kwargs)


def reasons(checked):
    return [fault.reason for fault in checked.faults]


def values(checked, column):
    return checked.frame[column].tolist()


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"price_usd_hour": NAN}, "the price is not a number"),
        ({"price_usd_hour": math.inf}, "the price is not a number"),
        ({"price_usd_hour": -1.0}, "the price is negative"),
        ({"price_usd_hour": 0.0}, "the price is 0"),
        ({"offer_id": ""}, "the offer has no id"),
        ({"offer_id": None}, "the offer has no id"),
        ({"instance_type": ""}, "the offer has no instance_type"),
        ({"region": ""}, "the offer has no region"),
        ({"spot": None}, "spot is neither true nor false"),
        ({"vcpus": NAN}, "vcpus is not a number"),
        ({"memory_gib": math.inf}, "memory_gib is not a number"),
        ({"memory_gib": 1e6}, "memory_gib is too large: is it MiB?"),
        ({"accelerator_count": -1.0}, "accelerator_count is negative"),
        ({"accelerator_count": 0.0}, "there is an accelerator and no accelerator_count"),
        ({"accelerator": ""}, "there is an accelerator_count and no accelerator"),
        ({"accelerator_gib": 81559.0}, "accelerator_gib is too large: is it MiB?"),
        ({"accelerator": "My", "accelerator_gib": 1e6}, "accelerator_gib is too large: is it MiB?"),
        ({"disk_gib": -5.0}, "disk_gib is negative"),
        ({"minimum_s": math.inf}, "minimum_s is not a number"),
        ({"capacity": -1.0}, "capacity is negative"),
        ({"price_usd_hour": 1e308}, "the price is too large"),
        ({"vcpus": 1e300}, "vcpus is too large"),
        ({"disk_gib": 1e300}, "disk_gib is too large"),
        ({"minimum_s": 1e300}, "minimum_s is too large"),
        ({"accelerator_count": 1e300}, "accelerator_count is too large"),
        ({"accelerator_count": 5e-324}, "accelerator_count is too small"),
    ],
)
def test_a_bad_row_is_refused_with_its_reason_and_the_others_stay(changes, reason):
    checked = check({"offer_id": "good"}, {"offer_id": "bad", **changes})
    assert values(checked, "offer_id") == ["good"]
    assert reasons(checked) == [reason]
    assert checked.refused == 1


def test_reasons_are_counted_with_the_first_offer_as_the_example():
    rows = [{"offer_id": f"n{i}", "price_usd_hour": -0.5 * i} for i in range(4)]
    checked = check({}, *rows)
    assert list(map(str, checked.faults)) == [
        "3 offers: the price is negative (first: n1, -0.5)",
        "1 offer: the price is 0 (first: n0)",
    ]


def test_a_row_counts_under_its_first_fault_only():
    checked = check({}, {"offer_id": "", "price_usd_hour": -1.0, "region": ""})
    assert [(fault.reason, fault.count) for fault in checked.faults] == [("the offer has no id", 1)]


def test_price_0_is_for_owned_machines():
    assert len(check({"price_usd_hour": 0.0}, owned=True).frame) == 1


def test_ones_own_machines_cost_what_one_says():
    rows = [
        {"offer_id": f"{n}", "accelerator_count": float(n), "vcpus": 8.0 * n, "memory_gib": 8.0 * n,
         "price_usd_hour": price, "instance_type": f"host-{n}"}
        for n, price in ((1, 0.0), (2, 0.0), (4, 500.0), (8, 1.0))
    ]  # fmt: skip
    assert check(*rows, owned=True).faults == ()
    assert check(*rows).refused > 0


def test_an_identity_may_not_stand_twice_but_may_differ_in_spot():
    checked = check({}, {"spot": True}, {"region": "elsewhere"})
    assert list(zip(values(checked, "spot"), values(checked, "region"), strict=True)) == [
        (False, "r"),
        (True, "r"),
    ]
    assert reasons(checked) == ["the same offer_id stands twice"]


@pytest.mark.parametrize(
    ("gone", "told"), [(["zone"], "no column zone"), (["zone", "spot"], "no columns zone, spot")]
)
def test_a_missing_column_is_the_plugins_fault(gone, told):
    with pytest.raises(PluginError, match=f"^{told}$"):
        validate(pd.DataFrame([ROW]).drop(columns=gone))


def test_an_empty_catalog_is_fine():
    checked = validate(pd.DataFrame(columns=list(ROW)))
    assert (len(checked.frame), checked.faults, checked.notes) == (0, (), ())
    assert checked.frame.dtypes.astype(str).to_dict() == normal_dtypes()


def test_the_normal_form_has_every_column_with_its_dtype():
    assert check({}).frame.dtypes.astype(str).to_dict() == normal_dtypes()


def test_optional_columns_take_their_defaults():
    (row,) = check({}).frame.astype(object).to_dict("records")
    told = {
        name: row[name] for name in ("arch", "interconnect", "payload", "disk_gib", "minimum_s")
    }
    expected = {
        "arch": "x86_64",
        "interconnect": "",
        "payload": "{}",
        "disk_gib": 0,
        "minimum_s": 0,
    }
    assert told == expected
    assert all(pd.isna(row[name]) for name in ("available", "capacity", "latitude", "as_of"))


@pytest.mark.parametrize("unknown", [None, NAN, pd.NA], ids=["None", "nan", "NA"])
def test_what_is_missing_in_one_row_takes_its_default(unknown):
    optional = dict.fromkeys(
        ("zone", "arch", "payload", "note", "available", "capacity", "user_data", "disk_gib"),
        unknown,
    )
    checked = check(optional, {"offer_id": "b", "zone": "z", "arch": "arm64", "payload": '{"a": 1}',
                               "note": "n", "available": True, "capacity": 3, "user_data": False,
                               "disk_gib": 5.0})  # fmt: skip
    assert checked.faults == ()
    first, second = checked.frame.astype(object).to_dict("records")
    assert [first[name] for name in ("zone", "arch", "payload", "note", "disk_gib")] == [
        "", "x86_64", "{}", "", 0,
    ]  # fmt: skip
    assert all(pd.isna(first[name]) for name in ("available", "capacity", "user_data"))
    assert (second["available"], second["capacity"], second["user_data"]) == (True, 3, False)


def test_the_billing_floor_of_the_provider_is_a_default():
    checked = check({"minimum_s": NAN}, {"offer_id": "b", "minimum_s": 0.0}, minimum_s=1200)
    assert values(checked, "minimum_s") == [1200, 0]


def test_float32_loses_no_money_and_shows_no_noise():
    checked = check({"vcpus": 1.6, "price_usd_hour": 0.1}, dtypes={"vcpus": "float32"})
    assert (values(checked, "vcpus"), values(checked, "price_usd_hour")) == ([1.6], [0.1])


def test_accelerators_get_one_name_and_what_it_tells():
    checked = check(
        {"offer_id": "a", "accelerator": "NVIDIA A100-SXM4-80GB", "accelerator_gib": 79.6},
        {"offer_id": "b", "accelerator": "a100", "accelerator_gib": 0.0},
        {"offer_id": "c", "accelerator": "a100", "accelerator_gib": 80.0, "interconnect": "PCIe"},
        {"offer_id": "d", "accelerator": "tpu-v5litepod-8", "accelerator_count": 1.0},
        {"offer_id": "e", "accelerator": " My Chip ", "accelerator_gib": 7.5},
    )
    columns = ["accelerator", "accelerator_gib", "accelerator_count", "interconnect"]
    assert checked.frame[columns].astype(object).to_numpy().tolist() == [
        ["A100-80GB", 80, 8, "SXM"],
        ["A100", 40, 8, ""],
        ["A100-80GB", 80, 8, "PCIe"],
        ["TPU-v5e", 80, 8, ""],
        ["My Chip", 7.5, 8, ""],
    ]


def test_places_off_this_earth_are_unknown_and_said():
    checked = check({"latitude": 91.0, "longitude": 10.0}, {"offer_id": "b", "latitude": 50.0})
    assert checked.faults == ()
    assert checked.notes == ("latitude beyond 90 degrees in 1 rows is ignored",)
    assert math.isnan(checked.frame["latitude"][0])
    assert checked.frame["latitude"][1] == 50


def test_text_that_is_no_text_does_not_stop_the_others():
    checked = check({"offer_id": "\ud800x", "note": "\udfff"}, {"offer_id": "b"})
    assert values(checked, "offer_id") == ["?x", "b"]
    assert values(checked, "note")[0] == "?"


cells = st.one_of(
    st.none(), st.just(pd.NA), st.booleans(), st.integers(-3, 3), st.floats(),
    st.sampled_from(["", "x", "H100"]),
)  # fmt: skip
COLUMNS = [*ROW, "available", "note", "capacity", "minimum_s", "payload", "latitude"]


@examples(80)
@given(
    rows=st.lists(st.dictionaries(st.sampled_from(COLUMNS), cells), max_size=4), owned=st.booleans()
)
def test_any_row_is_good_or_refused(rows, owned):
    frame = pd.DataFrame([{**ROW, **row} for row in rows], columns=COLUMNS).astype(object)
    checked = validate(frame, owned=owned)
    assert len(checked.frame) + checked.refused == len(rows)
    assert checked.frame.dtypes.astype(str).to_dict() == normal_dtypes()
    again = validate(checked.frame, owned=owned)
    assert again.faults == ()
    pd.testing.assert_frame_equal(again.frame, checked.frame, check_categorical=False)


def test_checking_rows_costs_in_proportion_to_them():
    assert _cost_s(60_000) < 40 * _cost_s(6_000), "ten times the rows"


def _cost_s(rows: int) -> float:
    """Return the least CPU time of three checks: what else runs here does not count."""
    frame = make_frame("cloud01", rows)
    took = []
    for _ in range(3):
        begun = time.process_time()
        validate(frame)
        took.append(time.process_time() - begun)
    return min(took)
