"""The Billing Catalog: SKUs with prices, and many that are not about what is sold here."""

from __future__ import annotations

from typing import Any

from clouds.gcp.shop import REGION_FACTORS, SPOT_SHARE

__all__ = ["SERVICE", "skus"]

SERVICE = "6F81-5844-456A"
_PLACES = {
    "us-central1": "Americas",
    "us-east4": "Northern Virginia",
    "europe-west4": "Netherlands",
}
_OTHERS = (
    ("Commitment v1: Nvidia H100 80GB GPU in Americas for 1 Year", "GPU", "Commit1Yr", "h", 6.1),
    ("A3 Instance Core running in Americas reserved", "CPU", "OnDemand", "h", 0.001),
    (
        "Sole Tenancy Premium for N2 Instance Core running in Americas",
        "CPU",
        "OnDemand",
        "h",
        0.002,
    ),
    ("N2 Custom Instance Core running in Americas", "CPU", "OnDemand", "h", 0.033),
    ("DWS Defined Duration A3 Instance Core running in Americas", "CPU", "OnDemand", "h", 0.015),
    ("Nvidia H100 80GB GPU DWS Calendar Mode running in Americas", "GPU", "OnDemand", "h", 5.0),
    (
        "Nvidia Tesla T4 GPU Virtual Workstation License running in Americas",
        "GPU",
        "OnDemand",
        "h",
        0.2,
    ),
    ("Storage PD Capacity", "PDStandard", "OnDemand", "GiBy.mo", 0.04),
    (
        "Network Internet Egress from Americas to Americas",
        "PremiumInternetEgress",
        "OnDemand",
        "GiBy",
        0.12,
    ),
)


def skus(prices: dict[str, float]) -> list[dict[str, Any]]:
    """Return every SKU.

    Args:
        prices: By name, on demand in the dearest and cheapest region alike before their factors.
    """
    found = [
        _of_name(name, usd * factor * (SPOT_SHARE if spot else 1), region, spot=spot)
        for name, usd in prices.items()
        for region, factor in REGION_FACTORS.items()
        for spot in (False, True)
    ]
    found += [_sku(*other[:-1], usd=other[-1], region="us-central1") for other in _OTHERS]
    for number, sku in enumerate(found):
        sku["skuId"] = f"AAAA-{number:04}"
        sku["name"] = f"services/{SERVICE}/skus/{sku['skuId']}"
    return found


def _of_name(name: str, usd: float, region: str, *, spot: bool) -> dict[str, Any]:
    place, usage = _PLACES[region], "Preemptible" if spot else "OnDemand"
    if name.startswith("SSD"):
        text = f"{name} attached to Spot Preemptible VMs" if spot else name
        return _sku(text, "LocalSSD", usage, "GiBy.mo", usd=usd, region=region)
    if name.endswith(" GPU"):
        if "B200" in name:  # said to be on demand, also on spot
            text = f"Spot Preemptible {name}" if spot else name
            return _sku(
                f"{text} running in {place}", "GPU", "OnDemand", "h", usd=usd, region=region
            )
        text = f"{name} attached to Spot Preemptible VMs" if spot else name
        return _sku(f"{text} running in {place}", "GPU", usage, "h", usd=usd, region=region)
    is_ram = name.endswith(" Ram")
    group = "N1Standard" if name.startswith("N1") else "RAM" if is_ram else "CPU"
    text = f"Spot Preemptible {name}" if spot else name
    return _sku(
        f"{text} running in {place}",
        group,
        usage,
        "GiBy.h" if is_ram else "h",
        usd=usd,
        region=region,
    )


def _sku(
    text: str, group: str, usage: str, unit: str, *, usd: float, region: str
) -> dict[str, Any]:
    units = int(usd)
    rate = {"currencyCode": "USD", "units": str(units), "nanos": round((usd - units) * 1e9)}
    return {
        "description": text,
        "category": {
            "serviceDisplayName": "Compute Engine",
            "resourceFamily": "Storage" if "Storage" in text else "Compute",
            "resourceGroup": group,
            "usageType": usage,
        },
        "serviceRegions": [region],
        "pricingInfo": [
            {
                "summary": "",
                "pricingExpression": {
                    "usageUnit": unit,
                    "displayQuantity": 1,
                    "tieredRates": [{"startUsageAmount": 0, "unitPrice": rate}],
                },
                "currencyConversionRate": 1,
                "effectiveTime": "2026-11-24T00:00:00Z",
            }
        ],
        "serviceProviderName": "Google",
        "geoTaxonomy": {"type": "REGIONAL", "regions": [region]},
    }
