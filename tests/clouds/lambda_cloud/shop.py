"""What the simulated Lambda sells: types and regions of the real one, at its prices of 2026."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

__all__ = ["NO_FIREWALL", "REGIONS", "TYPES", "Kind", "changed", "region_view"]

REGIONS = {
    "us-east-1": "Virginia, USA",
    "us-west-1": "California, USA",
    "us-south-1": "Texas, USA",
    "us-midwest-1": "Illinois, USA",
    "europe-central-1": "Germany",
}
NO_FIREWALL = {"us-south-1"}


@dataclass(frozen=True)
class Kind:
    """One instance type. ``regions`` are those that have some of it."""

    name: str
    gpu: str
    gpus: int
    cents: int
    vcpus: int
    memory_gib: int
    storage_gib: int
    regions: tuple[str, ...]

    def view(self) -> dict[str, Any]:
        """Return an ``InstanceType``."""
        specs = {
            "vcpus": self.vcpus,
            "memory_gib": self.memory_gib,
            "storage_gib": self.storage_gib,
            "gpus": self.gpus,
        }
        return {
            "name": self.name,
            "description": f"{self.gpus or self.vcpus}x {self.gpu}",
            "gpu_description": self.gpu if self.gpus else "N/A",
            "price_cents_per_hour": self.cents,
            "specs": specs,
        }


_EAST, _WEST, _SOUTH, _MIDWEST, _EUROPE = REGIONS
TYPES = (
    Kind("gpu_8x_h100_sxm5", "H100 (80 GB SXM5)", 8, 3192, 208, 1800, 22528, (_EAST,)),
    Kind("gpu_1x_h100_sxm5", "H100 (80 GB SXM5)", 1, 429, 26, 225, 2816, (_EAST, _SOUTH)),
    Kind("gpu_1x_h100_pcie", "H100 (80 GB PCIe)", 1, 329, 26, 200, 1024, (_WEST, _EAST)),
    Kind("gpu_1x_gh200", "GH200 (96 GB)", 1, 229, 64, 432, 4096, ()),
    Kind("gpu_8x_a100_80gb_sxm4", "A100 (80 GB SXM4)", 8, 2232, 240, 1800, 19968, (_MIDWEST,)),
    Kind("gpu_1x_a100_sxm4", "A100 (40 GB SXM4)", 1, 199, 30, 200, 512, (_EAST, _WEST)),
    Kind("gpu_1x_a10", "A10 (24 GB PCIe)", 1, 129, 30, 200, 1400, (_EAST, _WEST, _EUROPE)),
    Kind("gpu_8x_v100_n", "Tesla V100 (16 GB)", 8, 632, 88, 448, 6042, (_SOUTH,)),
    Kind("cpu_4x_general", "CPU General (16 GiB)", 0, 20, 4, 16, 50, (_EAST,)),
)


def changed(types: tuple[Kind, ...], name: str, **changes: Any) -> tuple[Kind, ...]:
    """Return the types with one of them changed.

    Raises:
        KeyError: There is none of this name.
    """
    if name not in {kind.name for kind in types}:
        raise KeyError(name)
    return tuple(replace(kind, **changes) if kind.name == name else kind for kind in types)


def region_view(name: str) -> dict[str, str]:
    """Return a ``Region``."""
    return {"name": name, "description": REGIONS[name]}
