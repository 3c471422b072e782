"""Candidate rows as numpy arrays, each made when it is first needed."""

from __future__ import annotations

from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    import pandas as pd

    Array = np.ndarray[Any, Any]

__all__ = ["Columns"]


class Columns:
    """A frame of candidates, looked at column by column.

    Args:
        frame: As ``Market.candidates`` returns it.
    """

    def __init__(self, frame: pd.DataFrame) -> None:
        self._frame = frame
        self._made: dict[str, Array] = {}
        self._texts: dict[str, list[str]] = {}

    def __len__(self) -> int:
        return len(self._frame)

    def numbers(self, name: str) -> Array:
        """Return a column of numbers; what is missing is NaN."""
        import numpy as np

        return self._once(
            name, lambda: self._frame[name].to_numpy(dtype=np.float64, na_value=np.nan)
        )

    def whole_numbers(self, name: str) -> Array:
        """Return a column of integers that has no gaps."""
        import numpy as np

        return self._once(name, lambda: self._frame[name].to_numpy(dtype=np.int64))

    @cached_property
    def spot(self) -> Array:
        """Capacity class."""
        import numpy as np

        return self._frame["spot"].to_numpy(dtype=np.bool_)

    @cached_property
    def offer_ids(self) -> Array:
        """The providers' own keys, as objects."""
        return self._frame["offer_id"].to_numpy(dtype=object)

    def texts(self, name: str) -> list[str]:
        """Return the different texts of a category column, by code."""
        if name not in self._texts:
            self._texts[name] = [str(text) for text in self._frame[name].cat.categories]
        return self._texts[name]

    def codes(self, name: str) -> Array:
        """Return a category column's codes."""
        import numpy as np

        return self._once(
            f"codes of {name}", lambda: self._frame[name].cat.codes.to_numpy(dtype=np.int64)
        )

    def ranks(self, name: str) -> Array:
        """Return numbers that sort as a category column's texts do."""
        return self._once(f"ranks of {name}", lambda: self._rank(name))

    def admitted(self, name: str, admits: Callable[[str], bool]) -> Array:
        """Say of each row whether its text in a category column will do; asks once a text."""
        import numpy as np

        table = np.array([admits(text) for text in self.texts(name)], dtype=np.bool_)
        return table[self.codes(name)] if len(table) else np.zeros(len(self), dtype=np.bool_)

    def _rank(self, name: str) -> Array:
        import numpy as np

        texts, codes = self.texts(name), self.codes(name)
        if all(first <= second for first, second in pairwise(texts)):
            return codes  # as the store keeps them
        rank = np.empty(len(texts), dtype=np.int64)
        rank[sorted(range(len(texts)), key=texts.__getitem__)] = np.arange(len(texts))
        return rank[codes]

    def _once(self, name: str, make: Callable[[], Array]) -> Array:
        if name not in self._made:
            self._made[name] = make()
        return self._made[name]
