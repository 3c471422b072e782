"""The price list, as offers."""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from arb.types import Catalog

AS_OF: Final = 1778889600
"""16 May 2026, the day of ``data/catalog.csv``."""


def read_catalog() -> Catalog:
    """Return the shipped price list; a real provider asks its API and falls back to this."""
    from arb.catalog.read_csv import read_csv
    from arb.types import Catalog

    with files("arb_example").joinpath("data/catalog.csv").open(encoding="utf-8") as lines:
        frame = read_csv(lines)
    return Catalog(frame, source="bundled", as_of=AS_OF)
