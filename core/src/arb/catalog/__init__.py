"""Offers: what every provider sells, as validated rows."""

from __future__ import annotations

from arb.catalog.rows import offers_from_catalog

__all__ = ["offers_from_catalog"]
