"""Catalogs of any size: deterministic, many providers, shaped like real price lists.

A provider sells instance types in regions with zones, on demand and mostly also as spot. On-demand
prices are one a region, spot prices one a zone and up to five times apart, as prices are in truth.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    import pandas as pd

__all__ = ["NOW", "make_frame", "make_frames", "provider_names", "write_big_catalog"]

NOW: Final = 1_790_000_000.0
"""When the catalogs were read."""

# accelerator, GiB of one, price of one an hour, vCPUs and GiB of memory a piece, counts, interconnect
_SOLD: Final = (
    ("H100", 80, 4.2, 24, 225, (1, 2, 4, 8), "SXM"),
    ("H200", 141, 5.1, 24, 256, (1, 8), "SXM"),
    ("B200", 180, 7.4, 26, 360, (1, 8), "SXM"),
    ("A100", 40, 1.9, 12, 85, (1, 2, 4, 8, 16), "SXM"),
    ("A100-80GB", 80, 2.6, 12, 120, (1, 2, 4, 8), "SXM"),
    ("L40S", 48, 1.1, 12, 64, (1, 2, 4, 8), "PCIe"),
    ("L4", 24, 0.7, 8, 32, (1, 2, 4, 8), "PCIe"),
    ("A10G", 24, 1.0, 8, 32, (1, 4, 8), "PCIe"),
    ("T4", 16, 0.4, 4, 16, (1, 2, 4), "PCIe"),
    ("V100", 16, 2.1, 8, 61, (1, 4, 8), "SXM"),
    ("RTX4090", 24, 0.5, 8, 40, (1, 2, 4, 8), "PCIe"),
    ("MI300X", 192, 3.6, 24, 240, (1, 8), ""),
    ("", 0, 0.05, 1, 4, (2, 4, 8, 16, 32, 64, 96), ""),
)
_LADDER: Final = tuple((kind, count) for kind in _SOLD for count in kind[5])
_ZONES: Final = ("a", "b", "c")


def provider_names(count: int) -> list[str]:
    """Return names of providers that exist nowhere."""
    return [f"cloud{index:02}" for index in range(count)]


def make_frames(rows: int, providers: int = 20, seed: int = 0) -> dict[str, pd.DataFrame]:
    """Return frames of ``rows`` rows in all, by provider, in the normal form of the catalog."""
    from arb.catalog.columns import normal_dtypes

    names = provider_names(providers)
    sizes = [rows // providers + (index < rows % providers) for index in range(providers)]
    return {
        name: make_frame(name, size, seed=seed).astype(normal_dtypes())
        for name, size in zip(names, sizes, strict=True)
    }


def make_frame(provider: str, rows: int, *, seed: int = 0) -> pd.DataFrame:
    """Return what a provider's ``arb_catalog`` could answer, optional columns included."""
    import numpy as np
    import pandas as pd

    random = np.random.default_rng([seed, *provider.encode()])
    number = np.arange(rows)
    has_spot = random.random() < 0.8
    classes = 2 if has_spot else 1
    spot = number % classes == 1
    rung = number // classes % len(_LADDER)
    zone = number // (classes * len(_LADDER)) % len(_ZONES)
    region = number // (classes * len(_LADDER) * len(_ZONES)) % 30
    series = number // (classes * len(_LADDER) * len(_ZONES) * 30)
    table = _ladder_columns(rung)
    price = table["price"] * _factors(random, region, series, zone, spot)
    return pd.DataFrame({
        "offer_id": _ids(rung, region, zone, series),
        "region": _texts("region-{}", region),
        "zone": _texts_of([f"region-{r}{z}" for r in range(30) for z in _ZONES], region * 3 + zone),
        "instance_type": _texts_of(_type_names(int(series.max(initial=0)) + 1), series * len(_LADDER) + rung),
        "accelerator": table["accelerator"],
        "accelerator_count": table["count"].astype("float32"),
        "accelerator_gib": table["gib"].astype("float32"),
        "vcpus": table["vcpus"].astype("float32"),
        "memory_gib": table["memory"].astype("float32"),
        "spot": spot,
        "price_usd_hour": np.round(price, 4),
        "arch": "x86_64",
        "interconnect": table["plug"],
        "fabric": np.where(table["count"] >= 8, "ib", "ethernet"),
        "quota_family": "",
        "disk_gib": 100.0,
        "minimum_s": 60.0,
        "available": pd.array(np.where(random.random(rows) < 0.1, False, None), dtype="boolean"),
        "capacity": pd.array([None] * rows, dtype="Int64"),
        "user_data": pd.array([None] * rows, dtype="boolean"),
        "latitude": (region * 7 % 120 - 60).astype("float64"),
        "longitude": (region * 31 % 360 - 180).astype("float64"),
        "note": "",
        "payload": [json.dumps({"image": "base", "number": n}) for n in number.tolist()],
        "as_of": np.nan,
    })  # fmt: skip


def write_big_catalog(path: Path, rows: int, providers: int = 20, seed: int = 0) -> None:
    """Write a catalog file of ``rows`` offers that were all read at ``NOW``."""
    from arb.catalog.schema import ProviderRow
    from arb.catalog.write import write_catalog

    frames = make_frames(rows, providers, seed)
    known = [
        ProviderRow(name, f"arb-{name}", "1.0", "live", NOW, NOW, NOW, rows=len(frame))
        for name, frame in frames.items()
    ]
    write_catalog(path, known, frames)


def _ladder_columns(rung: np.ndarray[Any, Any]) -> dict[str, Any]:
    """Return what an instance type's accelerator and size say, by row."""
    import numpy as np

    columns = {
        "accelerator": [name for (name, *_), _ in _LADDER],
        "gib": [gib for (_, gib, *_), _ in _LADDER],
        "count": [count if name else 0 for (name, *_), count in _LADDER],
        "price": [kind[2] * count for kind, count in _LADDER],
        "vcpus": [kind[3] * count for kind, count in _LADDER],
        "memory": [kind[4] * count for kind, count in _LADDER],
        "plug": [kind[6] for kind, _ in _LADDER],
    }
    texts = {"accelerator", "plug"}
    return {
        name: _texts_of(values, rung) if name in texts else np.array(values)[rung]
        for name, values in columns.items()
    }


def _factors(
    random: np.random.Generator,
    region: np.ndarray[Any, Any],
    series: np.ndarray[Any, Any],
    zone: np.ndarray[Any, Any],
    spot: np.ndarray[Any, Any],
) -> np.ndarray[Any, Any]:
    """Return what a place and a class make of a price: spot is dear or cheap by zone."""
    import numpy as np

    own = random.uniform(0.6, 1.6)
    of_region = random.uniform(1.0, 1.4, 30)[region] * (1 + 0.01 * (series % 20))
    of_zone = random.uniform(0.2, 1.0, (30, len(_ZONES)))[region, zone]
    return own * of_region * np.where(spot, of_zone, 1.0)


def _type_names(series: int) -> list[str]:
    return [
        f"{'gpu' if kind[0] else 'cpu'}{number}.{count}x{kind[0].lower() or 'std'}"
        for number in range(series)
        for kind, count in _LADDER
    ]


def _ids(*parts: np.ndarray[Any, Any]) -> list[str]:
    return ["-".join(map(str, row)) for row in zip(*(p.tolist() for p in parts), strict=True)]


def _texts(pattern: str, numbers: np.ndarray[Any, Any]) -> Any:
    return _texts_of([pattern.format(n) for n in range(int(numbers.max(initial=0)) + 1)], numbers)


def _texts_of(texts: list[str], numbers: np.ndarray[Any, Any]) -> Any:
    """Return a category column; texts may repeat."""
    import numpy as np
    import pandas as pd

    known = list(dict.fromkeys(texts))
    code = {text: index for index, text in enumerate(known)}
    codes = np.array([code[text] for text in texts], dtype=np.int32)[numbers]
    return pd.Categorical.from_codes(codes, categories=pd.Index(known, dtype=object))
