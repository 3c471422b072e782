"""Values of answers, which are not always of the kind that is documented. Pure functions."""

from __future__ import annotations

import math

__all__ = ["number", "whole"]


def number(value: object) -> float | None:
    """Return a number that may have come as a text; None for what is none, or not finite."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        read = float(value)
    except (ValueError, OverflowError):
        return None
    return read if math.isfinite(read) else None


def whole(value: object) -> int | None:
    """Return a whole number that may have come as a text; None for anything else."""
    read = number(value)
    return int(read) if read is not None and read == int(read) else None
