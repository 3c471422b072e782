"""Machine types as Google lists them, in the few words that a price and an offer need."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

from arb_gcp.catalog.accelerators import ACCELERATORS, GUEST_CEILINGS
from arb_gcp.machines import last_part

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

__all__ = ["FAMILIES", "Shape", "bundled_ssd_gib", "guest_shapes", "read_guests", "read_shapes"]

FAMILIES: Final = (
    "(a2|a3|a4|a4x|g2|g4)-.*",
    "n1-(standard|highmem|highcpu)-.*",
    "e2-(standard|highmem|highcpu)-.*",
    "n2-(standard|highmem|highcpu)-.*",
    "n2d-(standard|highmem|highcpu)-.*",
    "c2d?-(standard|highmem|highcpu)-.*",
    "(c3-(standard|highmem|highcpu)|t2d-standard)-.*",
)
"""Machine types that are sold, as patterns of the whole name. One list call each, side by side."""
_METAL: Final = re.compile(r".*-(metal|nolssd)$")
_PARTITION_GIB: Final = 375
_BUNDLED_GIB: Final = {
    "a2-ultragpu-1g": 375,
    "a2-ultragpu-2g": 750,
    "a2-ultragpu-4g": 1500,
    "a2-ultragpu-8g": 3000,
    "a3-highgpu-1g": 750,
    "a3-highgpu-2g": 1500,
    "a3-highgpu-4g": 3000,
    "a3-highgpu-8g": 6000,
    "a3-edgegpu-8g": 6000,
    "a3-megagpu-8g": 6000,
    "a3-ultragpu-8g": 12000,
    "a4-highgpu-8g": 12000,
    "a4x-highgpu-4g": 12000,
}
"""Local SSD that comes with a type, GiB, for answers that do not tell."""
_MIB: Final = 1024.0
_SPECIAL_SERIES: Final = {"a3-megagpu": "a3-mega", "a3-ultragpu": "a3-ultra"}
_GUEST_TYPES: Final = re.compile(r"n1-(standard|highmem)-(4|8|16|32|64|96)")
"""Machine types that are offered with accelerators added: more would say nothing new."""


@dataclass(frozen=True, slots=True)
class Shape:
    """A machine type in one zone.

    Attributes:
        zone: Where.
        name: Google's name of the machine type.
        vcpus: How many.
        memory_gib: GiB.
        accelerator: Google's name; empty for none.
        count: How many accelerators.
        ssd_gib: Local SSD that comes with it.
        arch: ``x86_64`` or ``arm64``.
        guest: The accelerators are added to the type, and do not come with it.
    """

    zone: str
    name: str
    vcpus: int
    memory_gib: float
    accelerator: str = ""
    count: int = 0
    ssd_gib: float = 0
    arch: str = "x86_64"
    guest: bool = False

    @property
    def series(self) -> str:
        """The series whose cores and memory it is priced by."""
        head = self.name.rpartition("-")[0]
        return _SPECIAL_SERIES.get(head, self.name.partition("-")[0])

    def to_plain(self) -> dict[str, Any]:
        """Return what JSON can hold."""
        return asdict(self)


def read_shapes(page: Mapping[str, Any]) -> Iterator[Shape]:
    """Yield the machine types of a page of ``machineTypes.aggregatedList``.

    Deprecated ones, bare metal and those with accelerators that are not known are left out.
    """
    for scope, said in (page.get("items") or {}).items():
        for machine_type in said.get("machineTypes") or ():
            if not _is_old(machine_type) and not _METAL.match(machine_type["name"]):
                yield from _shape(last_part(scope), machine_type)


def bundled_ssd_gib(instance_type: str) -> float:
    """Return the local SSD that is known to come with a machine type, GiB."""
    return _BUNDLED_GIB.get(instance_type, 0)


def _is_old(said: Mapping[str, Any]) -> bool:
    """Say whether a type is on its way out: deprecated, obsolete or deleted."""
    return "deprecated" in said and (said["deprecated"] or {}).get("state") != "ACTIVE"


def _shape(zone: str, said: Mapping[str, Any]) -> Iterator[Shape]:
    accelerators = said.get("accelerators") or ()
    kind, count = "", 0
    if accelerators:
        kind = str(accelerators[0].get("guestAcceleratorType"))
        count = int(accelerators[0].get("guestAcceleratorCount") or 0)
        if kind not in ACCELERATORS or not count:
            return
    partitions = (said.get("bundledLocalSsds") or {}).get("partitionCount")
    name = str(said["name"])
    yield Shape(
        zone=zone,
        name=name,
        vcpus=int(said["guestCpus"]),
        memory_gib=int(said["memoryMb"]) / _MIB,
        accelerator=kind,
        count=count,
        ssd_gib=int(partitions) * _PARTITION_GIB if partitions else bundled_ssd_gib(name),
        arch="arm64" if said.get("architecture") == "ARM64" else "x86_64",
    )


def read_guests(page: Mapping[str, Any]) -> Iterator[tuple[str, str, int]]:
    """Yield zone, name and the most in one machine of accelerators that can be added to one."""
    for scope, said in (page.get("items") or {}).items():
        for kind in said.get("acceleratorTypes") or ():
            if kind["name"] in GUEST_CEILINGS and not _is_old(kind):
                most = int(kind.get("maximumCardsPerInstance") or 0)
                yield last_part(scope), str(kind["name"]), most


def guest_shapes(
    shapes: Iterable[Shape], guests: Iterable[tuple[str, str, int]]
) -> Iterator[Shape]:
    """Yield N1 machine types with accelerators added, as far as the ceilings allow."""
    hosts: dict[str, list[Shape]] = {}
    for shape in shapes:
        if _GUEST_TYPES.fullmatch(shape.name):
            hosts.setdefault(shape.zone, []).append(shape)
    for zone, kind, most in guests:
        for count, (vcpus, gib) in GUEST_CEILINGS[kind].items():
            for host in hosts.get(zone, ()) if count <= most else ():
                if host.vcpus <= vcpus and host.memory_gib <= gib:
                    plain = {**host.to_plain(), "accelerator": kind, "count": count}
                    yield Shape(**{**plain, "guest": True})
