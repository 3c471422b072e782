"""What the simulated Google sells: zones, machine types, accelerators, unit prices, images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

__all__ = [
    "ACCELERATORS",
    "IMAGES",
    "PRICES",
    "SPOT_SHARE",
    "TYPES",
    "ZONES",
    "MachineKind",
    "price_of",
    "region_of",
]

ZONES = (
    "us-central1-a",
    "us-central1-b",
    "us-central1-c",
    "us-central1-f",
    "us-east4-a",
    "us-east4-b",
    "us-east4-c",
    "europe-west4-a",
    "europe-west4-b",
    "europe-west4-c",
)


@dataclass(frozen=True)
class MachineKind:
    """A machine type.

    Attributes:
        series: Whose cores and memory it is made of, in the words of the SKUs.
        gpu: Its accelerators' type; empty for none.
        ssd_gib: Local SSD that comes with it.
        zones: Where it is.
        sold: ``any``, or ``spot`` where it cannot be bought on demand.
        hyperdisk: It boots from hyperdisks only.
    """

    name: str
    vcpus: int
    memory_gib: int
    series: str
    gpu: str = ""
    gpus: int = 0
    ssd_gib: int = 0
    zones: tuple[str, ...] = ZONES
    sold: str = "any"
    hyperdisk: bool = False
    arm: bool = False
    shared: bool = False
    deprecated: bool = False


_A3 = ("us-central1-a", "us-central1-c", "us-east4-a", "europe-west4-b")
_A2 = ("us-central1-a", "us-central1-b", "us-central1-c", "us-central1-f", "europe-west4-a")
_A100, _A100_80 = "nvidia-tesla-a100", "nvidia-a100-80gb"
_H100, _MEGA, _L4 = "nvidia-h100-80gb", "nvidia-h100-mega-80gb", "nvidia-l4"

TYPES = {
    kind.name: kind
    for kind in (
        MachineKind("e2-micro", 2, 1, "E2 Instance", shared=True),
        MachineKind("e2-standard-2", 2, 8, "E2 Instance"),
        MachineKind("e2-standard-4", 4, 16, "E2 Instance"),
        MachineKind("n2-standard-4", 4, 16, "N2 Instance"),
        MachineKind("n2-highmem-8", 8, 64, "N2 Instance"),
        MachineKind("n1-standard-4", 4, 15, "N1 Predefined Instance"),
        MachineKind("n1-standard-8", 8, 30, "N1 Predefined Instance"),
        MachineKind("n1-standard-16", 16, 60, "N1 Predefined Instance"),
        MachineKind("n1-highmem-64", 64, 416, "N1 Predefined Instance"),
        MachineKind("c3-standard-4", 4, 16, "C3 Instance"),
        MachineKind("n2d-standard-4", 4, 16, "N2D AMD Instance"),
        MachineKind("c2-standard-4", 4, 16, "Compute optimized"),
        MachineKind("t2a-standard-4", 4, 16, "T2A Arm Instance", arm=True),
        MachineKind("n1-standard-1-old", 1, 4, "N1 Predefined Instance", deprecated=True),
        MachineKind("a2-highgpu-1g", 12, 85, "A2 Instance", _A100, 1, zones=_A2),
        MachineKind("a2-highgpu-8g", 96, 680, "A2 Instance", _A100, 8, zones=_A2),
        MachineKind("a2-ultragpu-1g", 12, 170, "A2 Instance", _A100_80, 1, 375, zones=_A2[:3]),
        MachineKind("a3-highgpu-1g", 26, 234, "A3 Instance", _H100, 1, 750, _A3, "spot"),
        MachineKind("a3-highgpu-2g", 52, 468, "A3 Instance", _H100, 2, 1500, _A3, "spot"),
        MachineKind("a3-highgpu-4g", 104, 936, "A3 Instance", _H100, 4, 3000, _A3, "spot"),
        MachineKind("a3-highgpu-8g", 208, 1872, "A3 Instance", _H100, 8, 6000, _A3),
        MachineKind("a3-megagpu-8g", 208, 1872, "A3Plus Instance", _MEGA, 8, 6000, _A3[:1]),
        MachineKind(
            "a4-highgpu-8g",
            224,
            3968,
            "A4 Instance",
            "nvidia-b200",
            8,
            12000,
            ("us-central1-b",),
            "spot",
            hyperdisk=True,
        ),
        MachineKind("g2-standard-4", 4, 16, "G2 Instance", _L4, 1, zones=_A2),
        MachineKind("g2-standard-24", 24, 96, "G2 Instance", _L4, 2, zones=_A2),
        MachineKind("ct5lp-hightpu-1t", 24, 48, "TPU", "ct5lp", 1, zones=("us-central1-a",)),
    )
}

ACCELERATORS = {
    "nvidia-tesla-t4": (4, ("us-central1-a", "us-central1-b", "us-central1-f", "us-east4-b")),
    "nvidia-tesla-v100": (8, ("us-central1-a",)),
    "nvidia-tesla-a100": (16, _A2),
    "nvidia-h100-80gb": (8, _A3),
}
"""Accelerator types: the most in a machine, and where."""

GUEST_LIMITS = {
    "nvidia-tesla-t4": {1: (48, 312), 2: (48, 312), 4: (96, 624)},
    "nvidia-tesla-v100": {1: (12, 78), 2: (24, 156), 4: (48, 312), 8: (96, 624)},
}

PRICES: dict[str, float] = {
    "E2 Instance Core": 0.02181159,
    "E2 Instance Ram": 0.00292353,
    "N2 Instance Core": 0.031611,
    "N2 Instance Ram": 0.004237,
    "N1 Predefined Instance Core": 0.031611,
    "N1 Predefined Instance Ram": 0.004237,
    "N2D AMD Instance Core": 0.027502,
    "N2D AMD Instance Ram": 0.003686,
    "Compute optimized Core": 0.03398,
    "Compute optimized Ram": 0.00455,
    "C3 Instance Core": 0.03398,
    "C3 Instance Ram": 0.00456,
    "A2 Instance Core": 0.031611,
    "A2 Instance Ram": 0.004237,
    "A3 Instance Core": 0.0293,
    "A3 Instance Ram": 0.001797,
    "A3Plus Instance Core": 0.0293,
    "A3Plus Instance Ram": 0.001797,
    "G2 Instance Core": 0.024988,
    "G2 Instance Ram": 0.002927,
    "Nvidia Tesla T4 GPU": 0.35,
    "Nvidia Tesla V100 GPU": 2.48,
    "Nvidia Tesla A100 GPU": 2.933908,
    "Nvidia Tesla A100 80GB GPU": 3.9285,
    "Nvidia H100 80GB GPU": 9.7966,
    "Nvidia H100 80GB Plus GPU": 10.2,
    "Nvidia L4 GPU": 0.56004,
    "Nvidia B200 (1 gpu slice) GPU": 16.0,
    "SSD backed Local Storage": 0.08,
}
"""USD an hour by SKU; local SSD USD a GiB and month. On demand in us-central1."""

GPU_SKUS = {
    "nvidia-tesla-t4": "Nvidia Tesla T4 GPU",
    "nvidia-tesla-v100": "Nvidia Tesla V100 GPU",
    "nvidia-tesla-a100": "Nvidia Tesla A100 GPU",
    "nvidia-a100-80gb": "Nvidia Tesla A100 80GB GPU",
    "nvidia-h100-80gb": "Nvidia H100 80GB GPU",
    "nvidia-h100-mega-80gb": "Nvidia H100 80GB Plus GPU",
    "nvidia-l4": "Nvidia L4 GPU",
    "nvidia-b200": "Nvidia B200 (1 gpu slice) GPU",
}
QUOTAS = {
    "nvidia-tesla-t4": "NVIDIA_T4_GPUS",
    "nvidia-tesla-v100": "NVIDIA_V100_GPUS",
    "nvidia-tesla-a100": "NVIDIA_A100_GPUS",
    "nvidia-a100-80gb": "NVIDIA_A100_80GB_GPUS",
    "nvidia-h100-80gb": "NVIDIA_H100_GPUS",
    "nvidia-h100-mega-80gb": "NVIDIA_H100_MEGA_GPUS",
    "nvidia-l4": "NVIDIA_L4_GPUS",
    "nvidia-b200": "NVIDIA_B200_GPUS",
}

SPOT_SHARE = 0.3
"""What a spot part costs of an on-demand one."""
REGION_FACTORS = {"us-central1": 1.0, "us-east4": 1.1, "europe-west4": 1.08}

IMAGES: dict[str, dict[str, Any]] = {
    "projects/ubuntu-os-cloud/global/images/family/ubuntu-2404-lts-amd64": {"cloud_init": True},
    "projects/ubuntu-os-cloud/global/images/family/ubuntu-2404-lts-arm64": {"cloud_init": True},
    "projects/ubuntu-os-accelerator-images/global/images/family/"
    "ubuntu-accelerator-2404-amd64-with-nvidia-570": {"cloud_init": True},
    "projects/ubuntu-os-accelerator-images/global/images/family/"
    "ubuntu-accelerator-2404-amd64-with-nvidia-580": {"cloud_init": True},
    "projects/debian-cloud/global/images/family/debian-12": {"cloud_init": False},
    "global/images/our-own": {"cloud_init": True},
}
"""Images, with whether they have cloud-init."""


def region_of(zone: str) -> str:
    """Return the region of a zone."""
    return zone.rpartition("-")[0]


def price_of(kind: MachineKind, zone: str, guest: tuple[str, int] | None, *, spot: bool) -> float:
    """Return what a machine costs an hour."""
    factor = REGION_FACTORS[region_of(zone)] * (SPOT_SHARE if spot else 1.0)
    gpu, gpus = guest or (kind.gpu, kind.gpus)
    total = PRICES[GPU_SKUS[gpu]] * gpus if gpu in GPU_SKUS else 0.0
    if gpu != "nvidia-b200":
        total += PRICES.get(f"{kind.series} Core", 0) * kind.vcpus
        total += PRICES.get(f"{kind.series} Ram", 0) * kind.memory_gib
        total += PRICES["SSD backed Local Storage"] / 730 * kind.ssd_gib
    return total * factor
