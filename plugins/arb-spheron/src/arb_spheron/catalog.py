"""Offers: live for everybody, and a shipped price list for when there is no network."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib.resources import files
from io import StringIO
from typing import TYPE_CHECKING, Any, Final

from arb.errors import ProviderUnavailable, RateLimited
from arb.types import Catalog
from arb_spheron.client import SpheronClient
from arb_spheron.info import MINIMUM_S
from arb_spheron.offers import rows_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import pandas as pd

    from arb.types import Offer, ProviderContext

__all__ = ["read_catalog", "read_prices"]

BUNDLED_AS_OF: Final = datetime(2026, 6, 3, tzinfo=UTC).timestamp()
"""The latest date in ``data/catalog.csv``."""
_FILE: Final = "offers.json"
_FRESH_S: Final = 30.0
"""Within this time processes share one answer."""
_KEPT_S: Final = 86_400.0
"""For so long an answer stands in for one that cannot be had."""
_GROUPS: Final = 200
_MOST_PAGES: Final = 100


@dataclass(frozen=True, slots=True)
class _Answer:
    rows: list[dict[str, Any]]
    as_of: float


def read_catalog(context: ProviderContext) -> Catalog:
    """Return what is sold now.

    Without an answer the last one is returned, with its date; when there is none, or it is older
    than a day, the shipped list.

    Raises:
        CredentialsError: There is a key, and it was refused.
    """
    with SpheronClient.open_public(context) as client:
        kept = _kept(client)
        if kept is None or context.clock.now() - kept.as_of > _FRESH_S:
            try:
                kept = _read_live(client)
            except (ProviderUnavailable, RateLimited) as error:
                if kept is None:
                    return replace(read_bundled(), why=error.summary)
                return Catalog(_frame(kept.rows), "live", kept.as_of, why=error.summary)
    return Catalog(_frame(kept.rows), "live", kept.as_of)


def read_prices(context: ProviderContext, offers: Sequence[Offer]) -> pd.DataFrame:
    """Return price and availability of some offers; those that are not sold any more are left out.

    Raises:
        CredentialsError: There is a key, and it was refused.
        ProviderUnavailable, RateLimited: No answer.
    """
    asked = {(offer.offer_id, offer.spot) for offer in offers}
    with SpheronClient.open_public(context) as client:
        rows = _read_live(client).rows
    frame = _frame([row for row in rows if (row["offer_id"], row["spot"]) in asked])
    return frame[["offer_id", "spot", "price_usd_hour", "available"]]


def read_bundled() -> Catalog:
    """Return the shipped price list: real prices of spring 2026, to look at and not to buy from."""
    from arb.catalog.read_csv import read_csv

    text = files("arb_spheron").joinpath("data/catalog.csv").read_text(encoding="utf-8")
    frame = read_csv(StringIO(text), defaults={"minimum_s": float(MINIMUM_S)})
    return Catalog(frame, "bundled", BUNDLED_AS_OF)


def _read_live(client: SpheronClient) -> _Answer:
    """Read every page, and keep what they say for other processes."""
    groups: list[dict[str, Any]] = []
    page = pages = 1
    while page <= pages:
        query = {"page": str(page), "limit": str(_GROUPS)}
        answer = client.get("/api/gpu-offers", query)
        data = answer.get("data") if isinstance(answer, dict) else None
        if not isinstance(data, list):
            raise ProviderUnavailable("spheron tells no offers", code="spheron-offers")
        groups += [group for group in data if isinstance(group, dict)]
        told = answer.get("totalPages")
        pages = min(told, _MOST_PAGES) if isinstance(told, int) and data else page
        page += 1
    found = _Answer(rows_of(groups), client.context.clock.now())
    _keep(client, found)
    return found


def _frame(rows: list[dict[str, Any]]) -> pd.DataFrame:
    import pandas as pd

    frame = pd.DataFrame(rows, columns=list(_EMPTY))
    return frame.astype(_EMPTY)


_EMPTY: Final = {
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
    "interconnect": "category",
    "fabric": "category",
    "minimum_s": "float64",
    "available": "boolean",
    "user_data": "boolean",
    "latitude": "float64",
    "longitude": "float64",
    "note": "category",
    "payload": "object",
}
"""Columns with their dtypes."""


def _path(client: SpheronClient) -> Path:
    return client.context.cache_dir / _FILE


def _whose(client: SpheronClient) -> str:
    """Return whose prices they are: a team may have a discount."""
    key = client.key.text if client.key else ""
    return hashlib.sha256(f"{client.settings.api_url}\0{key}".encode()).hexdigest()[:16]


def _kept(client: SpheronClient) -> _Answer | None:
    """Return what some process read lately; a file that is damaged or another's is none."""
    try:
        document = json.loads(_path(client).read_text())
        if document["whose"] != _whose(client) or document["columns"] != list(_EMPTY):
            return None
        age_s = client.context.clock.now() - document["as_of"]
        return _Answer(document["rows"], document["as_of"]) if 0 <= age_s <= _KEPT_S else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _keep(client: SpheronClient, found: _Answer) -> None:
    document = {
        "whose": _whose(client),
        "columns": list(_EMPTY),
        "as_of": found.as_of,
        "rows": found.rows,
    }
    path = _path(client)
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    with contextlib.suppress(OSError):  # it is a cache
        partial.write_text(json.dumps(document))
        partial.replace(path)
