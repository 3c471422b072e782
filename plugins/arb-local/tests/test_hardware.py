from __future__ import annotations

import sys

import pytest

from arb_local import hardware
from arb_local.hardware import Gpu, Hardware, accelerator_name, parse_nvidia_smi
from arb_local.offers import rows_of_hardware

EIGHT_H100 = "".join(f"{i}, NVIDIA H100 80GB HBM3, 81559\n" for i in range(8))
MIXED = """0, NVIDIA GeForce RTX 4090, 24564
1, NVIDIA L4, 23034
2, NVIDIA GB10, [N/A]
NVIDIA-SMI has failed because it couldn't communicate with the driver
"""


def test_recorded_output_of_eight_gpus():
    gpus = parse_nvidia_smi(EIGHT_H100)
    assert gpus == tuple(Gpu(i, "H100", 79.6) for i in range(8))


def test_recorded_output_with_gaps():
    assert parse_nvidia_smi(MIXED) == (
        Gpu(0, "RTX4090", 24.0),
        Gpu(1, "L4", 22.5),
        Gpu(2, "GB10", 0.0),
    )


@pytest.mark.parametrize(
    ("marketing", "name"),
    [
        ("NVIDIA H100 80GB HBM3", "H100"),
        ("NVIDIA H100 PCIe", "H100"),
        ("NVIDIA H100 NVL", "H100"),
        ("NVIDIA H200", "H200"),
        ("NVIDIA B200", "B200"),
        ("NVIDIA GH200 480GB", "GH200"),
        ("NVIDIA A100-SXM4-40GB", "A100"),
        ("NVIDIA A100 80GB PCIe", "A100"),
        ("NVIDIA A10G", "A10G"),
        ("Tesla V100-SXM2-16GB", "V100"),
        ("Tesla T4", "T4"),
        ("Tesla K80", "K80"),
        ("NVIDIA L40S", "L40S"),
        ("NVIDIA RTX A6000", "A6000"),
        ("NVIDIA RTX 6000 Ada Generation", "RTX6000-Ada"),
        ("NVIDIA GeForce RTX 3080 Ti", "RTX3080-Ti"),
    ],
)
def test_marketing_names_become_canonical(marketing, name):
    assert accelerator_name(marketing) == name


def test_every_number_of_gpus_is_an_offer():
    rows = list(rows_of_hardware(Hardware(8, 64, "x86_64", parse_nvidia_smi(EIGHT_H100)[:3])))
    counts = [(row["accelerator"], row["accelerator_count"]) for row in rows]
    assert counts == [("", 0), ("H100", 1), ("H100", 2), ("H100", 3)]
    assert {row["price_usd_hour"] for row in rows} == {0.0}
    assert len({row["offer_id"] for row in rows}) == 4


def test_a_driver_that_fails_means_no_gpus(tmp_path, monkeypatch):
    tool = tmp_path / "nvidia-smi"
    tool.write_text("#!/bin/sh\necho '0, NVIDIA L4, 23034'\nexit 9\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert hardware.read_hardware().gpus == ()
    tool.write_text("#!/bin/sh\necho '0, NVIDIA L4, 23034'\n")
    assert hardware.read_hardware().gpus == (Gpu(0, "L4", 22.5),)


def test_this_computer_has_cpus_and_memory():
    found = hardware.read_hardware()
    assert found.vcpus >= 1
    assert found.memory_gib > 0.1
    assert found.arch in {"x86_64", "arm64"} or sys.platform not in {"linux", "darwin"}
