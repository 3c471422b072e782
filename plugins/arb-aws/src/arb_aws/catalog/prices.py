"""On-demand prices, from AWS's price list."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

    from arb_aws.client import Client

__all__ = ["price_filters", "prices_in", "read_price", "read_prices", "where_prices_are"]

_SERVED: Final = {"eu": "eu-central-1", "ap": "ap-south-1"}
_USUAL: Final = "us-east-1"
"""The price list of all regions is served in three of them."""
_LINUX: Final = {
    "operatingSystem": "Linux",
    "tenancy": "Shared",
    "preInstalledSw": "NA",
    "capacitystatus": "Used",
    "marketoption": "OnDemand",
}


def where_prices_are(client: Client) -> str:
    """Return the region to ask for prices: one near those of the option, others may be forbidden."""
    regions = client.settings.regions
    areas = {region.partition("-")[0] for region in regions}
    return _SERVED.get(next(iter(areas)), _USUAL) if len(areas) == 1 else _USUAL


def price_filters(region: str, instance_type: str = "") -> list[dict[str, str]]:
    """Return the filters for plain Linux machines of a region, of one type or of all."""
    wanted = {**_LINUX, "regionCode": region}
    if instance_type:
        wanted["instanceType"] = instance_type
    return [{"Type": "TERM_MATCH", "Field": f, "Value": v} for f, v in wanted.items()]


def read_prices(client: Client, region: str) -> dict[str, float]:
    """Return instance type -> USD an hour of a region. Raises as ``Client.call``."""
    found: dict[str, float] = {}
    for page in _pages(client, price_filters(region)):
        found |= prices_in(page["PriceList"])
    return found


def read_price(client: Client, region: str, instance_type: str) -> float | None:
    """Return USD an hour of one type; None when it has none. Raises as ``Client.call``."""
    for page in _pages(client, price_filters(region, instance_type)):
        price = prices_in(page["PriceList"]).get(instance_type)
        if price:
            return price
    return None


def prices_in(products: Iterable[str]) -> dict[str, float]:
    """Return instance type -> USD an hour of a page: JSON texts, a product each."""
    found = {}
    for text in products:
        said = json.loads(text)
        kind = str(said["product"]["attributes"].get("instanceType") or "")
        price = _price(said)
        if kind and price:
            found[kind] = price
    return found


def _pages(client: Client, filters: list[dict[str, str]]) -> Any:
    where = where_prices_are(client)
    return client.pages("pricing", "get_products", where, ServiceCode="AmazonEC2", Filters=filters)


def _price(said: dict[str, Any]) -> float:
    """Return the price of an hour; 0 when there is none, as for what is sold in blocks only."""
    for term in (said.get("terms", {}).get("OnDemand") or {}).values():
        for dimension in term["priceDimensions"].values():
            if dimension.get("unit") == "Hrs":
                return float(dimension["pricePerUnit"].get("USD") or 0)
    return 0.0
