"""From a provider's frame to offers, one by one: for tests and whoever has few rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from arb.catalog.columns import NULLABLE
from arb.errors import PluginError
from arb.types import Offer

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd

    from arb.types import Catalog

__all__ = ["Rejected", "offers_from_catalog"]


@dataclass(frozen=True, slots=True)
class Rejected:
    """A row that was refused: which, and why."""

    offer_id: str
    reason: str


def offers_from_catalog(
    provider: str, catalog: Catalog, *, owned: bool
) -> tuple[list[Offer], list[Rejected]]:
    """Read a catalog's rows as a refresh does.

    Args:
        provider: The provider's id.
        catalog: What ``arb_catalog`` returned.
        owned: Whether price 0 is allowed.

    Raises:
        PluginError: A required column is missing.
    """
    from arb.catalog.validate import validate

    try:
        checked = validate(catalog.frame, owned=owned)
    except PluginError as error:
        summary = f"catalog of provider {provider} has {error.summary}"
        raise PluginError(summary, code=error.code) from error
    rejected = [
        Rejected(name, fault.reason) for fault in checked.faults for name in fault.offer_ids
    ]
    return list(_offers(provider, catalog, checked.frame)), rejected


def _offers(provider: str, catalog: Catalog, frame: pd.DataFrame) -> Iterator[Offer]:
    for row in frame.to_dict("records"):
        values: dict[str, Any] = {str(name): _plain(str(name), v) for name, v in row.items()}
        as_of = values.pop("as_of")
        yield Offer(
            **values,
            provider=provider,
            source=catalog.source,
            as_of=catalog.as_of if as_of is None else as_of,
        )


def _plain(name: str, value: Any) -> Any:
    """Return Python's own value; what is not known is None."""
    if value is None or repr(value) in {"nan", "<NA>"}:
        return None
    kind = {"Int64": int, "boolean": bool}.get(NULLABLE.get(name, ""))
    return kind(value) if kind else value
