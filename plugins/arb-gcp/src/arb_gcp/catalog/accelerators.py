"""The accelerators that are sold, in Google's words and in ours."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

__all__ = ["ACCELERATORS", "GUEST_CEILINGS", "Accelerator"]


@dataclass(frozen=True, slots=True)
class Accelerator:
    """One accelerator.

    Attributes:
        name: Canonical.
        gib: Memory of one.
        quota: Its regional quota.
        words: What a SKU's description must contain, in lower case; the most words win.
        whole: Its SKU carries the whole machine: no cores and memory are added.
        interconnect: How several reach each other.
    """

    name: str
    gib: float
    quota: str
    words: tuple[str, ...]
    whole: bool = False
    interconnect: str = "NVLink"


ACCELERATORS: Final = {
    "nvidia-tesla-p4": Accelerator("P4", 8, "NVIDIA_P4_GPUS", ("tesla", "p4"), interconnect="PCIe"),
    "nvidia-tesla-t4": Accelerator(
        "T4", 16, "NVIDIA_T4_GPUS", ("tesla", "t4"), interconnect="PCIe"
    ),
    "nvidia-tesla-p100": Accelerator(
        "P100", 16, "NVIDIA_P100_GPUS", ("tesla", "p100"), interconnect="PCIe"
    ),
    "nvidia-tesla-v100": Accelerator("V100", 16, "NVIDIA_V100_GPUS", ("tesla", "v100")),
    "nvidia-l4": Accelerator("L4", 24, "NVIDIA_L4_GPUS", ("l4",), interconnect="PCIe"),
    "nvidia-rtx-pro-6000": Accelerator(
        "RTX-PRO-6000", 96, "NVIDIA_RTX_PRO_6000_GPUS", ("rtx", "6000"), interconnect="PCIe"
    ),
    "nvidia-tesla-a100": Accelerator("A100", 40, "NVIDIA_A100_GPUS", ("a100",)),
    "nvidia-a100-80gb": Accelerator("A100-80GB", 80, "NVIDIA_A100_80GB_GPUS", ("a100", "80gb")),
    "nvidia-h100-80gb": Accelerator("H100", 80, "NVIDIA_H100_GPUS", ("h100", "80gb")),
    "nvidia-h100-mega-80gb": Accelerator(
        "H100", 80, "NVIDIA_H100_MEGA_GPUS", ("h100", "80gb", "mega")
    ),
    "nvidia-h200-141gb": Accelerator("H200", 141, "NVIDIA_H200_GPUS", ("h200",)),
    "nvidia-b200": Accelerator("B200", 180, "NVIDIA_B200_GPUS", ("b200",), whole=True),
    "nvidia-gb200": Accelerator("GB200", 186, "NVIDIA_GB200_GPUS", ("gb200",), whole=True),
}
"""By Google's name."""

GUEST_CEILINGS: Final[dict[str, dict[int, tuple[int, float]]]] = {
    "nvidia-tesla-t4": {1: (48, 312), 2: (48, 312), 4: (96, 624)},
    "nvidia-tesla-p4": {1: (24, 156), 2: (48, 312), 4: (96, 624)},
    "nvidia-tesla-v100": {1: (12, 78), 2: (24, 156), 4: (48, 312), 8: (96, 624)},
    "nvidia-tesla-p100": {1: (16, 104), 2: (32, 208), 4: (96, 624)},
}
"""Accelerators that are added to N1 machines: how many, and the most vCPUs and GiB with so many."""
