"""Amounts as task files write them: ``8`` is exactly 8, ``8+`` is at least 8."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

__all__ = ["Amount"]

_TOLERANCE = 1e-6


@dataclass(frozen=True, slots=True)
class Amount:
    """A wanted number; ``at_least`` admits more."""

    value: float
    at_least: bool = False

    @classmethod
    def parse(cls, text: str) -> Amount:
        """Read ``8``, ``8.5`` or ``8+``.

        Raises:
            ValueError: It is none of these.
        """
        match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(\+?)\s*", text, re.ASCII)
        if not match:
            raise ValueError(f"{text!r} is not an amount: write 8 or 8+")
        return cls(float(match[1]), match[2] == "+")

    def admits(self, actual: float) -> bool:
        """Say whether a machine with this much will do."""
        if self.at_least:
            return actual >= self.value - _TOLERANCE
        return math.isclose(actual, self.value, abs_tol=_TOLERANCE)

    def __str__(self) -> str:
        """Return it as it is written."""
        return f"{self.value:g}{'+' if self.at_least else ''}"
