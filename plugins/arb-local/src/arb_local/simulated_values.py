"""The values of a simulated instance type, read one by one with clear errors."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from arb.errors import UsageError

__all__ = ["WHERE", "read_value", "wrong"]

WHERE: Final = "provider_options.local.simulated"
_HINT: Final = "see the table of simulated instance types in the README of arb-local"
_PAIR: Final = 2
_FARTHEST: Final = (90, 180)
"""Degrees of latitude and longitude."""


def read_value(key: str, value: object, where: str) -> Any:
    """Return the value of one key, checked.

    Args:
        key: A field of ``SimulatedType``.
        value: What the user wrote.
        where: Its place in the settings, for the message.

    Raises:
        UsageError: It cannot be that.
    """
    return _READERS.get(key, _read_amount)(value, where)


def wrong(where: str, what: str) -> UsageError:
    """Return the error for a place in the settings."""
    return UsageError(f"{where} {what}", code="local-simulated-invalid", hint=_HINT)


def _read_text(value: object, where: str) -> str:
    if isinstance(value, Mapping | list):
        raise wrong(where, f"must be a text, not {value!r}")
    return "" if value is None else str(value)


def _read_prices(value: object, where: str) -> dict[str, float]:
    """Return prices by place; one number is the price everywhere."""
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        return {"": _read_price(value, where)}
    return {
        str(place): _read_price(price, f"{where}.{place}")
        for place, price in value.items()
        if price is not None
    }


def _read_price(value: object, where: str) -> float:
    price = _read_number(value, where)
    if price == 0:
        raise wrong(where, "must be above 0: only this machine itself is free")
    return price


def _read_amount(value: object, where: str) -> float:
    return 0 if value is None else _read_number(value, where)


def _read_limit(value: object, where: str) -> int | None:
    return None if value is None else int(_read_number(value, where))


def _read_number(value: object, where: str) -> float:
    number = _float(value)
    if number is None or not 0 <= number < float("inf"):
        raise wrong(where, f"must be a number of 0 or more, not {value!r}")
    return number


def _float(value: object) -> float | None:
    try:
        return None if isinstance(value, bool) else float(str(value))
    except ValueError:
        return None


def _read_bool(value: object, where: str) -> bool:
    known = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
    text = str(value).lower()
    if text not in known:
        raise wrong(where, f"must be true or false, not {value!r}")
    return known[text]


def _read_regions(value: object, where: str) -> dict[str, tuple[str, ...]]:
    if isinstance(value, str):
        value = [value]
    if isinstance(value, Sequence):
        value = {name: [] for name in value}
    if not isinstance(value, Mapping) or not value:
        raise wrong(where, "must be a map of region to its zones, or a list of regions")
    return {str(name): _read_zones(zones, f"{where}.{name}") for name, zones in value.items()}


def _read_zones(value: object, where: str) -> tuple[str, ...]:
    if value is None:
        return ()
    if isinstance(value, str) or not isinstance(value, Sequence):
        raise wrong(where, "must be a list of zones")
    return tuple(str(zone) for zone in value)


def _read_coordinates(value: object, where: str) -> dict[str, tuple[float, float]]:
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise wrong(where, "must be a map of region to latitude and longitude")
    return {str(name): _read_point(point, f"{where}.{name}") for name, point in value.items()}


def _read_point(value: object, where: str) -> tuple[float, float]:
    degrees = [_float(each) for each in value] if isinstance(value, list | tuple) else []
    good = [
        each for each, farthest in zip(degrees, _FARTHEST, strict=False)
        if each is not None and abs(each) <= farthest
    ]  # fmt: skip
    if len(degrees) != _PAIR or len(good) != _PAIR:
        raise wrong(where, f"must be latitude and longitude in degrees, not {value!r}")
    return good[0], good[1]


_READERS: Final[Mapping[str, Callable[[object, str], Any]]] = {
    **dict.fromkeys(("instance_type", "accelerator", "interconnect", "fabric", "arch"), _read_text),
    **dict.fromkeys(("price_usd_hour", "spot_price_usd_hour"), _read_prices),
    **dict.fromkeys(("partial_gangs", "tells_capacity"), _read_bool),
    "regions": _read_regions,
    "coordinates": _read_coordinates,
    "capacity": _read_limit,
}
"""By key; all others are amounts."""
