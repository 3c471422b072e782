"""Offers: what every provider sells, validated, merged and kept in one file.

Provider packages import ``read_csv`` from here or from ``arb.catalog.read_csv``, and nothing else.

* Reading: ``refresh`` asks providers side by side (``gathering``, ``asking``), those that are ``stale``: by age,
  or because ``files`` changed.
* Checking: ``columns`` is the normal form, ``normal`` makes it, ``validate`` and ``plausible`` refuse rows,
  ``merge`` joins providers, ``overlay`` puts a file of prices over theirs.
* Keeping: ``schema`` of the SQLite file, ``write``, ``store`` (reads it), ``damage``; ``candidates`` are its rows as
  a frame, ``rows`` single offers.
* Asking: ``market`` is what the optimizer sees, ``listing`` what ``arb gpus`` shows.
* Of use to all: ``names`` of accelerators, ``pricelist`` and ``read_csv``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from arb.catalog.read_csv import read_csv

if TYPE_CHECKING:
    from arb.catalog.rows import offers_from_catalog

__all__ = ["offers_from_catalog", "read_csv"]


def __getattr__(name: str) -> Any:
    """Import what listings do not need when it is first asked for."""
    if name != "offers_from_catalog":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from arb.catalog.rows import offers_from_catalog

    return offers_from_catalog
