"""Accelerators as task files write them: one, several in order of preference, or any of several."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from arb.tasks.amounts import Amount, gib, plain

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["Accelerator", "Accelerators"]

_MEMORY: Final = re.compile(r"(\d+[GMT]B)(\+?)", re.ASCII | re.IGNORECASE)
_SHAPE: Final = "write NAME, NAME:COUNT, 80GB+ or 80GB+:COUNT"
ONE: Final = Amount(1)


@dataclass(frozen=True, slots=True)
class Accelerator:
    """One choice.

    Attributes:
        name: As it was written; empty when any name with enough memory will do.
        amount: How many of them one node has.
        memory: GiB of one accelerator, for the form ``80GB+``.
        maker: Who makes it, for the form ``NVIDIA:80GB``; empty for anyone.
    """

    name: str = ""
    amount: Amount = ONE
    memory: Amount | None = None
    maker: str = ""

    @classmethod
    def parse(cls, text: str) -> Accelerator:
        """Read ``H100``, ``H100:8``, ``T4:0.5``, ``H100:2+``, ``80GB+:4`` or ``NVIDIA:80GB:2``.

        Raises:
            ValueError: It is none of these.
        """
        parts = [part.strip() for part in text.split(":")]
        maker = ""
        if len(parts) > 1 and _MEMORY.fullmatch(parts[1]):
            maker = parts.pop(0)
        match = _MEMORY.fullmatch(parts[0])
        if not all(parts) or len(parts) > 2 or (maker and not match):  # noqa: PLR2004 - name, count
            raise ValueError(f"{text!r} is not an accelerator: {_SHAPE}")
        amount = _count(parts[1] if len(parts) > 1 else "1", text)
        if match:
            return cls("", amount, Amount(gib(match[1]), match[2] == "+"), maker)
        return cls(parts[0], amount)

    @property
    def count(self) -> float:
        """How many, or how many at least."""
        return self.amount.value

    @property
    def title(self) -> str:
        """What stands before the count."""
        if self.memory is None:
            return self.name
        wanted = f"{plain(self.memory.value)}GB{'+' if self.memory.at_least else ''}"
        return f"{self.maker}:{wanted}" if self.maker else wanted

    def __str__(self) -> str:
        """Return ``NAME:COUNT``."""
        return f"{self.title}:{self.amount}"


@dataclass(frozen=True, slots=True)
class Accelerators:
    """What ``accelerators`` says: at least one choice; ``ordered`` makes the first preferred."""

    choices: tuple[Accelerator, ...]
    ordered: bool = False

    @classmethod
    def parse(cls, value: Any) -> Accelerators:
        """Read a text, a map of names to counts (any of them) or a list (in order).

        Raises:
            ValueError: It is none of these, or it names nothing.
        """
        if isinstance(value, Accelerators):
            return value
        if isinstance(value, str):
            return cls((Accelerator.parse(value),))
        if isinstance(value, dict):
            return cls(_unique(_entry(name, count) for name, count in value.items()))
        if isinstance(value, list | tuple | set | frozenset):
            choices = _unique(_text(item) for item in value)
            return cls(choices, ordered=isinstance(value, list | tuple) and len(choices) > 1)
        raise ValueError(f"expected H100:8, a list or a map, got {_kind(value)}")

    def dump(self) -> str | list[str] | dict[str, float | str | None]:
        """Return it as a task file writes it."""
        if len(self.choices) == 1:
            return str(self.choices[0])
        if self.ordered:
            return [str(choice) for choice in self.choices]
        counts: Mapping[str, float | str | None]
        counts = {choice.title: _number(choice.amount) for choice in self.choices}
        if len(counts) < len(self.choices):
            counts = dict.fromkeys(str(choice) for choice in self.choices)
        return dict(counts)

    @property
    def name(self) -> str:
        """The first choice's name."""
        return self.choices[0].name

    @property
    def count(self) -> float:
        """How many of the first choice."""
        return self.choices[0].count

    def __str__(self) -> str:
        """Return all choices on one line."""
        return (" > " if self.ordered else " or ").join(str(choice) for choice in self.choices)


def _entry(name: Any, count: Any) -> Accelerator:
    if count is None:
        return Accelerator.parse(str(name))
    if isinstance(count, bool) or not isinstance(count, int | float | str):
        raise ValueError(f"the count of {name} must be a number, not {_kind(count)}")
    if isinstance(count, float) and not math.isfinite(count):
        raise ValueError("the count must be above 0, and finite")
    return Accelerator.parse(f"{name}:{count}")


def _text(item: Any) -> Accelerator:
    if not isinstance(item, str):
        raise ValueError(f"a list holds texts such as H100:8, not {_kind(item)}")
    return Accelerator.parse(item)


def _unique(choices: Iterable[Accelerator]) -> tuple[Accelerator, ...]:
    found = tuple(dict.fromkeys(choices))
    if not found:
        raise ValueError("it names no accelerator")
    return found


def _count(text: str, whole: str) -> Amount:
    try:
        amount = Amount.parse(text)
    except ValueError:
        raise ValueError(f"{whole!r} is not an accelerator: {_SHAPE}") from None
    if amount.value <= 0:
        raise ValueError("the count must be above 0")
    return amount


def _number(amount: Amount) -> float | str:
    if amount.at_least:
        return str(amount)
    return int(amount.value) if amount.value == int(amount.value) else amount.value


def _kind(value: Any) -> str:
    return "a map" if isinstance(value, dict) else f"a {type(value).__name__}"
