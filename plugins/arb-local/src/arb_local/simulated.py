"""Simulated instance types: ``provider_options.local.simulated``, checked with clear errors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Final

from arb.errors import UsageError, closest

__all__ = ["SimulatedType", "read_simulated"]

_WHERE: Final = "provider_options.local.simulated"
_HINT: Final = "see the table of simulated instance types in the README of arb-local"


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
        price_usd_hour: On-demand price; None: not sold on demand.
        spot_price_usd_hour: Spot price; None: not sold as spot.
        regions: Region name to its zones; no zones: one place without a zone.
        capacity: Machines at once in each zone and class; None: no limit.
        boot_delay_s: Time until a machine answers.
        minimum_s: Billing floor: before it a termination is refused for the time being.
        notice_s: Warning before a preemption that ``preempt_after_s`` brings.
        preempt_after_s: Spot machines are preempted after this time; 0: never.
        partial_gangs: When only a part of a gang fits, that part is made, as on clouds that make
            one machine a call.
        interconnect: As in the catalog.
        fabric: As in the catalog.
    """

    instance_type: str
    accelerator: str = ""
    accelerator_count: float = 0
    accelerator_gib: float = 0
    vcpus: float = 4
    memory_gib: float = 16
    price_usd_hour: float | None = None
    spot_price_usd_hour: float | None = None
    regions: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: {"sim": ()})
    capacity: int | None = None
    boot_delay_s: float = 0
    minimum_s: float = 0
    notice_s: float = 30
    preempt_after_s: float = 0
    partial_gangs: bool = False
    interconnect: str = ""
    fabric: str = ""


_NAMES: Final = tuple(f.name for f in fields(SimulatedType))
_TEXTS: Final = frozenset({"instance_type", "accelerator", "interconnect", "fabric"})
_PRICES: Final = ("price_usd_hour", "spot_price_usd_hour")


def read_simulated(option: object, home: Path) -> tuple[SimulatedType, ...]:
    """Read the option ``simulated``.

    Args:
        option: A list of maps, or the path of a YAML or CSV file that holds one. In a CSV file
            ``regions`` is written ``east=a|b;west``.
        home: What ``~`` in the path stands for.

    Raises:
        UsageError: Something in it is wrong; the message says where.
    """
    rows = _read_file(option, home) if isinstance(option, str) and option else option or []
    if not isinstance(rows, Sequence) or isinstance(rows, str | bytes):
        raise _wrong(_WHERE, "must be a list of maps, or the path of a YAML or CSV file")
    types = tuple(_read_type(row, f"{_WHERE}[{i}]") for i, row in enumerate(rows))
    names = [t.instance_type for t in types]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice:
        raise _wrong(_WHERE, f"names {twice!r} twice")
    return types


def _read_file(text: str, home: Path) -> object:
    path = home / text[2:] if text.startswith("~/") else Path(text)
    try:
        content = path.read_text(encoding="utf-8")
    except OSError as error:
        raise _wrong(_WHERE, f"cannot read {text}: {error.strerror}") from error
    if path.suffix.lower() == ".csv":
        return _read_csv(content)
    import yaml

    try:
        return yaml.safe_load(content)
    except yaml.YAMLError as error:
        raise _wrong(_WHERE, f"{text} is not YAML: {error}".replace("\n", " ")) from error


def _read_csv(content: str) -> list[dict[str, Any]]:
    import csv

    rows = csv.DictReader(content.splitlines(), skipinitialspace=True)
    return [
        {
            key: _csv_regions(value) if key == "regions" else value
            for key, value in row.items()
            if value not in {None, ""}
        }
        for row in rows
    ]


def _csv_regions(text: str) -> dict[str, list[str]]:
    pairs = (part.partition("=") for part in text.split(";") if part.strip())
    return {name.strip(): [z for z in zones.split("|") if z] for name, _, zones in pairs}


def _read_type(row: object, where: str) -> SimulatedType:
    if not isinstance(row, Mapping):
        raise _wrong(where, "must be a map")
    for key in row:
        if key not in _NAMES:
            raise _wrong(where, closest(str(key), _NAMES, what="key"))
    if not row.get("instance_type"):
        raise _wrong(where, "has no instance_type")
    values = {key: _read_value(key, value, f"{where}.{key}") for key, value in row.items()}
    if all(values.get(name) is None for name in _PRICES):
        raise _wrong(where, "has neither price_usd_hour nor spot_price_usd_hour")
    if values.get("accelerator"):
        values.setdefault("accelerator_count", 1)
    elif values.get("accelerator_count"):
        raise _wrong(where, "has an accelerator_count and no accelerator")
    return SimulatedType(**values)


def _read_value(key: str, value: object, where: str) -> Any:
    if key in _TEXTS:
        return str(value)
    if key == "regions":
        return _read_regions(value, where)
    if key == "partial_gangs":
        return _read_bool(value, where)
    if value is None:
        return None if key in {*_PRICES, "capacity"} else 0
    number = _read_number(value, where)
    if key in _PRICES and number == 0:
        raise _wrong(where, "must be above 0: only this machine itself is free")
    if key == "capacity":
        return int(number)
    return number


def _read_number(value: object, where: str) -> float:
    try:
        number = float(str(value))
    except ValueError:
        number = -1
    if isinstance(value, bool) or not 0 <= number < float("inf"):
        raise _wrong(where, f"must be a number of 0 or more, not {value!r}")
    return number


def _read_bool(value: object, where: str) -> bool:
    known = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
    text = str(value).lower()
    if text not in known:
        raise _wrong(where, f"must be true or false, not {value!r}")
    return known[text]


def _read_regions(value: object, where: str) -> dict[str, tuple[str, ...]]:
    if isinstance(value, str):
        value = [value]
    if isinstance(value, Sequence):
        value = {name: [] for name in value}
    if not isinstance(value, Mapping) or not value:
        raise _wrong(where, "must be a map of region to its zones, or a list of regions")
    return {str(name): _read_zones(zones, f"{where}.{name}") for name, zones in value.items()}


def _read_zones(value: object, where: str) -> tuple[str, ...]:
    if value is None:
        return ()
    if isinstance(value, str) or not isinstance(value, Sequence):
        raise _wrong(where, "must be a list of zones")
    return tuple(str(zone) for zone in value)


def _wrong(where: str, what: str) -> UsageError:
    return UsageError(f"{where} {what}", code="local-simulated-invalid", hint=_HINT)
