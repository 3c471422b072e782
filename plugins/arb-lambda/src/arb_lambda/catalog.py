"""Offers: live with an API key, and a shipped price list without."""

from __future__ import annotations

import contextlib
import csv
import hashlib
import json
import math
import os
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib.resources import files
from io import StringIO
from typing import TYPE_CHECKING, Any, Final

from arb.errors import ProviderUnavailable, RateLimited
from arb.types import Catalog
from arb_lambda.client import LambdaClient
from arb_lambda.credentials import find_key
from arb_lambda.offers import offer_id, quotes_of, rows_of
from arb_lambda.regions import REGIONS, place

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import pandas as pd

    from arb.types import Offer, ProviderContext

__all__ = ["read_catalog", "read_prices"]

BUNDLED_AS_OF: Final = datetime(2026, 1, 1, tzinfo=UTC).timestamp()
"""The date in ``data/catalog.csv``."""
_TYPES: Final = "types"
_QUOTES: Final = "quotes"
_REGIONS: Final = "regions"
_FRESH_S: Final = {_TYPES: 10.0, _QUOTES: 3.0, _REGIONS: 86_400.0}
"""For so long processes share an answer. What is asked before buying is shared among those alone."""


@dataclass(frozen=True, slots=True)
class _Answer:
    data: Any
    as_of: float


def read_catalog(context: ProviderContext) -> Catalog:
    """Return what is sold now; without an API key, and without a first answer, the shipped list.

    Raises:
        CredentialsError: There is a key, and it was refused.
        ProviderUnavailable, RateLimited: No answer, and there was one before: its rows are better.
    """
    if find_key(context.env, context.home) is None:
        return read_bundled()
    with LambdaClient.open(context) as client:
        try:
            types = _read_types(client, _TYPES)
        except (ProviderUnavailable, RateLimited) as error:
            if _ever_read(client):
                raise
            return replace(read_bundled(), why=error.summary)
        rows = rows_of(types.data, _read_regions(client))
    return Catalog(_frame(rows), "live", types.as_of)


def read_prices(context: ProviderContext, offers: Sequence[Offer]) -> pd.DataFrame:
    """Return price and stock of some offers; those that are not sold any more are left out.

    Raises:
        CredentialsError: The key was refused, or there is none.
        ProviderUnavailable, RateLimited: No answer.
    """
    import pandas as pd

    asked = ((offer.offer_id, offer.instance_type, offer.region) for offer in offers)
    with LambdaClient.open(context) as client:
        rows = quotes_of(_read_types(client, _QUOTES).data, asked)
    frame = pd.DataFrame(rows, columns=["offer_id", "spot", "price_usd_hour", "available"])
    return frame.astype({"spot": "bool", "price_usd_hour": "float64", "available": "boolean"})


def read_bundled() -> Catalog:
    """Return the shipped price list: all regions have one price, and nobody says what is in stock."""
    from arb.catalog.read_csv import read_csv

    text = files("arb_lambda").joinpath("data/catalog.csv").read_text(encoding="utf-8")
    return Catalog(read_csv(StringIO(_in_every_region(text))), "bundled", BUNDLED_AS_OF)


def _in_every_region(text: str) -> str:
    """Repeat each line of the shipped list for each region."""
    reader = csv.DictReader(StringIO(text))
    added = ["region", "offer_id", "latitude", "longitude"]
    spread = StringIO()
    writer = csv.DictWriter(spread, [*(reader.fieldnames or ()), *added])
    writer.writeheader()
    for line in reader:
        for region in REGIONS:
            latitude, longitude = place(region) or ("", "")
            where = (region, offer_id(line["instance_name"], region), latitude, longitude)
            writer.writerow({**line, **dict(zip(added, where, strict=True))})
    return spread.getvalue()


def _read_types(client: LambdaClient, purpose: str) -> _Answer:
    """Return all types with what is in stock, as read now or a moment ago for the same purpose."""
    known = _kept(client, purpose)
    if known is None:
        data = client.get("/instance-types")
        if not isinstance(data, dict) or not data:
            raise ProviderUnavailable("lambda tells no instance types", code="lambda-types")
        known = _keep(client, purpose, data)
    return known


def _read_regions(client: LambdaClient) -> dict[str, str]:
    """Return description by region. They rarely change; without an answer the known ones will do."""
    known = _kept(client, _REGIONS)
    if known is None:
        try:
            rows = client.rows("/regions", "name")
        except (ProviderUnavailable, RateLimited):
            return dict(REGIONS)
        known = _keep(client, _REGIONS, rows)
    return {row["name"]: str(row.get("description") or "") for row in known.data}


def _frame(rows: list[dict[str, Any]]) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame(rows, columns=list(_COLUMNS)).astype(_COLUMNS)


_COLUMNS: Final = {
    "offer_id": "object",
    "region": "category",
    "zone": "category",
    "instance_type": "category",
    "accelerator": "category",
    "accelerator_count": "float32",
    "accelerator_gib": "float32",
    "vcpus": "float32",
    "memory_gib": "float32",
    "spot": "bool",
    "price_usd_hour": "float64",
    "disk_gib": "float64",
    "arch": "category",
    "interconnect": "category",
    "available": "boolean",
    "latitude": "float64",
    "longitude": "float64",
}
"""Columns with their dtypes."""


def _path(client: LambdaClient, name: str) -> Path:
    return client.context.cache_dir / f"{name}.json"


def _whose(client: LambdaClient) -> str:
    text = f"{client.settings.api_url}\0{client.key.text}"
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _kept(client: LambdaClient, name: str, fresh_s: float | None = None) -> _Answer | None:
    """Return what some process read lately; a file that is damaged or another's is none."""
    fresh_s = _FRESH_S[name] if fresh_s is None else fresh_s
    try:
        document = json.loads(_path(client, name).read_text())
        age_s = client.context.clock.now() - document["as_of"]
        is_good = document["whose"] == _whose(client) and 0 <= age_s <= fresh_s
        return _Answer(document["data"], document["as_of"]) if is_good else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _ever_read(client: LambdaClient) -> bool:
    """Say whether prices were read with this key before, however long ago."""
    return _kept(client, _TYPES, fresh_s=math.inf) is not None


def _keep(client: LambdaClient, name: str, data: Any) -> _Answer:
    found = _Answer(data, client.context.clock.now())
    document = {"whose": _whose(client), "as_of": found.as_of, "data": data}
    path = _path(client, name)
    partial = path.with_name(f".{path.name}.{os.getpid()}.{id(client)}")
    with contextlib.suppress(OSError):  # it is a cache
        partial.write_text(json.dumps(document))
        partial.replace(path)
    return found
