"""The normal form of a catalog frame: every column there, every dtype as documented."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from arb.plugins.frames import CATALOG_COLUMNS

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

__all__ = [
    "DEFAULTS",
    "LATEST",
    "NULLABLE",
    "NUMBERS",
    "REQUIRED",
    "TEXTS",
    "empty_frame",
    "normal_dtypes",
]

REQUIRED: Final = tuple(CATALOG_COLUMNS)
"""Columns that every frame has."""
TEXTS: Final[Mapping[str, str]] = {
    "region": "",
    "zone": "",
    "instance_type": "",
    "accelerator": "",
    "arch": "x86_64",
    "interconnect": "",
    "fabric": "",
    "quota_family": "",
    "note": "",
}
"""Columns whose texts repeat, with what stands for a missing one."""
NUMBERS: Final = (
    "accelerator_count",
    "accelerator_gib",
    "vcpus",
    "memory_gib",
    "price_usd_hour",
    "disk_gib",
    "minimum_s",
    "latitude",
    "longitude",
    "as_of",
)
"""Columns of numbers; those that may be unknown are NaN then."""
NULLABLE: Final[Mapping[str, str]] = {
    "available": "boolean",
    "capacity": "Int64",
    "user_data": "boolean",
}
"""Columns that may be NA, with their dtype."""
DEFAULTS: Final[Mapping[str, object]] = {
    **{name: text for name, text in TEXTS.items() if name not in REQUIRED},
    "disk_gib": 0.0,
    "minimum_s": 0.0,
    "available": None,
    "capacity": None,
    "user_data": None,
    "latitude": float("nan"),
    "longitude": float("nan"),
    "as_of": float("nan"),
    "payload": "{}",
}
"""Optional columns, with what stands for a missing one."""

LATEST: Final = 253_370_764_800.0
"""The year 9999 in seconds since the epoch: what is later is no date."""


def normal_dtypes() -> dict[str, str]:
    """Return the dtype of every column; ``offer_id`` and ``payload`` are plain objects."""
    return {
        "offer_id": "object",
        **dict.fromkeys(TEXTS, "category"),
        **dict.fromkeys(NUMBERS, "float64"),
        **NULLABLE,
        "spot": "bool",
        "payload": "object",
    }


def empty_frame() -> pd.DataFrame:
    """Return a frame in normal form without rows."""
    import pandas as pd

    return pd.DataFrame({name: pd.Series(dtype=dtype) for name, dtype in normal_dtypes().items()})
