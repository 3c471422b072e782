"""Rows of the catalog, from recorded answers."""

from __future__ import annotations

import math

import pytest
from clouds.lambda_cloud.customer import recorded

from arb_lambda.offers import accelerator, quotes_of, rows_of
from arb_lambda.regions import REGIONS, place

TYPES = recorded("instance-types")["data"]
REGION_NAMES = {row["name"]: row["description"] for row in recorded("regions")["data"]}


def rows():
    return {row["offer_id"]: row for row in rows_of(TYPES, REGION_NAMES)}


def test_every_type_is_offered_in_every_region_and_available_where_there_is_stock():
    available = {id_: row["available"] for id_, row in rows().items()}
    assert available == {
        "gpu_8x_h100_sxm5@us-east-1": True,
        "gpu_8x_h100_sxm5@us-west-1": False,
        "gpu_1x_a10@us-east-1": True,
        "gpu_1x_a10@us-west-1": True,
        "gpu_1x_gh200@us-east-1": False,
        "gpu_1x_gh200@us-west-1": False,
    }


def test_a_region_that_only_stock_names_is_offered_too():
    found = {row["offer_id"] for row in rows_of(TYPES, {})}
    assert {"gpu_1x_gh200@us-east-1", "gpu_8x_h100_sxm5@us-west-1"} <= found


def test_prices_are_dollars_of_the_whole_machine():
    row = rows()["gpu_8x_h100_sxm5@us-east-1"]
    assert (row["price_usd_hour"], row["spot"]) == (31.92, False)
    assert (row["accelerator"], row["accelerator_count"], row["accelerator_gib"]) == ("H100", 8, 80)
    assert (row["interconnect"], row["vcpus"], row["memory_gib"]) == ("SXM", 208, 1800)
    assert (row["disk_gib"], row["arch"]) == (22528, "x86_64")
    assert rows()["gpu_1x_gh200@us-east-1"]["arch"] == "arm64"


@pytest.mark.parametrize(
    ("description", "instance_type", "found"),
    [
        ("H100 (80 GB SXM5)", "gpu_8x_h100_sxm5", ("H100", 80, "SXM")),
        ("H100 (80 GB PCIe)", "gpu_1x_h100_pcie", ("H100", 80, "PCIe")),
        ("B200 (180 GB SXM6)", "gpu_8x_b200_sxm6", ("B200", 180, "SXM")),
        ("A100 (40 GB SXM4)", "gpu_8x_a100", ("A100", 40, "SXM")),
        ("A100 (80 GB SXM4)", "gpu_8x_a100_80gb_sxm4", ("A100-80GB", 80, "SXM")),
        ("GH200 (96 GB)", "gpu_1x_gh200", ("GH200", 96, "")),
        ("Tesla V100 (16 GB)", "gpu_8x_v100_n", ("V100", 16, "")),
        ("RTX 6000 (24 GB)", "gpu_1x_rtx6000", ("RTX-6000", 24, "")),
        ("H100", "gpu_8x_h100_sxm5gdr", ("H100", 0, "SXM")),
        ("Something New", "gpu_1x_new", ("Something-New", 0, "")),
        ("H100 (80 GB HBM3)", "gpu_1x_h100", ("H100", 80, "")),
        ("H200 (141GB, SXM5)", "gpu_8x_h200", ("H200", 141, "SXM")),
        ("B300 (288 GB SXM6) new", "gpu_8x_b300_sxm6", ("B300", 288, "SXM")),
        ("", "gpu_8x_h100_sxm5", ("H100", 0, "SXM")),
        ("(", "gpu_1x_gh200", ("GH200", 0, "")),
        ("", "whatever", ("", 0, "")),
    ],
)
def test_descriptions_are_taken_apart(description, instance_type, found):
    assert accelerator(description, instance_type) == found


def test_a_type_without_gpus_has_no_accelerator():
    specs = {"vcpus": 4, "memory_gib": 16, "storage_gib": 50, "gpus": 0}
    kind = {"name": "cpu_4x", "gpu_description": "N/A", "price_cents_per_hour": 20, "specs": specs}
    item = {"instance_type": kind, "regions_with_capacity_available": []}
    (row,) = rows_of({"cpu_4x": item}, {"us-east-1": ""})
    assert (row["accelerator"], row["accelerator_count"], row["interconnect"]) == ("", 0, "")


@pytest.mark.parametrize(
    "item",
    [None, {}, {"instance_type": {"name": "x"}}, {"instance_type": {"name": "x", "specs": {}}}],
    ids=str,
)
def test_what_cannot_be_bought_is_left_out(item):
    assert rows_of({"x": item}, {"us-east-1": ""}) == []


@pytest.mark.parametrize("cents", [10**400, -1, float("nan"), float("inf"), True, "129", None])
def test_what_is_no_price_makes_no_offer(cents):
    kind = {**TYPES["gpu_1x_a10"]["instance_type"], "price_cents_per_hour": cents}
    item = {"instance_type": kind, "regions_with_capacity_available": []}
    assert rows_of({"x": item}, {"us-east-1": ""}) == []


def test_a_size_that_is_none_is_not_told():
    kind = TYPES["gpu_1x_a10"]["instance_type"]
    sizes = {"vcpus": 10**400, "memory_gib": -5, "storage_gib": None, "gpus": 1}
    item = {"instance_type": {**kind, "specs": sizes}, "regions_with_capacity_available": []}
    (row,) = rows_of({"x": item}, {"us-east-1": ""})
    assert (row["vcpus"], row["memory_gib"], row["disk_gib"]) == (0, 0, 0)


def test_quotes_are_told_of_what_is_sold():
    asked = [
        ("gpu_1x_a10@us-west-1", "gpu_1x_a10", "us-west-1"),
        ("gpu_1x_gh200@us-east-1", "gpu_1x_gh200", "us-east-1"),
        ("gone@us-east-1", "gone", "us-east-1"),
    ]
    quotes = [(q["offer_id"], q["price_usd_hour"], q["available"]) for q in quotes_of(TYPES, asked)]
    assert quotes == [
        ("gpu_1x_a10@us-west-1", 1.29, True),
        ("gpu_1x_gh200@us-east-1", 2.29, False),
    ]


def test_regions_have_a_place_by_what_lambda_says_of_them():
    assert place("us-east-1") == place("nowhere", "Virginia, USA") == (38.9, -77.4)
    assert place("us-south-2") != place("us-south-3")
    assert place("moon-1") is None
    placed = [name for name in REGIONS if place(name)]
    assert set(REGIONS) - set(placed) == {"europe-south-1"}
    assert place("europe-south-1", "Milan, Italy")
    row = rows()["gpu_1x_a10@us-west-1"]
    assert (row["latitude"], row["longitude"]) == (37.4, -122.0)
    (unplaced,) = (r for r in rows_of({"a": TYPES["gpu_1x_gh200"]}, {"moon-1": ""}))
    assert math.isnan(unplaced["latitude"])
