"""Prices in cents or for one accelerator are found out by the provider's own rows; true ones never."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.examples import examples
from tests.support.sellers import ROW

from arb.catalog import plausible
from arb.catalog.validate import validate

pd = pytest.importorskip("pandas")


def check(*rows):
    """Each row: instance type, accelerator, count, price; then what else differs."""
    made = []
    for number, (kind, accelerator, count, price, more) in enumerate(rows):
        size = {"vcpus": 12.0 * max(count, 1), "memory_gib": 100.0 * max(count, 1)}
        made.append({
            **ROW, "offer_id": f"{number}", "instance_type": kind, "accelerator": accelerator,
            "accelerator_count": float(count), "accelerator_gib": 0.0, "price_usd_hour": price,
            **size, **more,
        })  # fmt: skip
    return validate(pd.DataFrame(made))


def h100(count, price, *, kind="", **more):
    return (kind or f"gpu_{count}x_h100_sxm5", "H100", count, price, more)


def told(checked):
    return {fault.reason: fault.count for fault in checked.faults}


def left(checked):
    return sorted(checked.frame["price_usd_hour"])


EAST, WEST, NORTH = {"region": "east"}, {"region": "west"}, {"region": "north"}
SPOT = {"spot": True}


def test_one_region_in_cents():
    checked = check(
        h100(1, 4.29, **EAST), h100(1, 4.29, **WEST), h100(1, 429.0, **NORTH),
    )  # fmt: skip
    assert told(checked) == {plausible.TOO_DEAR: 1}
    assert left(checked) == [4.29, 4.29]


@pytest.mark.parametrize("in_cents", [1, 2, 3])
def test_some_regions_of_a_cheap_type_in_cents(in_cents):
    prices = [52.6 if i < in_cents else 0.526 for i in range(4)]
    rows = [("g4", "T4", 1, price, {"region": f"r{i}"}) for i, price in enumerate(prices)]
    checked = check(*rows)
    assert sum(told(checked).values()) >= 1
    assert set(told(checked)) <= {plausible.CENTS, plausible.LOW}
    if in_cents <= 2:
        assert left(checked) == [0.526] * (4 - in_cents)


def test_one_region_that_is_too_cheap_for_its_type():
    checked = check(*(h100(1, 2.0, region=f"r{n}") for n in range(3)), h100(1, 0.066, **EAST))
    assert told(checked) == {plausible.LOW: 1}
    assert left(checked) == [2.0, 2.0, 2.0]


@pytest.mark.parametrize(
    ("spot", "faults"),
    [(30.0, {plausible.DISAGREE: 2}), (8.0, {plausible.DEMAND_PIECE: 1}),
     (33.0, {plausible.SPOT_CENTS: 1})],
    ids=["in doubt", "by piece", "more than all pieces"],
)  # fmt: skip
def test_spot_of_eight_above_on_demand(spot, faults):
    assert told(check(h100(8, 4.0), h100(8, spot, **SPOT))) == faults


def test_one_type_in_cents_among_others_of_its_accelerator():
    rows = [(f"g5.{n}xlarge", "A10G", 1, p, {}) for n, p in ((1, 1.006), (2, 1.212), (4, 1.624))]
    checked = check(*rows, ("g5.8xlarge", "A10G", 1, 244.8, {}))
    assert told(checked) == {plausible.TOO_DEAR: 1}
    checked = check(*rows, ("g5.8xlarge", "A10G", 1, 88.0, {}))
    assert told(checked) == {plausible.CENTS: 1}


def test_spot_in_cents_beside_on_demand_in_dollars():
    checked = check(
        ("g4", "T4", 1, 0.526, {}), ("g4", "T4", 1, 16.0, SPOT), ("g4", "T4", 1, 0.5, WEST),
    )  # fmt: skip
    assert told(checked) == {plausible.SPOT_CENTS: 1}
    assert left(checked) == [0.5, 0.526]


def test_spot_of_machines_without_accelerators_in_cents():
    checked = check(("m7.large", "", 0, 0.1008, {}), ("m7.large", "", 0, 4.0, SPOT))
    assert told(checked) == {plausible.SPOT_CENTS: 1}


def test_on_demand_in_cents_beside_spot_in_dollars():
    checked = check(("g4", "T4", 1, 52.6, {}), ("g4", "T4", 1, 0.16, SPOT))
    assert told(checked) == {plausible.DEMAND_CENTS: 1}
    assert left(checked) == [0.16]


def test_a_placeholder_price_does_not_cost_its_kin():
    rows = [h100(8, 31.92, region=f"r{i}") for i in range(4)]
    checked = check(*rows, h100(8, 0.01, region="r9"))
    assert told(checked) == {plausible.LOW: 1}
    assert left(checked) == [31.92] * 4


@pytest.mark.parametrize("spot", [False, True])
def test_eight_that_cost_what_one_does(spot):
    checked = check(
        h100(1, 3.90, spot=spot), h100(8, 3.90, spot=spot), h100(4, 3.90, spot=spot),
        h100(1, 3.95, spot=spot, **WEST), h100(8, 3.95, spot=spot, **WEST),
    )  # fmt: skip
    assert told(checked) == {plausible.PIECE: 3}
    assert left(checked) == [3.90, 3.95]


def test_one_family_among_good_ones():
    good = [(f"l4-{n}", "L4", n, 0.7 * n, {}) for n in (1, 2, 4)]
    good += [(f"a100-{n}", "A100", n, 1.9 * n, {}) for n in (1, 8)]
    checked = check(h100(1, 3.90), h100(8, 3.90), *good)
    assert told(checked) == {plausible.PIECE: 1}
    assert len(checked.frame) == 6


def test_cents_elsewhere_hide_no_price_for_one_accelerator():
    checked = check(
        h100(1, 390.0), h100(1, 3.90, **WEST), h100(8, 3.90, **WEST), h100(8, 31.2, **EAST),
        h100(1, 3.90, **NORTH), h100(8, 3.90, **NORTH),
    )  # fmt: skip
    assert told(checked) == {plausible.TOO_DEAR: 1, plausible.PIECE: 2}


def test_spot_for_one_accelerator_where_on_demand_is_for_the_machine():
    checked = check(h100(1, 3.90), h100(8, 31.20), h100(1, 1.66, **SPOT), h100(8, 1.66, **SPOT))
    assert told(checked) == {plausible.PIECE: 1}
    assert left(checked) == [1.66, 3.90, 31.20]


def test_on_demand_for_one_accelerator_where_spot_is_for_the_machine():
    checked = check(h100(8, 6.88), h100(8, 17.63, **SPOT), h100(8, 19.25, zone="b", **SPOT))
    assert told(checked) == {plausible.DEMAND_PIECE: 1}
    assert left(checked) == [17.63, 19.25]


def test_classes_that_contradict_each_other_are_both_refused():
    checked = check(h100(8, 3.0), h100(8, 20.0, **SPOT))
    assert told(checked) == {plausible.DISAGREE: 2}


AWS = {
    ("p5.48xlarge", "H100", 8, 192, 2048): (
        [55.04, 68.80, 66.048, 58.8928, 71.552],
        [17.63, 19.25, 21.15, 25.75, 55.04, 11.25, 11.56, 12.97, 16.13, 23.14, 28.32, 15.53],
    ),
    ("p5.4xlarge", "H100", 1, 16, 256): ([6.88, 8.256], [8.256]),
    ("p5en.48xlarge", "H200", 8, 192, 2048): ([63.296], [16.56, 18.25, 16.24, 24.20, 15.48]),
    ("p5e.48xlarge", "H200", 8, 192, 2048): ([], [18.74, 63.00, 19.54]),
    ("p6-b200.48xlarge", "B200", 8, 192, 2048): ([113.9328], [21.01, 21.15, 28.44]),
    ("p4d.24xlarge", "A100", 8, 96, 1152): (
        [21.95764, 30.09784, 26.3444, 28.54493], [7.88, 6.04, 21.85, 26.34, 10.65],
    ),
    ("p4de.24xlarge", "A100-80GB", 8, 96, 1152): ([27.44705], [8.65, 9.97, 11.01]),
    ("p3.2xlarge", "V100", 1, 8, 61): ([3.06], [0.37, 0.43]),
    ("p3.8xlarge", "V100", 4, 32, 244): ([12.24], [1.41, 1.51]),
    ("p3dn.24xlarge", "V100-32GB", 8, 96, 768): ([31.212], [6.26, 8.81]),
    ("g6e.xlarge", "L40S", 1, 4, 32): ([1.861], [0.6]),
    ("g6e.12xlarge", "L40S", 4, 48, 384): ([10.49264], [3.79, 6.02, 2.86]),
    ("g6e.16xlarge", "L40S", 1, 64, 512): ([7.57719], [1.47, 1.88]),
    ("g6e.48xlarge", "L40S", 8, 192, 1536): ([30.131], []),
    ("g5.xlarge", "A10G", 1, 4, 16): ([1.006], [0.4]),
    ("g5.12xlarge", "A10G", 4, 48, 192): ([5.672], []),
    ("g5.16xlarge", "A10G", 1, 64, 256): ([4.096], []),
    ("g5.48xlarge", "A10G", 8, 192, 768): ([16.288], []),
    ("g4dn.xlarge", "T4", 1, 4, 16): ([0.526], [0.16, 0.25]),
    ("g4dn.16xlarge", "T4", 1, 64, 256): ([4.352], [1.3]),
    ("g4dn.12xlarge", "T4", 4, 48, 192): ([3.912], [1.1]),
    ("m8i-flex.xlarge", "", 0, 4, 16): ([0.2011], [0.079, 0.117]),
    ("m8i.16xlarge", "", 0, 64, 256): ([3.38688], [1.29, 1.43]),
    ("c7i.large", "", 0, 2, 4): ([0.08925], [0.04]),
}  # fmt: skip
GCP = {
    ("a3-highgpu-8g", "H100", 8, 208, 1872): ([88.49], [16.80, 32.5]),
    ("a3-highgpu-1g", "H100", 1, 26, 234): ([], [2.6, 4.06]),
    ("a2-highgpu-1g", "A100", 1, 12, 85): ([3.6734], [1.47, 1.87]),
    ("a2-highgpu-8g", "A100", 8, 96, 680): ([29.39], [11.76]),
    ("a2-megagpu-16g", "A100", 16, 96, 1360): ([55.74], [22.0]),
    ("g2-standard-4", "L4", 1, 4, 16): ([0.7068], [0.22, 0.3]),
    ("g2-standard-32", "L4", 1, 32, 128): ([1.73], []),
    ("g2-standard-96", "L4", 8, 96, 384): ([8.00], []),
    ("e2-standard-4", "", 0, 4, 16): ([0.13402], [0.04]),
}
LAMBDA = {
    ("gpu_8x_b200_sxm6", "B200", 8, 208, 2900): ([53.52], []),
    ("gpu_1x_b200_sxm6", "B200", 1, 26, 360): ([6.99], []),
    ("gpu_8x_h100_sxm5", "H100", 8, 208, 1800): ([31.92], []),
    ("gpu_2x_h100_sxm5", "H100", 2, 52, 450): ([8.38], []),
    ("gpu_1x_h100_sxm5", "H100", 1, 26, 225): ([4.29], []),
    ("gpu_1x_h100_pcie", "H100", 1, 26, 200): ([3.29], []),
    ("gpu_1x_gh200", "GH200", 1, 64, 432): ([2.29], []),
    ("gpu_2x_a100", "A100", 2, 60, 400): ([3.98], []),
    ("gpu_1x_a100", "A100", 1, 30, 200): ([1.99], []),
    ("gpu_1x_a100_sxm4", "A100", 1, 30, 200): ([1.99], []),
    ("gpu_1x_rtx6000", "RTX6000", 1, 14, 46): ([0.69], []),
    ("cpu_4x_general", "", 0, 4, 16): ([0.20], []),
}
SPHERON = {
    ("h100-sxm5", "H100", 1, 32, 185): ([3.90, 5.07, 2.9124], [1.66, 2.91, 0.8015, 0.80]),
    ("n3-H100x1", "H100", 1, 28, 180): ([2.0135], []),
    ("n3-H100x8", "H100", 8, 224, 1440): ([16.0583], []),
    ("n3-A100x1", "A100-80GB", 1, 28, 120): ([1.4327], [1.1476]),
    ("gpu_1x_a100_SXM4", "A100-80GB", 1, 16, 96): ([1.068], []),
    ("L40Sx2", "L40S", 2, 32, 144): ([2.3232], [0.64]),
    ("L40Sx8", "L40S", 8, 128, 576): ([9.2928], []),
    ("n3-RTX-A4000x1", "A4000", 1, 4, 21): ([0.1655], []),
}
SEEN = {"aws": AWS, "gcp": GCP, "lambda": LAMBDA, "spheron": SPHERON}


def rows_of(seen):
    """Return a price list with one place a price."""
    for (kind, name, count, vcpus, gib), (demand, spot) in seen.items():
        for is_spot, prices in ((False, demand), (True, spot)):
            for number, price in enumerate(prices):
                more = {"spot": is_spot, "vcpus": vcpus, "memory_gib": gib, "region": f"r{number}"}
                yield (kind, name, count, price, {"zone": "", **more})


@pytest.mark.parametrize("provider", SEEN)
def test_prices_that_were_seen_in_truth_are_believed(provider):
    assert told(check(*rows_of(SEEN[provider]))) == {}


@pytest.mark.parametrize("provider", SEEN)
def test_prices_that_were_seen_are_not_believed_with_spot_in_cents(provider):
    rows = [
        (kind, name, count, price * (100 if more["spot"] else 1), more)
        for kind, name, count, price, more in rows_of(SEEN[provider])
    ]
    both = {
        kind for kind, (demand, spot) in {k[0]: v for k, v in SEEN[provider].items()}.items()
        if demand and spot
    }  # fmt: skip
    checked = check(*rows)
    kept = checked.frame[checked.frame["spot"] & checked.frame["instance_type"].isin(both)]
    assert kept.empty


def honest_type(number):
    """Return a strategy for one instance type, of a family of its own, with honest prices."""
    return st.tuples(
        st.sampled_from([("L4", 1), ("L4", 4), ("L4", 8), ("", 0), ("H100", 1), ("H100", 8)]),
        st.floats(0.3, 0.9),  # of the accelerator's usual price
        st.lists(st.floats(1.0, 1.8), min_size=1, max_size=4),  # by region
        st.lists(st.floats(0.07, 1.0), max_size=5),  # spot over on-demand, by zone
        st.just("abcde"[number]),
    )


@examples(100)
@given(types=st.integers(1, 5).flatmap(lambda n: st.tuples(*map(honest_type, range(n)))))
def test_no_honest_catalog_is_refused(types):
    rows = []
    for (name, count), level, regions, spots, number in types:
        base = level * {"L4": 1.0, "": 0.2, "H100": 5.0}[name] * max(count, 1)
        for place, factor in enumerate(regions):
            rows.append((number, name, count, base * factor, {"region": f"r{place}"}))
        for zone, share in enumerate(spots):
            more = {"region": "r0", "zone": f"z{zone}", "spot": True}
            rows.append((number, name, count, base * regions[0] * share, more))
    assert told(check(*rows)) == {}


@examples(50)
@given(
    unit=st.floats(0.2, 5),
    factors=st.dictionaries(st.sampled_from([1, 2, 4, 8]), st.floats(0.75, 1.3), min_size=1),
    spot=st.booleans(),
)
def test_no_honest_family_is_refused(unit, factors, spot):
    rows = [h100(n, n * unit * factor, spot=spot) for n, factor in factors.items()]
    assert told(check(*rows)) == {}


def test_a_catalog_that_agrees_with_itself_is_believed():
    assert told(check(*(h100(n, 4.0 * n) for n in (1, 2, 4, 8)))) == {}


@pytest.mark.parametrize("place", ["us", "host{}"])
def test_a_market_place_may_ask_one_price_for_two_and_for_one(place):
    prices = [(1, 0.4), (1, 0.8), (2, 0.4), (2, 0.8), (4, 0.8), (4, 1.6)]
    rows = [
        ("RTX_4090", "RTX4090", count, price, {"region": place.format(host)})
        for host, (count, price) in enumerate(prices)
    ]
    assert told(check(*rows)) == {}


def test_a_coincidence_in_one_place_of_several_is_believed():
    rows = [h100(n, 4.0 * n, region=f"r{i}") for i in range(3) for n in (1, 2)]
    assert told(check(*rows, h100(1, 5.0, **EAST), h100(2, 5.0, **EAST))) == {}
