"""A market in memory: what the catalog store shows, made of a list of offers."""

from __future__ import annotations

from dataclasses import asdict
from functools import cached_property
from typing import TYPE_CHECKING, Any

from arb.catalog.market import Group
from arb.catalog.names import canonical

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import pandas as pd

    from arb.types import Offer

__all__ = ["MemoryMarket"]

_CATEGORIES = (
    "provider", "region", "zone", "instance_type", "accelerator", "arch", "fabric", "interconnect",
)  # fmt: skip
_UNKNOWN = {"available": "boolean", "capacity": "Int64", "user_data": "boolean"}


class MemoryMarket:
    """Implements ``arb.catalog.market.Market``.

    Args:
        offers: In any order.
        owned: Providers whose machines are the user's own.
    """

    def __init__(self, offers: Iterable[Offer], owned: Iterable[str] = ()) -> None:
        self._offers = list(offers)
        self._owned = frozenset(owned)
        self._rows: dict[tuple[Any, ...], list[int]] = {}
        for row, offer in enumerate(self._offers):
            self._rows.setdefault(self._key(offer), []).append(row)
        self.made: list[int] = []
        """Rows that became offers."""
        self.whole_frames = 0

    @staticmethod
    def _key(offer: Offer) -> tuple[Any, ...]:
        name = canonical(offer.accelerator, offer.accelerator_gib)
        return (
            offer.provider, name, offer.accelerator_count, offer.accelerator_gib, offer.spot,
        )  # fmt: skip

    def groups(self) -> list[Group]:
        return [
            Group(
                number, key[0], key[0] in self._owned, *key[1:], len(rows),
                min(self._offers[row].price_usd_hour for row in rows),
            )
            for number, (key, rows) in enumerate(self._rows.items())
        ]  # fmt: skip

    def candidates(self, groups: Iterable[Group], *, whole: bool = False) -> pd.DataFrame:
        self.whole_frames += whole
        every = list(self._rows.values())
        pairs = [(row, group.id) for group in groups for row in every[group.id]]
        frame = self._frame.take([row for row, _ in pairs]).reset_index(drop=True)
        frame["group"] = [group for _, group in pairs]
        return frame

    @cached_property
    def _frame(self) -> pd.DataFrame:
        import pandas as pd

        frame = pd.DataFrame([asdict(offer) for offer in self._offers])
        frame["row"] = range(len(frame))
        frame["accelerator"] = [self._key(offer)[1] for offer in self._offers]
        texts = {
            # Not sorted, as nothing promises that.
            name: pd.CategoricalDtype(list(dict.fromkeys(frame[name])))
            for name in _CATEGORIES
        }
        places = dict.fromkeys(("latitude", "longitude"), "float64")
        return frame.astype({**texts, **_UNKNOWN, **places})

    def offers(self, rows: Sequence[int]) -> list[Offer]:
        self.made += rows
        return [self._offers[row] for row in rows]
