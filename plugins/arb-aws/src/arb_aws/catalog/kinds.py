"""What an instance type is: the same in every region."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from arb_aws.client import Client

__all__ = ["Kind", "kind_of", "read_kinds"]

_MIB: Final = 1024
_PAGE: Final = 100
_NAMES: Final = {
    "RTX PRO Server 6000": "RTX-PRO-6000",
    "RTX PRO 4500": "RTX-PRO-4500",
    "T4g": "T4G",
}
"""EC2's names of accelerators where they differ from everybody's."""
_SXM: Final = re.compile(r"p\d")
_NO_FABRIC: Final = "ethernet"
"""Machines are ordered with one plain interface: what a type could do beside is not bought."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One instance type.

    Attributes:
        accelerator: Its name; empty for none.
        count: Accelerators; a fraction where one is shared.
        accelerator_gib: Memory of a whole one.
        usage: How it is sold: ``on-demand``, ``spot``, ``capacity-block``.
    """

    name: str
    vcpus: int
    memory_gib: float
    arch: str = "x86_64"
    accelerator: str = ""
    count: float = 0
    accelerator_gib: float = 0
    usage: tuple[str, ...] = ("on-demand", "spot")

    @property
    def interconnect(self) -> str:
        """How its accelerators are plugged in; empty for none, or when that is not known."""
        if not self.accelerator:
            return ""
        return "SXM" if _SXM.match(self.name) else "PCIe" if self.name.startswith("g") else ""

    @property
    def fabric(self) -> str:
        """What connects its nodes as we order them."""
        return _NO_FABRIC if self.accelerator else ""

    def to_plain(self) -> dict[str, Any]:
        """Return what JSON can hold."""
        return asdict(self)


def read_kinds(client: Client, region: str, names: Sequence[str] = ()) -> dict[str, Kind]:
    """Read instance types of a region: all of them, or some. Raises as ``Client.call``."""
    batches: list[dict[str, Any]] = [
        {"InstanceTypes": list(names[begin : begin + _PAGE])}
        for begin in range(0, len(names), _PAGE)
    ]
    found = {}
    for wanted in batches or [{"MaxResults": _PAGE}]:
        for page in client.pages("ec2", "describe_instance_types", region, **wanted):
            for said in page["InstanceTypes"]:
                kind = kind_of(said)
                if kind is not None:
                    found[kind.name] = kind
    return found


def kind_of(said: Mapping[str, Any]) -> Kind | None:
    """Return an instance type as ``DescribeInstanceTypes`` shows it; None for what runs no Linux."""
    archs = (said.get("ProcessorInfo") or {}).get("SupportedArchitectures") or ()
    arch = next((a for a in ("x86_64", "arm64") if a in archs), "")
    if not arch:
        return None
    accelerator, count, mib = _accelerator(said)
    return Kind(
        name=str(said["InstanceType"]),
        vcpus=int(said["VCpuInfo"]["DefaultVCpus"]),
        memory_gib=said["MemoryInfo"]["SizeInMiB"] / _MIB,
        arch=arch,
        accelerator=accelerator,
        count=count,
        accelerator_gib=round(mib / _MIB, 2),
        usage=tuple(said.get("SupportedUsageClasses") or ()),
    )


def _accelerator(said: Mapping[str, Any]) -> tuple[str, float, float]:
    """Return name, number and memory in MiB of one whole accelerator of a type."""
    gpus = (said.get("GpuInfo") or {}).get("Gpus") or ()
    devices = (said.get("NeuronInfo") or {}).get("NeuronDevices") or ()
    for device in (*gpus, *devices):
        name = str(device.get("Name") or "")
        mib = float((device.get("MemoryInfo") or {}).get("SizeInMiB") or 0)
        part = float(device.get("GpuPartitionSize") or 1)
        whole = float(device.get("Count") or 0)
        count = whole or part * float(device.get("LogicalGpuCount") or 0)
        if count:
            return _NAMES.get(name, name), count, mib / part
    return "", 0, 0
