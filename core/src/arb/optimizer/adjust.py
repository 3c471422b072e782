"""What always loaded plugins make of the candidates: other prices, or fewer of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    import pandas as pd

__all__ = ["adjusted_prices"]


def adjusted_prices(
    frame: pd.DataFrame, adjust: Callable[[pd.DataFrame], pd.DataFrame]
) -> np.ndarray[Any, Any]:
    """Return the price to rank each candidate by; NaN for those that were removed.

    Args:
        frame: Whole candidates, as ``Market.candidates`` returns them.
        adjust: Takes them with the columns of ``arb_catalog`` plus ``provider``.
    """
    shown = frame.drop(columns=["row", "group"])
    after = adjust(shown)["price_usd_hour"]
    return after.reindex(frame.index).to_numpy(dtype="float64")
