"""``read_csv``: the one function of the catalog that provider packages may import."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from typing import IO

    import pandas as pd

__all__ = ["read_csv"]


def read_csv(
    source: str | Path | IO[str],
    *,
    provider: str = "",
    defaults: Mapping[str, object] | None = None,
) -> pd.DataFrame:
    """Read a price list as a frame of ``arb_catalog``.

    Two forms are known by their header. In the wide one a row is an instance type in a region, with
    ``price`` and ``spot_price``; either may be empty, and a row becomes one or two offers::

        instance_name,vcpus,memory_gb,accelerator_name,accelerator_count,price,spot_price,region

    In the long one a row is an offer, its columns those of ``arb_catalog``. Both take the optional
    columns of ``arb_catalog`` and ``zone``, ``accelerator_gib`` and ``offer_id``; ``as_of`` may be a
    date like 2026-05-16, and ``source`` is for the list's keepers: it is not read. What the file does
    not tell of a known accelerator is taken from arb's own table.

    Args:
        source: A path, or a text file that is open.
        provider: In a file with a column ``provider``: whose rows are wanted.
        defaults: Values of columns that the file lacks or leaves empty, for instance
            ``{"region": "global"}``.

    Raises:
        UsageError: Something in it is wrong; the summary tells file, line and column.
    """
    from arb.catalog.pricelist import read_price_list

    return read_price_list(source, defaults=defaults or {}).of(provider)
