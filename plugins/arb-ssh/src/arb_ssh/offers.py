"""From hosts to offers: one for the equal hosts of a pool. Pure functions."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from arb_ssh.hosts import Gpus, Hardware, Host

__all__ = ["Kind", "kinds", "row"]

_ALIKE: Final = 0.03
"""Memory that a system reports differs by some percent between equal machines."""
_MAKERS: Final = re.compile(r"(?i)\b(nvidia|amd|tesla|quadro|geforce|instinct)\b")
_NO_NAME: Final = re.compile(r"[^A-Za-z0-9.]+")
_MEMORY: Final = re.compile(r"(?i)[- ]?(\d+ ?gb|hbm\w*|sxm\d*|pcie|nvl)\b")


@dataclass(frozen=True, slots=True)
class Kind:
    """Equal hosts of one pool: what one offer is about.

    Attributes:
        name: The instance type.
        hosts: In the order of the list, at least one.
        hardware: What each of them has at least.
    """

    name: str
    hosts: tuple[Host, ...]
    hardware: Hardware

    @property
    def pool(self) -> str:
        """The region."""
        return self.hosts[0].pool

    @property
    def offer_id(self) -> str:
        """The id of the offer."""
        return f"{self.name}@{self.pool}"


def kinds(known: Iterable[tuple[Host, Hardware]]) -> list[Kind]:
    """Part hosts into kinds: same pool, price, labels and hardware.

    Instance types are named after pool and hardware; where that does not tell two apart, CPUs and
    memory are added, then a number.
    """
    groups: list[list[tuple[Host, Hardware]]] = []
    for host, hardware in known:
        for group in groups:
            if _are_equal(group[0], (host, hardware)):
                group.append((host, hardware))
                break
        else:
            groups.append([(host, hardware)])
    taken: set[str] = set()
    found = []
    for group in groups:
        name = _name(group, taken)
        taken.add(name)
        least = min((hardware for _, hardware in group), key=lambda h: h.memory_gib)
        found.append(Kind(name, tuple(host for host, _ in group), least))
    return found


def row(kind: Kind, free: int | None, why_not: Iterable[str] = ()) -> dict[str, Any]:
    """Return a kind as a row of the catalog.

    Args:
        kind: Which.
        free: How many of its hosts can be had now; None when none of them could be asked: then
            nothing is known, and an order says why.
        why_not: Why none can, for people.
    """
    first, hardware = kind.hosts[0], kind.hardware
    labels = (f"{name}={text}" for name, text in sorted(first.labels.items()))
    names = [host.name for host in kind.hosts]
    return {
        "offer_id": kind.offer_id,
        "region": kind.pool,
        "zone": "",
        "instance_type": kind.name,
        "accelerator": hardware.gpus.name,
        "accelerator_count": hardware.gpus.count,
        "accelerator_gib": hardware.gpus.gib,
        "vcpus": hardware.vcpus,
        "memory_gib": hardware.memory_gib,
        "arch": hardware.arch,
        "spot": False,
        "price_usd_hour": first.price_usd_hour,
        "available": None if free is None else free > 0,
        "capacity": free,
        "note": ", ".join((*labels, *why_not)),
        "payload": json.dumps({"instance_type": kind.name, "hosts": names}),
    }


def _are_equal(one: tuple[Host, Hardware], other: tuple[Host, Hardware]) -> bool:
    (host, hardware), (another, theirs) = one, other
    same = [
        host.pool == another.pool,
        host.price_usd_hour == another.price_usd_hour,
        dict(host.labels) == dict(another.labels),
        hardware.arch == theirs.arch,
        hardware.vcpus == theirs.vcpus,
        hardware.gpus.name.lower() == theirs.gpus.name.lower(),
        hardware.gpus.count == theirs.gpus.count,
        _alike(hardware.gpus.gib, theirs.gpus.gib),
        _alike(hardware.memory_gib, theirs.memory_gib),
    ]
    return all(same)


def _alike(one: float, other: float) -> bool:
    return abs(one - other) <= _ALIKE * max(one, other)


def _name(group: Sequence[tuple[Host, Hardware]], taken: set[str]) -> str:
    host, hardware = group[0]
    pool = host.pool.replace("/", "-")
    sizes = f"{hardware.vcpus:g}cpu-{hardware.memory_gib:.0f}gib"
    gpus = f"{_short(hardware.gpus)}x{hardware.gpus.count:g}" if hardware.gpus.name else ""
    name = f"{pool}-{gpus or sizes}"
    if name in taken and gpus:
        name = f"{pool}-{gpus}-{sizes}"
    numbered = (f"{name}-{number}" for number in range(2, len(taken) + 3))
    return name if name not in taken else next(n for n in numbered if n not in taken)


def _short(gpus: Gpus) -> str:
    """Return an accelerator's name for a type: ``NVIDIA H100 80GB HBM3`` is an ``H100``."""
    bare = _MEMORY.sub("", _MAKERS.sub("", gpus.name))
    return _NO_NAME.sub("-", bare).strip("-") or _NO_NAME.sub("-", gpus.name).strip("-")
