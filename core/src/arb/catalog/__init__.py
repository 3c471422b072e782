"""Offers: what every provider sells, validated, merged and kept in one file.

Provider packages import ``read_csv`` from here or from ``arb.catalog.read_csv``, and nothing else.
"""

from __future__ import annotations

from arb.catalog.read_csv import read_csv
from arb.catalog.rows import offers_from_catalog

__all__ = ["offers_from_catalog", "read_csv"]
