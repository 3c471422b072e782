"""What is sold here: this computer at price 0, and simulated instance types at theirs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from arb.types import Catalog
from arb_local.hardware import read_hardware
from arb_local.settings import open_room, room_path, simulated_file, simulated_types

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pandas as pd

    from arb.types import Offer, ProviderContext
    from arb_local.hardware import Hardware
    from arb_local.simulated import SimulatedType

__all__ = ["HOST_TYPE", "read_catalog", "read_prices", "rows_of_hardware", "rows_of_type"]

HOST_TYPE: Final = "this-machine"
HOST_REGION: Final = "local"
_CATEGORIES: Final = ("region", "zone", "instance_type", "accelerator")
_UNKNOWABLE: Final = {
    "available": "boolean",
    "capacity": "Int64",
    "latitude": "float64",
    "longitude": "float64",
}
_FLOATS: Final = ("accelerator_count", "accelerator_gib", "vcpus", "memory_gib")


def read_catalog(context: ProviderContext) -> Catalog:
    """Return every offer of this computer and of the simulated types."""
    file = simulated_file(context)
    rows = list(rows_of_hardware(read_hardware()))
    for simulated in simulated_types(context):
        rows.extend(_with_stock(context, simulated))
    files = () if file is None else (str(file),)
    return Catalog(_frame(rows), source="live", as_of=context.clock.now(), files=files)


def read_prices(context: ProviderContext, offers: Sequence[Offer]) -> pd.DataFrame:
    """Return price and availability of some offers as the configuration and the room say now."""
    import pandas as pd

    asked = {(offer.offer_id, offer.spot) for offer in offers}
    current = _current_rows(context, offers)
    rows = [row for row in current if (row["offer_id"], row["spot"]) in asked]
    frame = pd.DataFrame(rows, columns=["offer_id", "spot", "price_usd_hour", "available"])
    types: dict[str, Any] = {
        "offer_id": "str",
        "spot": bool,
        "price_usd_hour": "float64",
        "available": "boolean",
    }
    return frame.astype(types)


def rows_of_hardware(hardware: Hardware) -> Iterator[dict[str, Any]]:
    """Yield this computer without GPUs, and with each number of its GPUs."""
    yield _host_row(hardware, "", 0, 0.0, [])
    for name in dict.fromkeys(gpu.name for gpu in hardware.gpus):
        same = [gpu for gpu in hardware.gpus if gpu.name == name]
        for count in range(1, len(same) + 1):
            indices = [gpu.index for gpu in same]
            row = _host_row(hardware, name, count, same[0].memory_gib, indices)
            yield {**row, "capacity": len(same) // count}


def rows_of_type(simulated: SimulatedType) -> Iterator[dict[str, Any]]:
    """Yield a simulated type in every zone, on demand and as spot."""
    for region, zones in simulated.regions.items():
        for zone in zones or ("",):
            for spot in (False, True):
                price = simulated.price(region, zone, spot=spot)
                if price is not None:
                    yield _simulated_row(simulated, region, zone, price, spot=spot)


def _host_row(
    hardware: Hardware, accelerator: str, count: int, gib: float, indices: list[int]
) -> dict[str, Any]:
    name = f"{HOST_TYPE}-{accelerator}x{count}" if count else HOST_TYPE
    return {
        "offer_id": name,
        "region": HOST_REGION,
        "zone": "",
        "instance_type": name,
        "accelerator": accelerator,
        "accelerator_count": count,
        "accelerator_gib": gib,
        "vcpus": hardware.vcpus,
        "memory_gib": hardware.memory_gib,
        "spot": False,
        "price_usd_hour": 0.0,
        "arch": hardware.arch,
        "note": "",
        "minimum_s": 0.0,
        "interconnect": "",
        "fabric": "",
        "available": True,
        "capacity": None,
        "latitude": None,
        "longitude": None,
        "payload": json.dumps({"gpus": indices, "gpu_count": count}),
    }


def _simulated_row(
    simulated: SimulatedType, region: str, zone: str, price: float, *, spot: bool
) -> dict[str, Any]:
    place = "/".join(part for part in (region, zone) if part)
    latitude, longitude = simulated.coordinates.get(region, (None, None))
    payload = {
        "simulated": True,
        "capacity": simulated.capacity,
        "boot_delay_s": simulated.boot_delay_s,
        "minimum_s": simulated.minimum_s,
        "life_s": simulated.preempt_after_s if spot else 0,
        "notice_s": simulated.notice_s,
        "partial_gangs": simulated.partial_gangs,
    }
    return {
        "offer_id": f"{simulated.instance_type}@{place}",
        "region": region,
        "zone": zone,
        "instance_type": simulated.instance_type,
        "accelerator": simulated.accelerator,
        "accelerator_count": simulated.accelerator_count,
        "accelerator_gib": simulated.accelerator_gib,
        "vcpus": simulated.vcpus,
        "memory_gib": simulated.memory_gib,
        "spot": spot,
        "price_usd_hour": price,
        "arch": simulated.arch,
        "note": "simulated",
        "minimum_s": simulated.minimum_s,
        "interconnect": simulated.interconnect,
        "fabric": simulated.fabric,
        "available": None,
        "capacity": None,
        "latitude": latitude,
        "longitude": longitude,
        "payload": json.dumps(payload),
    }


def _frame(rows: list[dict[str, Any]]) -> pd.DataFrame:
    import pandas as pd

    frame = pd.DataFrame(rows)
    types: dict[str, Any] = dict.fromkeys(_CATEGORIES, "category")
    types |= {**dict.fromkeys(_FLOATS, "float32"), **_UNKNOWABLE}
    return frame.astype({**types, "offer_id": "str", "spot": bool, "price_usd_hour": "float64"})


def _current_rows(context: ProviderContext, offers: Sequence[Offer]) -> list[dict[str, Any]]:
    wanted = {offer.instance_type for offer in offers}
    rows: list[dict[str, Any]] = []
    if any(name.startswith(HOST_TYPE) for name in wanted):
        rows.extend(rows_of_hardware(read_hardware()))
    for simulated in simulated_types(context):
        if simulated.instance_type in wanted:
            rows.extend(_with_stock(context, simulated))
    return rows


def _with_stock(context: ProviderContext, simulated: SimulatedType) -> Iterator[dict[str, Any]]:
    """Yield a simulated type's rows, with what is free of it where it tells that."""
    for row in rows_of_type(simulated):
        if simulated.tells_capacity:
            free = _free(context, simulated.capacity, row)
            row |= {"available": free != 0, "capacity": free}
        yield row


def _free(context: ProviderContext, capacity: int | None, row: dict[str, Any]) -> int | None:
    """Return how many more machines fit; looking does not make the room."""
    if not room_path(context.options, context.env, context.data_dir).exists():
        return capacity
    from arb_local.room import Place

    place = Place(row["instance_type"], row["region"], row["zone"], row["spot"])
    return open_room(context).free(place, capacity)
