"""One accelerator, one name, however it is spelled."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import arb.catalog.names
from arb.catalog.names import canonical, facts, known_names, read_spelling

TABLE = Path(arb.catalog.names.__file__).parent / "data" / "accelerators.csv"

SPELLINGS = {
    "H100": "H100 h100 H100-80GB H100_SXM5 H100-SXM H100-PCIe h100_pcie h100sxm5 H100-NVL "
    "NVIDIA-H100-80GB-HBM3 nvidia-h100-80gb NVIDIA-H100-NVL nvidia-h100-mega-80gb H100-94GB",
    "H200": "H200 h200-sxm nvidia-h200-141gb NVIDIA-H200",
    "B200": "B200 nvidia-b200 B200-SXM6 b200-180gb",
    "GB200": "GB200 gb200-nvl72",
    "GH200": "GH200 NVIDIA-GH200-480GB gh200-96gb",
    "A100": "A100 a100-40gb A100-SXM4-40GB NVIDIA-A100-PCIE-40GB nvidia-tesla-a100",
    "A100-80GB": "A100-80GB a100_80g A100-SXM4-80GB NVIDIA-A100-80GB-PCIe nvidia-a100-80gb",
    "V100": "V100 Tesla-V100-SXM2-16GB nvidia-tesla-v100",
    "V100-32GB": "V100-32GB Tesla-V100-SXM2-32GB",
    "A10G": "A10G nvidia-a10g",
    "L40S": "L40S l40s L40S-48GB NVIDIA-L40S",
    "T4": "T4 Tesla-T4 nvidia-tesla-t4",
    "RTX4090": "RTX4090 rtx-4090 RTX_4090 NVIDIA-GeForce-RTX-4090 4090",
    "RTX3090Ti": "RTX3090Ti NVIDIA-GeForce-RTX-3090-Ti",
    "A6000": "A6000 RTXA6000 NVIDIA-RTX-A6000",
    "RTX6000-Ada": "RTX6000-Ada NVIDIA-RTX-6000-Ada-Generation rtx6000ada",
    "RTX-PRO-6000": "RTX-PRO-6000 NVIDIA-RTX-PRO-6000-Blackwell-Server-Edition RTXPRO6000",
    "RTX6000": "RTX6000 Quadro-RTX-6000",
    "MI300X": "MI300X AMD-Instinct-MI300X-OAM amd-mi300x",
    "TPU-v5e": "TPU-v5e tpu-v5e tpu-v5litepod tpu-v5-lite-podslice v5e",
    "TPU-v6e": "TPU-v6e tpu-v6e trillium",
    "Trainium2": "Trainium2 trn2",
    "Gaudi": "Gaudi Gaudi-HL-205",
}
CASES = [(text, name) for name, texts in SPELLINGS.items() for text in texts.split()]


@pytest.mark.parametrize(("text", "name"), CASES, ids=[text for text, _ in CASES])
def test_spellings_meet(text, name):
    assert canonical(text) == name
    assert canonical(f"  {text.replace('-', ' ')} ") == name


@pytest.mark.parametrize(
    ("text", "gib", "name"),
    [
        ("A100", 79.6, "A100-80GB"),
        ("A100", 39.4, "A100"),
        ("A100", 0, "A100"),
        ("A100-80GB", 40, "A100-80GB"),
        ("V100", 31.7, "V100-32GB"),
        ("H100", 94, "H100"),
    ],
)
def test_memory_tells_models_of_one_name_apart(text, gib, name):
    assert canonical(text, gib) == name


@pytest.mark.parametrize("text", ["My Chip 9", "A100-48GB", "A100 MIG 1g.5gb", "80GB", "H1000", ""])
def test_what_is_not_known_stays_as_it_is(text):
    assert canonical(f" {text} ") == text
    assert not read_spelling(text).is_known
    assert facts(text) is None


@pytest.mark.parametrize(
    ("text", "plug"),
    [
        ("H100_SXM5", "SXM"),
        ("h100-pcie", "PCIe"),
        ("H100 NVL", "NVL"),
        ("H100", ""),
        ("h100sxm5", "SXM"),
    ],
)
def test_a_spelling_tells_the_interconnect(text, plug):
    assert read_spelling(text).interconnect == plug


@pytest.mark.parametrize("size", ["0", "9" * 400, "9" * 5000])
def test_a_slice_of_no_chips_or_of_more_than_there_are_is_no_name(size):
    assert not read_spelling(f"tpu-v5e-{size}").is_known


@pytest.mark.parametrize(
    ("text", "name", "chips"),
    [
        ("tpu-v5litepod-8", "TPU-v5e", 8),
        ("tpu-v6e-16", "TPU-v6e", 16),
        ("tpu-v4-8", "TPU-v4", 4),
        ("tpu-v5p-8", "TPU-v5p", 4),
        ("tpu-v3-32", "TPU-v3", 16),
        ("TPU-v5e", "TPU-v5e", 1),
    ],
)
def test_a_slice_of_tpus_is_as_many_chips(text, name, chips):
    assert (read_spelling(text).name, read_spelling(text).times) == (name, chips)


@pytest.mark.parametrize("name", known_names())
def test_a_canonical_name_is_its_own(name):
    known = facts(name)
    assert canonical(name) == name
    assert known.name == name
    assert known.memory_gib > 0
    assert known.bf16_tflops >= 0
    assert known.source


def test_no_alias_leads_to_two_makes():
    with TABLE.open(encoding="utf-8") as lines:
        rows = list(csv.DictReader(lines))
    aliases = [alias for row in rows for alias in row["aliases"].split("|") if alias]
    assert len(aliases) == len(set(aliases))
    for row in rows:
        for alias in filter(None, row["aliases"].split("|")):
            assert canonical(alias) == row["name"]


def test_tflops_depend_on_the_interconnect_where_models_differ():
    h100 = facts("H100")
    assert (h100.tflops(), h100.tflops("SXM"), h100.tflops("PCIe")) == (989, 989, 756)


def test_memory_is_known_as_it_is_sold():
    assert facts("H100").nearest_gib(79.65) == 80
    assert facts("H100").nearest_gib(93.1) == 94
    assert facts("H100").nearest_gib(40) == 0


@given(text=st.text(max_size=30))
def test_any_text_has_a_name(text):
    spelling = read_spelling(text)
    assert spelling.is_known or spelling.name == text.strip()
    assert canonical(spelling.name) == spelling.name
