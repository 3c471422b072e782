"""Offers: what every provider sells, validated, merged and kept in one file.

Provider packages import ``read_csv`` from here or from ``arb.catalog.read_csv``, and nothing else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from arb.catalog.read_csv import read_csv

if TYPE_CHECKING:
    from arb.catalog.rows import offers_from_catalog

__all__ = ["offers_from_catalog", "read_csv"]


def __getattr__(name: str) -> Any:
    """Import what listings do not need when it is first asked for."""
    if name != "offers_from_catalog":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from arb.catalog.rows import offers_from_catalog

    return offers_from_catalog
