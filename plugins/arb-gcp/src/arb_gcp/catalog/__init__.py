"""What Google sells: machine types by zone, composed with unit prices of the Billing Catalog."""

from __future__ import annotations

from arb_gcp.catalog.quotes import query_prices
from arb_gcp.catalog.read import read_catalog

__all__ = ["query_prices", "read_catalog"]
