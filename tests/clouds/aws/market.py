"""Prices: the price list, and spot by zone."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from clouds.aws import shop
from clouds.aws.errors import Refused
from clouds.aws.xml import ec2_answer, page_of
from clouds.http import Answer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from clouds.aws.calls import AwsCall
    from clouds.aws.cloud import Aws

__all__ = ["Market"]

_REQUEST = {"x-amzn-RequestId": "00000000-0000-4000-8000-000000000004"}
_PRICE_REGIONS = {"us-east-1", "eu-central-1", "ap-south-1"}
_HOUR_S = 3600
_MOST_PRODUCTS, _MOST_PRICES = 100, 1000


class Market:
    """What things cost.

    Attributes:
        listed: Type and region -> USD on demand, where that was changed.
        spot: Type and zone id -> USD on spot, where that was changed.
    """

    def __init__(self, cloud: Aws) -> None:
        self._cloud = cloud
        self.listed: dict[tuple[str, str], float] = {}
        self.spot: dict[tuple[str, str], float] = {}

    def usd(self, kind: str, region: str, zone: str, *, spot: bool) -> float:
        """Return what a machine costs."""
        listed = self.listed.get((kind, region), shop.usd(kind, region))
        if not spot:
            return listed
        share = shop.spot_share(kind, zone)
        return self.spot.get((kind, zone), round((listed or shop.usd_of_blocks(kind)) * share, 4))

    # -- the price list ------------------------------------------------------------------------

    def get_products(self, call: AwsCall) -> Answer:
        """Answer ``GetProducts``: JSON texts in JSON."""
        if call.region not in _PRICE_REGIONS:
            raise Refused("UnknownOperationException", "there is no price list here", 404)
        if call.body.get("ServiceCode") != "AmazonEC2":
            raise Refused("InvalidParameterException", "only AmazonEC2 is simulated")
        wanted = {f["Field"]: f["Value"] for f in call.body.get("Filters", ())}
        if {f["Type"] for f in call.body.get("Filters", ())} - {"TERM_MATCH"}:
            raise Refused("InvalidParameterException", "only TERM_MATCH is simulated")
        found = [
            text for attributes, text in self._products(wanted) if _matches(attributes, wanted)
        ]
        size = min(int(call.body.get("MaxResults", _MOST_PRODUCTS)), _MOST_PRODUCTS)
        size = self._cloud.settings.page_size or size
        page, token = page_of(found, call.body.get("NextToken", ""), size)
        body = {"FormatVersion": "aws_v1", "PriceList": page}
        return Answer(200, json.dumps(body | ({"NextToken": token} if token else {})), _REQUEST)

    def _products(self, wanted: dict[str, str]) -> Iterator[tuple[dict[str, str], str]]:
        """Yield attributes and text of products; the filters only spare what cannot match."""
        for region in self._cloud.settings.regions:
            if wanted.get("regionCode", region) != region:
                continue
            for kind in shop.offered(region):
                if wanted.get("instanceType", kind) == kind and kind in self._cloud.sold_types():
                    yield from self._variants(kind, region)

    def _variants(self, kind: str, region: str) -> Iterator[tuple[dict[str, str], str]]:
        """Yield a type for Linux, for Windows, on hosts of one's own, and while it is only reserved."""
        price = self.usd(kind, region, "", spot=False)
        if not price:
            return
        plain = {
            "instanceType": kind,
            "regionCode": region,
            "operatingSystem": "Linux",
            "tenancy": "Shared",
            "preInstalledSw": "NA",
            "capacitystatus": "Used",
            "marketoption": "OnDemand",
            "vcpu": str(shop.types()[kind]["VCpuInfo"]["DefaultVCpus"]),
        }
        yield plain, _product(plain, price)
        for changes, factor in (
            ({"operatingSystem": "Windows"}, 1.6),
            ({"tenancy": "Dedicated"}, 1.1),
            ({"preInstalledSw": "SQL Std"}, 2.0),
            ({"capacitystatus": "UnusedCapacityReservation"}, 1.0),
            ({"capacitystatus": "AllocatedCapacityReservation"}, 0.0),
        ):
            yield plain | changes, _product(plain | changes, price * factor)

    # -- spot ----------------------------------------------------------------------------------

    def spot_prices(self, call: AwsCall) -> Answer:
        """Answer ``DescribeSpotPriceHistory``: the price in force from ``StartTime`` on, and before."""
        kinds, products = call.items("InstanceType"), call.items("ProductDescription")
        if products and not {"Linux/UNIX", "Linux/UNIX (Amazon VPC)"} & set(products):
            return ec2_answer(call.action, "spotPriceHistorySet", ())
        started = call.get("StartTime")
        rows = [row for zone in self._zones(call) for row in self._rows(call.region, zone, kinds)]
        if not started or _seconds(started) < self._cloud.clock.now() - 2 * _HOUR_S:
            rows += [row | self._older(row) for row in rows]
        size = min(int(call.get("MaxResults") or _MOST_PRICES), _MOST_PRICES)
        size = self._cloud.settings.page_size or size
        page, token = page_of(rows, call.get("NextToken"), size)
        return ec2_answer(call.action, "spotPriceHistorySet", page, token)

    def _zones(self, call: AwsCall) -> list[tuple[str, str]]:
        named, by_id = call.get("AvailabilityZone"), call.get("AvailabilityZoneId")
        return [
            (name, zone)
            for name, zone in shop.zones_of(call.region).items()
            if named in {"", name} and by_id in {"", zone}
        ]

    def _rows(
        self, region: str, zone: tuple[str, str], kinds: list[str]
    ) -> Iterator[dict[str, str]]:
        name, id_ = zone
        at = datetime.fromtimestamp(self._cloud.clock.now() - _HOUR_S, UTC)
        for kind, zones in shop.offered(region).items():
            known = kind in self._cloud.sold_types() and kind in (kinds or (kind,))
            if known and id_ in zones and shop.is_sold(kind, spot=True):
                yield {
                    "instanceType": kind,
                    "productDescription": "Linux/UNIX",
                    "spotPrice": f"{self.usd(kind, region, id_, spot=True):.6f}",
                    "timestamp": at.strftime("%Y-%m-%dT%H:%M:%S.000Z"),
                    "availabilityZone": name,
                    **({"availabilityZoneId": id_} if self._cloud.settings.spot_ids else {}),
                }

    @staticmethod
    def _older(row: dict[str, str]) -> dict[str, str]:
        return {"spotPrice": "9.999999", "timestamp": "2026-01-01T00:00:00.000Z"}

    # -- quotas --------------------------------------------------------------------------------

    def quota(self, call: AwsCall) -> Answer:
        """Answer ``GetServiceQuota``."""
        code = call.body["QuotaCode"]
        limit = self._cloud.quota_of(f"{code}@{call.region}")
        quota: dict[str, Any] = {"QuotaCode": code, "ServiceCode": "ec2", "Value": float(limit)}
        return Answer(200, json.dumps({"Quota": quota}), _REQUEST)


def _matches(attributes: dict[str, str], wanted: dict[str, str]) -> bool:
    return all(attributes.get(name) == value for name, value in wanted.items())


def _product(attributes: dict[str, str], price: float) -> str:
    sku = f"{abs(hash(tuple(attributes.items()))):016X}"[:16]
    dimension = {
        "unit": "Hrs",
        "beginRange": "0",
        "endRange": "Inf",
        "pricePerUnit": {"USD": f"{price:.10f}"},
        "appliesTo": [],
    }
    terms = {f"{sku}.JRTCKXETXF": {"sku": sku, "priceDimensions": {f"{sku}.6YS6EN2CT7": dimension}}}
    product = {"productFamily": "Compute Instance", "sku": sku, "attributes": attributes}
    said = {"product": product, "serviceCode": "AmazonEC2", "terms": {"OnDemand": terms}}
    return json.dumps(
        said | {"version": "20261101000000", "publicationDate": "2026-11-01T00:00:00Z"}
    )


def _seconds(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()
