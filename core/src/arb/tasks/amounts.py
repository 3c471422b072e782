"""Amounts as task files write them: ``8`` is exactly 8, ``8+`` is at least 8."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Final

__all__ = ["Amount", "Memory", "duration_s", "gib", "plain", "show_duration"]

_TOLERANCE = 1e-6
_SPACES: Final = " \t\n\r\f\v"
_MOST: Final = 1e15
"""Beyond it units and slices might make infinity of a number."""
_NUMBER: Final = r"\d+(?:\.\d*)?|\.\d+"
_UNITS_GIB: Final = {
    "": 1.0,
    "k": 2.0**-20,
    "m": 2.0**-10,
    "g": 1.0,
    "t": 2.0**10,
    "p": 2.0**20,
}
_UNITS_S: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


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
        match = re.fullmatch(rf"({_NUMBER})\s*(\+?)", text.strip(_SPACES), re.ASCII)
        if not match:
            raise ValueError(f"{text!r} is not an amount: write 8 or 8+")
        return cls(_finite(match[1], text), match[2] == "+")

    def admits(self, actual: float) -> bool:
        """Say whether a machine with this much will do."""
        if self.at_least:
            return actual >= self.value - _TOLERANCE
        return math.isclose(actual, self.value, abs_tol=_TOLERANCE)

    def __str__(self) -> str:
        """Return it as it is written."""
        return f"{plain(self.value)}{'+' if self.at_least else ''}"


@dataclass(frozen=True, slots=True)
class Memory(Amount):
    """GiB of main memory; with ``per_cpu`` at least that many for each vCPU."""

    per_cpu: bool = False

    @classmethod
    def parse(cls, text: str) -> Memory:
        """Read ``64``, ``64+``, ``64GB``, ``0.5TB+`` or ``4x``.

        ``GB`` and ``Gi`` mean the same: powers of 1024.

        Raises:
            ValueError: It is none of these.
        """
        bare = text.strip(_SPACES)
        match = re.fullmatch(rf"({_NUMBER})\s*x", bare, re.ASCII)
        if match:
            return cls(_finite(match[1], text), at_least=True, per_cpu=True)
        at_least = bare.endswith("+")
        return cls(gib(bare.removesuffix("+"), shown=text), at_least)

    def __str__(self) -> str:
        """Return it as it is written, in GiB."""
        return f"{plain(self.value)}x" if self.per_cpu else Amount.__str__(self)


def gib(text: str, *, shown: str = "") -> float:
    """Read a size: ``100`` is GiB already, ``100GB``, ``100Gi``, ``1TB``, ``512MB`` say their unit.

    Args:
        text: What is read.
        shown: What the message quotes; ``text`` if empty.

    Raises:
        ValueError: It is no size.
    """
    bare = text.strip(_SPACES)
    match = re.fullmatch(rf"({_NUMBER})\s*(?:([kmgtp])[bi])?", bare, re.ASCII | re.IGNORECASE)
    if not match:
        raise ValueError(f"{(shown or text)!r} is not a size: write 64, 64GB or 1TB")
    return _finite(match[1], shown or text) * _UNITS_GIB[(match[2] or "").lower()]


def duration_s(text: str, *, default_unit: str = "", units: str = "smhdw") -> int:
    """Read ``90s``, ``30m``, ``2h``, ``1d``, ``1w`` or a sum like ``1h30m``, in seconds.

    Args:
        text: What is read.
        default_unit: What a number without a unit counts; empty refuses it.
        units: The units allowed.

    Raises:
        ValueError: It is no duration.
    """
    bare = text.strip(_SPACES)
    if default_unit and re.fullmatch(r"\d+", bare, re.ASCII):
        bare += default_unit
    pattern = rf"(\d+(?:\.\d+)?)([{units}])"
    if not re.fullmatch(rf"(?:{pattern})+", bare, re.ASCII | re.IGNORECASE):
        raise ValueError(f"{text!r} is not a duration: write 30m, 2h or 1d")
    parts = re.findall(pattern, bare, re.ASCII | re.IGNORECASE)
    total = sum(float(number) * _UNITS_S[unit.lower()] for number, unit in parts)
    return round(_finite(str(total), text))


def show_duration(seconds: int) -> str:
    """Return ``2h``, ``90m``, ``45s``: one number with the largest unit that divides it."""
    for unit in ("w", "d", "h", "m"):
        if seconds and seconds % _UNITS_S[unit] == 0:
            return f"{seconds // _UNITS_S[unit]}{unit}"
    return f"{seconds}s"


def plain(value: float) -> str:
    """Return a number without a useless ``.0`` and without loss."""
    return str(int(value)) if value == int(value) else repr(value)


def _finite(number: str, shown: str) -> float:
    value = float(number)
    if value > _MOST:
        raise ValueError(f"{shown!r} is too large")
    return value
