"""How the optimizer looks at the merged catalogs: groups first, rows of few groups after."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import pandas as pd

    from arb.types import Offer

__all__ = ["Group", "Market"]


@dataclass(frozen=True, slots=True)
class Group:
    """All offers that a task's first filters cannot tell apart: one row of the summary table.

    Attributes:
        id: Key into the offers.
        provider: Provider id.
        owned: The user's own machines: candidates only where the provider is named.
        accelerator: Canonical name, empty for CPU-only offers.
        accelerator_count: How many in one instance.
        accelerator_gib: Memory of one, GiB.
        spot: Capacity class.
        rows: How many offers.
        cheapest_usd_hour: The lowest price among them, whole instance.
    """

    id: int
    provider: str
    owned: bool
    accelerator: str
    accelerator_count: float
    accelerator_gib: float
    spot: bool
    rows: int
    cheapest_usd_hour: float


class Market(Protocol):
    """What can be bought. Implemented by the catalog store; tests make their own."""

    def groups(self) -> Sequence[Group]:
        """Return the summary: at most some thousands, without pandas."""

    def candidates(self, groups: Iterable[Group], *, whole: bool = False) -> pd.DataFrame:
        """Return the offers of some groups, one row each.

        Columns: ``row`` (int64, key for ``offers``), ``group`` (int64, ``Group.id``), ``provider``,
        ``region``, ``zone``, ``instance_type`` (category), ``accelerator`` (category),
        ``accelerator_count``, ``accelerator_gib``, ``vcpus``, ``memory_gib`` (float64), ``spot``
        (bool), ``price_usd_hour`` (float64), ``arch``, ``fabric``, ``interconnect`` (category),
        ``disk_gib``, ``minimum_s`` (float64), ``available`` (boolean), ``capacity`` (Int64),
        ``latitude``, ``longitude`` (float64, NaN when unknown), ``offer_id`` (str). ``whole`` adds
        every other column of ``arb_catalog``.
        """

    def offers(self, rows: Sequence[int]) -> list[Offer]:
        """Return whole offers in the order asked for."""
