"""Which quota an instance type counts against. EC2 counts vCPUs, for each family and region."""

from __future__ import annotations

import re
from typing import Final

__all__ = ["QUOTAS", "family_of", "series_of"]

_BY_SERIES: Final = {
    **dict.fromkeys("acdhimrtz", "Standard"),
    **dict.fromkeys(("g", "gr", "vt"), "G-VT"),
    "dl": "DL",
    "f": "F",
    "hpc": "HPC",
    "inf": "Inf",
    "p": "P",
    "trn": "Trn",
    "u": "High-Memory",
    "x": "X",
}
_SERIES: Final = re.compile(r"([a-z]+)")
_NEW_P: Final = re.compile(r"p([5-9]|\d\d)")

QUOTAS: Final = {
    ("P", False): "L-417A185B",
    ("G-VT", False): "L-DB2E81BA",
    ("Standard", False): "L-1216C47A",
    ("P", True): "L-7212CCBC",
    ("P5", True): "L-C4BD4855",
    ("G-VT", True): "L-3819A6DF",
    ("Standard", True): "L-34B43A08",
}
"""Family and whether it is spot -> code in Service Quotas, as far as it is known."""


def series_of(instance_type: str) -> str:
    """Return the letters that a type begins with: ``gr`` of ``gr6.4xlarge``."""
    match = _SERIES.match(instance_type)
    return match[1] if match else ""


def family_of(instance_type: str, *, spot: bool) -> str:
    """Return the name of the quota that a type counts against.

    On spot the newer P types have quotas of their own, by generation.
    """
    series = series_of(instance_type)
    if spot and series == "p" and (match := _NEW_P.match(instance_type)):
        return f"P{match[1]}"
    letter = series[:1]
    return _BY_SERIES.get(series) or _BY_SERIES.get(letter) or series.upper() or "Standard"
