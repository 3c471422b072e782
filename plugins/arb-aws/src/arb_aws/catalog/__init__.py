"""What EC2 sells: instance types by zone, with the price list and the spot prices of each zone."""

from __future__ import annotations

from arb_aws.catalog.read import read_catalog

__all__ = ["read_catalog"]
