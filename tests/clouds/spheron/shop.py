"""What the simulated Spheron sells, and ``GET /api/gpu-offers``."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from arb_local.room import Place

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["SHOP", "GpuOffer", "gpu_offers_page"]

_HYPER_OS = ("Ubuntu Server 22.04 LTS R570 CUDA 12.8 with Docker", "Ubuntu Server 24.04 LTS")
_CRUNCH_OS = ("Ubuntu 22.04", "Ubuntu 24.04 + Docker")
_SHADE_OS = ("ubuntu22.04_cuda12.8_shade_os",)
_SORTS: dict[str, Callable[[list[GpuOffer]], float]] = {
    "popularity": len,
    "lowestPrice": lambda offers: min(o.price for o in offers),
    "highestPrice": lambda offers: max(o.price for o in offers),
    "averagePrice": lambda offers: sum(o.price for o in offers) / len(offers),
}
_QUERY = {"page", "limit", "search", "sortBy", "sortOrder", "instanceType"}
_KINDS = {"SPOT", "DEDICATED", "CLUSTER"}
_MOST_ROWS = 200


@dataclass(frozen=True)
class GpuOffer:
    """One offer. ``more`` is merged into what is shown, ``without`` is left out."""

    provider: str
    offer_id: str
    gpu_type: str
    price: float
    clusters: tuple[str, ...]
    vcpus: int
    memory: int
    gpus: int = 1
    gpu_memory: int = 80
    storage: int = 500
    kind: str = "DEDICATED"
    spot_price: float | None = None
    available: bool = True
    os_options: tuple[str, ...] = _HYPER_OS
    cloud_init: bool = True
    interconnect: str = "PCIe"
    more: Mapping[str, Any] = field(default_factory=dict)
    without: tuple[str, ...] = ()

    @property
    def base_type(self) -> str:
        """The model, without memory and plug."""
        return self.gpu_type.partition("_")[0]

    def is_sold(self, kind: str) -> bool:
        """Say whether it can be ordered as ``kind``."""
        return kind == self.kind or (kind == "SPOT" and self.spot_price is not None)

    def usd_hour(self, kind: str) -> float:
        """Return the price of an order."""
        if kind == "SPOT" and self.spot_price is not None:
            return self.spot_price
        return self.price

    def shown(self, *, available: bool, discount: float) -> dict[str, Any]:
        """Return what the listing says. Names are mixed, as in the real one."""
        facts: dict[str, Any] = {
            "provider": self.provider,
            "offerId": self.offer_id,
            "name": self.offer_id.partition("_")[0],
            "description": f"{self.base_type} x{self.gpus}",
            "vcpus": self.vcpus,
            "memory": self.memory,
            "storage": self.storage,
            "gpuCount": self.gpus,
            "gpu_memory": self.gpu_memory,
            "price": round(self.price * (1 - discount), 4),
            "available": available,
            "maintenance": False,
            "clusters": list(self.clusters),
            "region": self.clusters[0],
            "os_options": list(self.os_options),
            "interconnectType": self.interconnect,
            "interconnectDescription": self.interconnect,
            "instanceType": self.kind,
            "supportsCloudInit": self.cloud_init,
            "extras": {"deployment_type": "vm", "nvlink": "SXM" in self.interconnect},
            "tier": "community",  # nothing that is documented: fields come and go
        }
        if self.spot_price is not None:
            facts["spot_price"] = round(self.spot_price * (1 - discount), 4)
        facts |= self.more
        return {name: value for name, value in facts.items() if name not in self.without}


def _hyper(gpu: str, name: str, price: float, place: str, *facts: Any, **more: Any) -> GpuOffer:
    return GpuOffer("spheron-ai", f"{name}__{place}", gpu, price, (place,), *facts, **more)


def _crunch(gpu: str, name: str, price: float, spot: float, *facts: Any, **more: Any) -> GpuOffer:
    more = {"os_options": _CRUNCH_OS, "spot_price": spot, "interconnect": "SXM5", **more}
    return GpuOffer("data-crunch", f"{name}_FIN-03_500", gpu, price, ("Finland 3",), *facts, **more)


def _sesterce(gpu: str, name: str, price: float, place: str, *facts: Any, **more: Any) -> GpuOffer:
    more = {"os_options": _SHADE_OS, "cloud_init": False, **more}
    return GpuOffer("sesterce", f"{name}_{place}", gpu, price, (place,), *facts, **more)


SHOP = (
    _hyper("A100_80G_PCIE", "n3-A100x1", 1.43, "CANADA-1", 28, 120, storage=850),
    _hyper("A100_80G_PCIE", "n3-A100x1-spot", 1.15, "CANADA-1", 28, 120, storage=850, kind="SPOT"),
    _sesterce(
        "A100_80G_PCIE", "A100_80G_0000", 1.78, "montreal-canada-2", 28, 120, available=False
    ),
    _sesterce(
        "A100_80G_SXM4", "A100_sxm4_80G_0001", 1.64, "desmoines-usa-1", 22, 120, interconnect="SXM4"
    ),
    GpuOffer(
        "massed-compute",
        "gpu_1x_a100_SXM4_us-central-3",
        "A100_80G_SXM4",
        1.07,
        ("US Central 3",),
        14,
        94,
        interconnect="SXM4",
        os_options=("Ubuntu Desktop 22.04",),
        more={"maintenance": True},
    ),
    _crunch("H100_SXM5", "1H100.80S.32V", 2.91, 0.80, 32, 185),
    _crunch("H100_SXM5", "8H100.80S.176V", 23.3, 6.41, 176, 1480, 8),
    GpuOffer(
        "voltage-park",
        "vp-h100-sxm5-ib",
        "H100_SXM5",
        17.52,
        ("us-east-virginia-1", "US Central 1"),
        208,
        1800,
        8,
        kind="CLUSTER",
        interconnect="SXM5",
        more={"extras": {"deployment_type": "cluster", "nvlink": True}},
    ),
    _hyper("H100_PCIE", "n3-H100x1", 2.01, "CANADA-1", 28, 180, storage=750),
    _hyper("H100_PCIE", "n3-H100x8", 16.06, "CANADA-1", 224, 1440, 8, storage=6000),
    GpuOffer(
        "sesterce",
        "L40Sx2-kansascity-usa-1",
        "L40S_PCIE",
        2.32,
        ("kansascity-usa-1",),
        32,
        180,
        2,
        48,
        os_options=_SHADE_OS,
        without=("clusters", "maintenance"),
    ),
    _hyper("A4000_PCIE", "n3-RTX-A4000x1", 0.17, "NORWAY-1", 4, 21, gpu_memory=16, storage=100),
    GpuOffer(
        "spheron-es",
        "rtx5090-bm-1",
        "RTX5090_PCIE_BAREMETAL",
        0.69,
        ("montreal-canada-2",),
        16,
        64,
        gpu_memory=32,
        os_options=("Ubuntu 22.04",),
    ),
)


def gpu_offers_page(
    offers: list[tuple[GpuOffer, bool]], query: Mapping[str, str], *, discount: float, most: int
) -> dict[str, Any]:
    """Return one page of groups.

    Args:
        offers: Each with whether it is told to be available.
        query: Of the request.
        discount: Of the team whose key was sent, as a share.
        most: Groups on a page at most; 0 leaves it to the request.

    Raises:
        ValueError: The query is not as documented.
    """
    _check_query(query)
    page, limit = int(query.get("page", 1)), int(query.get("limit", 10))
    limit = min(limit, most) if most else limit
    groups = _groups(offers, query)
    shown = [_group(gpu, rows, discount) for gpu, rows in groups[(page - 1) * limit : page * limit]]
    pages = math.ceil(len(groups) / limit)
    return {"data": shown, "total": len(groups), "page": page, "limit": limit, "totalPages": pages}


def _check_query(query: Mapping[str, str]) -> None:
    if unknown := set(query) - _QUERY:
        raise ValueError(f"unknown query parameter {min(unknown)}")
    for name in ("page", "limit"):
        text = query.get(name, "1")
        if not text.isdigit() or int(text) < 1 or (name == "limit" and int(text) > _MOST_ROWS):
            raise ValueError(f"{name} is not valid")
    if query.get("instanceType", "SPOT") not in _KINDS:
        raise ValueError("instanceType is not valid")
    if query.get("sortBy", "popularity") not in _SORTS:
        raise ValueError("sortBy is not valid")
    if query.get("sortOrder", "asc") not in {"asc", "desc"}:
        raise ValueError("sortOrder is not valid")


def _groups(
    offers: list[tuple[GpuOffer, bool]], query: Mapping[str, str]
) -> list[tuple[str, list[tuple[GpuOffer, bool]]]]:
    kind, search = query.get("instanceType", ""), query.get("search", "").lower()
    groups: dict[str, list[tuple[GpuOffer, bool]]] = {}
    for offer, available in offers:
        if kind in {"", offer.kind} and search in offer.gpu_type.lower():
            groups.setdefault(offer.gpu_type, []).append((offer, available))
    sort = _SORTS[query.get("sortBy", "popularity")]
    reverse = query.get("sortOrder", "asc") == "desc"
    return sorted(groups.items(), key=lambda g: sort([o for o, _ in g[1]]), reverse=reverse)


def _group(gpu: str, rows: list[tuple[GpuOffer, bool]], discount: float) -> dict[str, Any]:
    offers = [offer for offer, _ in rows]
    prices = [o.price for o in offers] + [o.spot_price for o in offers if o.spot_price is not None]
    variant = gpu.removesuffix("_BAREMETAL").rpartition("_")[2]
    return {
        "gpuType": gpu,
        "gpuModel": offers[0].base_type,
        "baseGpuType": offers[0].base_type,
        "interconnectVariants": [variant],
        "hasMultipleVariants": False,
        "displayName": f"NVIDIA {gpu.replace('_', ' ')}",
        "popularity": len(offers),
        "totalAvailable": sum(available for _, available in rows),
        "lowestPrice": min(prices),
        "highestPrice": max(prices),
        "averagePrice": round(sum(prices) / len(prices), 2),
        "providers": sorted({offer.provider for offer in offers}),
        "offers": [o.shown(available=available, discount=discount) for o, available in rows],
    }


def place_of(offer: GpuOffer, region: str, kind: str) -> Place:
    """Return where an order counts for capacity."""
    return Place(offer.offer_id, region, "", kind == "SPOT")


def changed(shop: tuple[GpuOffer, ...], offer_id: str, **changes: Any) -> tuple[GpuOffer, ...]:
    """Return the shop with one offer changed.

    Raises:
        KeyError: There is no such offer.
    """
    if offer_id not in {offer.offer_id for offer in shop}:
        raise KeyError(f"no offer {offer_id}")
    return tuple(replace(o, **changes) if o.offer_id == offer_id else o for o in shop)
