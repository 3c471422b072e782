"""Simulated instance types: ``provider_options.local.simulated``, checked with clear errors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, Final

from arb.errors import closest
from arb_local.simulated_file import read_simulated_file
from arb_local.simulated_values import WHERE, read_value, wrong

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["SimulatedType", "read_simulated"]


@dataclass(frozen=True, slots=True)
class SimulatedType:
    """One instance type that is sold here and costs nothing in truth.

    Attributes:
        instance_type: Its name.
        accelerator: Canonical name, empty for none.
        accelerator_count: How many; 1 when there is an accelerator.
        accelerator_gib: Memory of one, in GiB.
        vcpus: CPUs.
        memory_gib: Memory, in GiB.
        price_usd_hour: On-demand price by place (``region/zone``, ``region`` or "" for all); empty:
            not sold on demand.
        spot_price_usd_hour: The same for spot.
        regions: Region name to its zones; no zones: one place without a zone.
        coordinates: Region name to latitude and longitude, in degrees.
        capacity: Machines at once in each zone and class; None: no limit.
        tells_capacity: Catalog and live prices say how many machines are free, as some clouds do;
            otherwise only a launch finds out.
        boot_delay_s: Time until a machine answers.
        minimum_s: Billing floor: before it a termination is refused for the time being.
        notice_s: Warning before a preemption that ``preempt_after_s`` brings.
        preempt_after_s: Spot machines are preempted after this time; 0: never.
        partial_gangs: When only a part of a gang fits, that part is made, as on clouds that make
            one machine a call.
        interconnect: As in the catalog.
        fabric: As in the catalog.
        arch: As in the catalog; the machines have this computer's.
    """

    instance_type: str
    accelerator: str = ""
    accelerator_count: float = 0
    accelerator_gib: float = 0
    vcpus: float = 4
    memory_gib: float = 16
    price_usd_hour: Mapping[str, float] = field(default_factory=dict)
    spot_price_usd_hour: Mapping[str, float] = field(default_factory=dict)
    regions: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: {"sim": ()})
    coordinates: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    capacity: int | None = None
    tells_capacity: bool = False
    boot_delay_s: float = 0
    minimum_s: float = 0
    notice_s: float = 30
    preempt_after_s: float = 0
    partial_gangs: bool = False
    interconnect: str = ""
    fabric: str = ""
    arch: str = "x86_64"

    def price(self, region: str, zone: str, *, spot: bool) -> float | None:
        """Return the price at a place, the most specific that was given; None: not sold there."""
        prices = self.spot_price_usd_hour if spot else self.price_usd_hour
        places = (f"{region}/{zone}", region, "")
        return next((prices[place] for place in places if place in prices), None)

    def places(self) -> list[str]:
        """Return every ``region`` and ``region/zone``."""
        zones = [f"{region}/{zone}" for region, zones in self.regions.items() for zone in zones]
        return [*self.regions, *zones]


_NAMES: Final = tuple(f.name for f in fields(SimulatedType))
_PRICES: Final = ("price_usd_hour", "spot_price_usd_hour")


def read_simulated(option: object, home: Path) -> tuple[SimulatedType, ...]:
    """Read the option ``simulated``.

    Args:
        option: A list of maps, or the path of a YAML or CSV file that holds one.
        home: What ``~`` in the path stands for.

    Raises:
        UsageError: Something in it is wrong; the message says where.
    """
    rows = read_simulated_file(option, home) if isinstance(option, str) and option else option or []
    if not isinstance(rows, Sequence) or isinstance(rows, str | bytes):
        raise wrong(WHERE, "must be a list of maps, or the path of a YAML or CSV file")
    types = tuple(_read_type(row, f"{WHERE}[{i}]") for i, row in enumerate(rows))
    names = [t.instance_type for t in types]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice:
        raise wrong(WHERE, f"names {twice!r} twice")
    return types


def _read_type(row: object, where: str) -> SimulatedType:
    if not isinstance(row, Mapping):
        raise wrong(where, "must be a map")
    for key in row:
        if key not in _NAMES:
            raise wrong(where, closest(str(key), _NAMES, what="key"))
    if not row.get("instance_type"):
        raise wrong(where, "has no instance_type")
    values: dict[str, Any] = {
        key: read_value(key, value, f"{where}.{key}") for key, value in row.items()
    }
    if not any(values.get(name) for name in _PRICES):
        raise wrong(where, "has neither price_usd_hour nor spot_price_usd_hour")
    if values.get("accelerator"):
        values.setdefault("accelerator_count", 1)
    elif values.get("accelerator_count"):
        raise wrong(where, "has an accelerator_count and no accelerator")
    simulated = SimulatedType(**values)
    _check_places(simulated, where)
    return simulated


def _check_places(simulated: SimulatedType, where: str) -> None:
    """Refuse prices and coordinates of places that the type is not sold in."""
    known = simulated.places()
    for name in _PRICES:
        for place in getattr(simulated, name):
            if place and place not in known:
                raise wrong(f"{where}.{name}", closest(place, known, what="place"))
    for region in simulated.coordinates:
        if region not in simulated.regions:
            raise wrong(f"{where}.coordinates", closest(region, simulated.regions, what="region"))
