"""Frames of several providers become one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from arb.catalog.columns import TEXTS, empty_frame

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

__all__ = ["merge"]


def merge(frames: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Return all rows with a column ``provider``.

    Category columns stay categories, theirs sorted: the order of codes is that of the texts.

    Args:
        frames: Offers in normal form, by provider.
    """
    import pandas as pd

    frames = {name: frame for name, frame in sorted(frames.items()) if len(frame)}
    if not frames:
        return empty_frame().assign(provider=pd.Categorical([], categories=[]))
    parts = [frame.copy(deep=False) for frame in frames.values()]
    for column in TEXTS:
        known = sorted({text for part in parts for text in part[column].cat.categories})
        for part in parts:
            part[column] = part[column].cat.set_categories(known)
    providers = pd.CategoricalDtype(sorted(frames))
    for name, part in zip(frames, parts, strict=True):
        part["provider"] = pd.Categorical([name], dtype=providers).repeat(len(part))
    return pd.concat(parts, ignore_index=True)
