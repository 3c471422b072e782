"""Offers: live for everybody, and a shipped price list for when there is no network."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib.resources import files
from io import StringIO
from typing import TYPE_CHECKING, Any, Final

from arb.errors import ProviderUnavailable, RateLimited
from arb.types import Catalog
from arb_spheron.client import SpheronClient
from arb_spheron.info import MINIMUM_S
from arb_spheron.memory import asker, recall, remember
from arb_spheron.offers import rows_of
from arb_spheron.values import whole

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from arb.types import Offer, ProviderContext

__all__ = ["read_catalog", "read_prices"]

BUNDLED_AS_OF: Final = datetime(2026, 6, 3, tzinfo=UTC).timestamp()
"""The latest date in ``data/catalog.csv``."""
_FILE: Final = "offers"
_FRESH_S: Final = 30.0
"""Within this time processes share one answer."""
_KEPT_S: Final = 86_400.0
"""For so long an answer stands in for one that cannot be had."""
_GROUPS: Final = 100
_MOST_PAGES: Final = 100
_PATH: Final = "/api/gpu-offers"
_TOO_HIGH: Final = frozenset({400, 422})


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
    groups: list[Any] = []
    before: list[Any] = []
    query = {"page": "1", "limit": str(_GROUPS)}
    for page in range(1, _MOST_PAGES + 1):
        query["page"] = str(page)
        data, pages = _read_page(client, query)
        groups += (
            data if data != before else []
        )  # a server that knows no pages shows the first again
        if not data or data == before or (pages is not None and page >= pages):
            break
        before = data
    found = _Answer(rows_of(g for g in groups if isinstance(g, dict)), client.context.clock.now())
    _keep(client, found)
    return found


def _read_page(client: SpheronClient, query: dict[str, str]) -> tuple[list[Any], int | None]:
    """Return a page's groups, and how many pages there are when that is told.

    A ``limit`` that is too high for the server is taken out of ``query``.
    """
    reply = client.read(_PATH, query)
    if reply.status in _TOO_HIGH and "limit" in query:
        del query["limit"]
        reply = client.read(_PATH, query)
    answer = client.good(reply, _PATH)
    data = answer.get("data") if isinstance(answer, dict) else None
    if not isinstance(data, list):
        raise ProviderUnavailable("spheron tells no offers", code="spheron-offers")
    return data, whole(answer.get("totalPages"))


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


def _kept(client: SpheronClient) -> _Answer | None:
    """Return what some process read lately; a file that is damaged or another's is none."""
    document = recall(client, _FILE)
    try:
        if document["whose"] != asker(client) or document["columns"] != list(_EMPTY):
            return None
        age_s = client.context.clock.now() - document["as_of"]
        return _Answer(document["rows"], document["as_of"]) if 0 <= age_s <= _KEPT_S else None
    except (KeyError, TypeError):
        return None


def _keep(client: SpheronClient, found: _Answer) -> None:
    """Keep an answer; whose it is counts, because a team may have a discount."""
    facts = {"whose": asker(client), "columns": list(_EMPTY), "as_of": found.as_of}
    remember(client, _FILE, {**facts, "rows": found.rows})
