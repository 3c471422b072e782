"""Spheron's words for accelerators and places."""

from __future__ import annotations

import pytest

from arb.catalog.names import facts
from arb_spheron.names import fabric, place, read_gpu_type

SEEN = [
    ("H100_SXM5", 80, ("H100", "SXM", False)),
    ("H100_PCIE", 80, ("H100", "PCIe", False)),
    ("H100_NVL", 94, ("H100", "NVL", False)),
    ("H100_PCIE_BAREMETAL", 80, ("H100", "PCIe", True)),
    ("A100_80G_SXM4", 80, ("A100-80GB", "SXM", False)),
    ("A100_80G_PCIE", 80, ("A100-80GB", "PCIe", False)),
    ("A100_SXM4", 40, ("A100", "SXM", False)),
    ("A100_PCIE", 80, ("A100-80GB", "PCIe", False)),
    ("L40S_PCIE", 48, ("L40S", "PCIe", False)),
    ("L40S_PCIE_BAREMETAL", 48, ("L40S", "PCIe", True)),
    ("L4_PCIE", 24, ("L4", "PCIe", False)),
    ("RTX5090_PCIE", 32, ("RTX5090", "PCIe", False)),
    ("RTX5090_PCIE_BAREMETAL", 32, ("RTX5090", "PCIe", True)),
    ("RTXPRO6000_PCIE", 96, ("RTX-PRO-6000", "PCIe", False)),
    ("A5000_PCIE", 24, ("A5000", "PCIe", False)),
    ("A4000_PCIE", 16, ("A4000", "PCIe", False)),
    ("A16_PCIE", 16, ("A16", "PCIe", False)),
]


@pytest.mark.parametrize(("text", "gib", "read"), SEEN, ids=[text for text, *_ in SEEN])
def test_every_type_that_was_seen_has_its_canonical_name(text, gib, read):
    assert read_gpu_type(text, gib) == read
    assert facts(read[0]) is not None


def test_a_type_that_nobody_knows_keeps_its_name():
    assert read_gpu_type("X9000_SXM7", 256) == ("X9000", "SXM", False)
    assert read_gpu_type("X9000_ULTRA", 256) == ("X9000-ULTRA", "", False)
    assert read_gpu_type("", 0) == ("", "", False)


@pytest.mark.parametrize(
    "region",
    ["Finland 3", "us-east-virginia-1", "CANADA-1", "montreal-canada-2", "desmoines-usa-1"],
)
def test_regions_that_name_their_place_are_on_the_map(region):
    latitude, longitude = place(region)
    assert -90 < latitude < 90
    assert -180 < longitude < 180


def test_a_region_that_tells_nothing_is_nowhere():
    assert place("US Central 1") is None


def test_what_joins_machines_is_read_from_the_description():
    assert fabric("3.2 Tbps InfiniBand") == "ib"
    assert fabric("PCIe Gen4") == ""
