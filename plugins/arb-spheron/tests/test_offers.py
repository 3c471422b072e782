"""From recorded pages of offers to rows of the catalog."""

from __future__ import annotations

import json
import math

import pytest
from clouds.spheron.customer import recorded

from arb_spheron.offers import rows_of


def rows(**changes):
    """Return the rows of both recorded pages; ``changes`` go into every offer."""
    groups = [g for n in (1, 2) for g in recorded(f"gpu-offers-page{n}")["data"]]
    for group in groups:
        group["offers"] = [{**offer, **changes} for offer in group["offers"]]
    return rows_of(groups)


def by_key(rows):
    return {(row["offer_id"], row["spot"]): row for row in rows}


def test_a_row_has_the_whole_instances_price_and_sizes():
    row = by_key(rows())["n3-A100x1__CANADA-1@CANADA-1", False]
    payload = json.loads(row.pop("payload"))
    assert row == {
        "offer_id": "n3-A100x1__CANADA-1@CANADA-1",
        "region": "CANADA-1",
        "zone": "",
        "instance_type": "n3-A100x1__CANADA-1",
        "accelerator": "A100-80GB",
        "accelerator_count": 1,
        "accelerator_gib": 80,
        "vcpus": 28,
        "memory_gib": 120,
        "disk_gib": 850,
        "spot": False,
        "price_usd_hour": 1.43,
        "interconnect": "PCIe",
        "fabric": "",
        "minimum_s": 1200,
        "available": True,
        "user_data": True,
        "latitude": 45.5,
        "longitude": -73.6,
        "note": "",
    }
    assert payload == {
        "provider": "spheron-ai",
        "gpuType": "A100_80G_PCIE",
        "gpuCount": 1,
        "operatingSystem": "Ubuntu Server 22.04 LTS R570 CUDA 12.8 with Docker",
        "instanceType": "DEDICATED",
    }


def test_a_spot_offer_has_its_price_in_price():
    row = by_key(rows())["n3-A100x1-spot__CANADA-1@CANADA-1", True]
    assert row["price_usd_hour"] == 1.15
    assert json.loads(row["payload"])["instanceType"] == "SPOT"


def test_a_dedicated_offer_with_a_spot_price_is_sold_as_both():
    both = by_key(rows())
    name = "1H100.80S.32V_FIN-03_500@Finland 3"
    assert both[name, False]["price_usd_hour"] == 2.91
    assert both[name, True]["price_usd_hour"] == 0.8
    kinds = [json.loads(both[name, spot]["payload"])["instanceType"] for spot in (False, True)]
    assert kinds == ["DEDICATED", "SPOT"]


def test_a_spot_offer_with_a_spot_price_costs_that():
    row = by_key(rows(spot_price=0.5))["n3-A100x1-spot__CANADA-1@CANADA-1", True]
    assert row["price_usd_hour"] == 0.5


def test_what_is_sold_out_or_under_maintenance_stays_and_is_not_available():
    names = {row["instance_type"] for row in rows() if not row["available"]}
    assert names == {"A100_80G_0000_montreal-canada-2"}
    assert not any(row["available"] for row in rows(maintenance=True))


def test_an_offer_is_a_row_in_each_of_its_regions():
    regions = {row["region"] for row in rows(clusters=["US Central 1", "CANADA-1"])}
    assert regions == {"US Central 1", "CANADA-1"}
    far = by_key(rows(clusters=["US Central 1"]))["n3-A100x1__CANADA-1@US Central 1", False]
    assert math.isnan(far["latitude"])


def test_without_clusters_the_region_counts():
    assert {row["region"] for row in rows(clusters=None, region="somewhere")} == {"somewhere"}


@pytest.mark.parametrize(
    "broken",
    [
        {"os_options": []},
        {"offerId": None},
        {"provider": ""},
        {"clusters": [], "region": None},
        {"gpuCount": None},
        {"gpuCount": 0},
        {"price": None, "spot_price": None},
        {"price": "free", "spot_price": -1},
    ],
    ids=[
        *("no image", "no id", "no provider", "no region", "no count", "no accelerator"),
        *("no price", "wrong price"),
    ],
)
def test_what_cannot_be_ordered_is_left_out(broken):
    assert rows(**broken) == []


def test_fields_that_are_missing_or_of_another_kind_break_nothing():
    odd = {"vcpus": None, "memory": "lots", "gpu_memory": None, "interconnectDescription": None}
    assert len(rows(**odd)) == len(rows())
    assert {row["vcpus"] for row in rows(**odd)} == {0}
    assert rows_of([{}, {"offers": None}, {"offers": ["?"]}]) == []


def test_numbers_may_be_texts():
    names = ("price", "gpuCount", "vcpus", "memory", "storage", "gpu_memory")
    group = recorded("gpu-offers-page2")["data"][0]
    (offer,) = group["offers"]
    texts = {name: str(offer[name]) for name in (*names, "spot_price")}
    assert rows_of([{**group, "offers": [{**offer, **texts}]}]) == rows_of([group])


@pytest.mark.parametrize("name", ["baseGpuType", "gpuModel"])
def test_a_group_without_its_type_is_known_by_its_model(name):
    group = recorded("gpu-offers-page2")["data"][0]
    group = {"offers": group["offers"], name: "H100"}
    row = rows_of([group])[0]
    assert (row["accelerator"], row["interconnect"]) == ("H100", "SXM")
    assert json.loads(row["payload"])["gpuType"] is None


def test_an_offer_that_is_shown_twice_is_one_row():
    page = recorded("gpu-offers-page2")["data"]
    assert len(rows_of([*page, *page])) == len(rows_of(page))


@pytest.mark.parametrize(
    ("images", "taken"),
    [
        (["Ubuntu Desktop 22.04 CUDA", "Ubuntu 22.04"], "Ubuntu 22.04"),
        (["Ubuntu 22.04", "Ubuntu 24.04 + Docker"], "Ubuntu 24.04 + Docker"),
        (["Debian 12", "Ubuntu 22.04"], "Ubuntu 22.04"),
        (["ubuntu22.04_cuda12.8_shade_os", "Ubuntu + Docker"], "ubuntu22.04_cuda12.8_shade_os"),
    ],
)
def test_the_image_with_drivers_is_taken_and_never_a_desktop(images, taken):
    assert json.loads(rows(os_options=images)[0]["payload"])["operatingSystem"] == taken


def test_bare_metal_is_noted():
    group = {**recorded("gpu-offers-page2")["data"][0], "gpuType": "H100_PCIE_BAREMETAL"}
    assert {row["note"] for row in rows_of([group])} == {"bare metal"}
    assert {row["accelerator"] for row in rows_of([group])} == {"H100"}


def test_an_offer_without_cloud_init_says_so():
    assert {r["user_data"] for r in rows(supportsCloudInit=False)} == {False}
    assert {r["user_data"] for r in rows(supportsCloudInit=None)} == {False}
