"""What the simulated AWS sells: types by zone as moto knows them, prices, quotas, images."""

from __future__ import annotations

import zlib
from functools import cache
from typing import Any

__all__ = [
    "IMAGES",
    "PRICES",
    "SOME_TYPES",
    "family_quota",
    "is_sold",
    "offered",
    "regions",
    "spot_share",
    "types",
    "usd",
    "usd_of_blocks",
    "zones_of",
]

SOME_TYPES = (
    "t3.micro",
    "m7i.large",
    "c7i.xlarge",
    "c7g.large",
    "g4dn.xlarge",
    "g4dn.12xlarge",
    "g5.xlarge",
    "g5.12xlarge",
    "g5g.xlarge",
    "g6.xlarge",
    "g6.12xlarge",
    "g6e.xlarge",
    "g6f.large",
    "p3dn.24xlarge",
    "p4d.24xlarge",
    "p4de.24xlarge",
    "p5.4xlarge",
    "p5.48xlarge",
    "p5e.48xlarge",
    "inf2.xlarge",
)

PRICES = {
    "p6-b200.48xlarge": 113.9328,
    "p5en.48xlarge": 63.296,
    "p5.48xlarge": 55.04,
    "p5.4xlarge": 6.88,
    "p4de.24xlarge": 27.44705,
    "p4d.24xlarge": 21.95764,
    "p3dn.24xlarge": 31.212,
    "g6e.12xlarge": 10.49264,
    "g6.xlarge": 0.8048,
    "g5.xlarge": 1.006,
    "g6e.xlarge": 1.861,
    "g6.12xlarge": 4.6016,
    "g5.12xlarge": 5.672,
    "g4dn.xlarge": 0.526,
    "g4dn.12xlarge": 3.912,
}
"""USD an hour on demand in Virginia; of the others a price is made up of their parts."""

_IN_BLOCKS_ONLY = frozenset({"p5e.48xlarge", "p6-b300.48xlarge"})
_GPU_USD = {"H100": 5.0, "H200": 6.5, "A100": 2.4, "V100": 2.0, "B200": 10.0, "B300": 12.0}
_GROWTH = {"us": 1.0, "ca": 1.1, "eu": 1.12, "ap": 1.2, "sa": 1.5, "me": 1.2, "af": 1.25, "il": 1.2}

IMAGES = {
    "ami-0aaa0000000000001": ("ubuntu/images/hvm-ssd-gp3/ubuntu-noble-24.04-amd64-server-20261101",
                              "x86_64", "099720109477", 8, "/dev/sda1"),
    "ami-0aaa0000000000002": ("ubuntu/images/hvm-ssd-gp3/ubuntu-noble-24.04-arm64-server-20261101",
                              "arm64", "099720109477", 8, "/dev/sda1"),
    "ami-0aaa0000000000003": (
        "Deep Learning Base OSS Nvidia Driver GPU AMI (Ubuntu 22.04) 20261015",
        "x86_64", "898082745236", 0, "/dev/sda1"),
    "ami-0aaa0000000000004": (
        "Deep Learning ARM64 Base OSS Nvidia Driver GPU AMI (Ubuntu 22.04) 20261015",
        "arm64", "898082745236", 0, "/dev/sda1"),
    "ami-0aaa0000000000005": (
        "Deep Learning Base Proprietary Nvidia Driver GPU AMI (Ubuntu 22.04) 20261015",
        "x86_64", "898082745236", 0, "/dev/sda1"),
    "ami-0aaa0000000000006": ("al2023-ami-2023.9.20261101.0-kernel-6.12-x86_64",
                              "x86_64", "137112412989", 8, "/dev/xvda"),
    "ami-0aaa0000000000007": ("Deep Learning Base Neuron AMI (Ubuntu 22.04) 20261015",
                              "x86_64", "898082745236", 0, "/dev/sda1"),
}  # fmt: skip
"""Image id -> name, architecture, owner, size in GiB (0 for the setting's), boot disk."""


@cache
def types() -> dict[str, Any]:
    """Return what moto knows of instance types."""
    from moto.ec2.models.instance_types import INSTANCE_TYPES

    found: dict[str, Any] = INSTANCE_TYPES
    return found


@cache
def regions() -> tuple[str, ...]:
    """Return the regions that moto knows offerings of."""
    from moto.ec2.models.instance_types import INSTANCE_TYPE_OFFERINGS

    return tuple(sorted(INSTANCE_TYPE_OFFERINGS["region"]))


@cache
def offered(region: str) -> dict[str, tuple[str, ...]]:
    """Return instance type -> zone ids of a region, as moto knows them."""
    from moto.ec2.models.instance_types import INSTANCE_TYPE_OFFERINGS

    found: dict[str, list[str]] = {}
    for row in INSTANCE_TYPE_OFFERINGS["availability-zone-id"].get(region, ()):
        found.setdefault(row["InstanceType"], []).append(row["Location"])
    return {kind: tuple(sorted(zones)) for kind, zones in found.items()}


@cache
def zones_of(region: str) -> dict[str, str]:
    """Return zone name -> zone id of a region, as moto knows them."""
    from moto.ec2.models.availability_zones_and_regions import RegionsAndZonesBackend

    return {zone.name: zone.zone_id for zone in RegionsAndZonesBackend.zones[region]}


@cache
def usd(kind: str, region: str) -> float:
    """Return the price on demand; 0 for what is sold in blocks only."""
    if kind in _IN_BLOCKS_ONLY:
        return 0.0
    growth = 1.0 if region in {"us-east-1", "us-east-2", "us-west-2"} else _GROWTH[region[:2]]
    return round(PRICES.get(kind, _made_up(kind)) * growth, 6)


def spot_share(kind: str, zone: str) -> float:
    """Return the share of the on-demand price that spot costs in a zone, the same every time."""
    return 0.25 + 0.5 * (zlib.crc32(f"{kind}/{zone}".encode()) % 1000) / 1000


def family_quota(kind: str, *, spot: bool) -> str:
    """Return the code of the quota that a type counts against, in vCPUs."""
    if kind.startswith("p"):
        of_spot = "L-C4BD4855" if kind.startswith("p5") else "L-7212CCBC"
        return of_spot if spot else "L-417A185B"
    if kind.startswith(("g", "vt")):
        return "L-3819A6DF" if spot else "L-DB2E81BA"
    return "L-34B43A08" if spot else "L-1216C47A"


def is_sold(kind: str, *, spot: bool) -> bool:
    """Say whether a type is sold in a class."""
    return ("spot" if spot else "on-demand") in types()[kind]["SupportedUsageClasses"]


def _made_up(kind: str) -> float:
    said = types()[kind]
    cpus, gib = said["VCpuInfo"]["DefaultVCpus"], said["MemoryInfo"]["SizeInMiB"] / 1024
    gpus = (said.get("GpuInfo") or {}).get("Gpus") or ()
    gpu = sum(
        (g.get("Count") or g["GpuPartitionSize"]) * _GPU_USD.get(g["Name"], 0.4) for g in gpus
    )
    return 0.03 * cpus + 0.004 * gib + float(gpu)


def usd_of_blocks(kind: str) -> float:
    """Return what a type would cost on demand that is sold in blocks only."""
    return _made_up(kind)
