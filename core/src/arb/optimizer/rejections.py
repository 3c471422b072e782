"""Why offers are not in the ranking: one count for each reason, alternative by alternative."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from arb.tasks.alternatives import Alternative

__all__ = ["Rejections", "Removed", "joined", "offers_counted", "written"]


@dataclass(frozen=True, slots=True)
class Removed:
    """What one filter took away. ``reason`` is the filter as the task writes it."""

    reason: str
    count: int


@dataclass(frozen=True, slots=True)
class Rejections:
    """What became of the whole catalog under one alternative.

    Attributes:
        alternative: Which.
        total: Offers of all providers. Always ``left`` and all ``removed`` together.
        removed: In the order of the filters; filters that removed nothing are left out.
        left: Offers that will do.
        hint: What to do, when none is left; one line.
        nearby: In which other counts the same is sold, where some of the count asked for is, too.
    """

    alternative: Alternative
    total: int
    removed: tuple[Removed, ...]
    left: int
    hint: str = ""
    nearby: str = ""

    @property
    def where(self) -> str:
        """Where the alternative stands in the task file: ``resources.ordered[0]``; may be empty."""
        return written(self.alternative.path)

    @property
    def last_filter(self) -> str:
        """The filter that removed the last offers; empty when none removed any."""
        return self.removed[-1].reason if self.removed else ""

    def explained(self) -> str:
        """Return why nothing is left, one line."""
        if not self.total:
            return "the catalog is empty"
        last = self.removed[-1]
        told = f"{last.reason} removed the last {offers_counted(last.count)} of {self.total:,}"
        return f"{told}; {self.hint}" if self.hint else told

    def to_dict(self) -> dict[str, Any]:
        """Return it for ``--json``."""
        return {
            "alternative": self.where,
            "total": self.total,
            "left": self.left,
            "rejected": {removed.reason: removed.count for removed in self.removed},
            "hint": self.hint,
        }


def written(path: tuple[str | int, ...]) -> str:
    """Return where something stands in a task file: ``resources.ordered[0]``."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return text.removeprefix(".")


def offers_counted(count: int) -> str:
    """Return ``1 offer``, ``1,200 offers``."""
    return f"{count:,} offer{'' if count == 1 else 's'}"


def joined(names: Sequence[str], *, most: int = 8, word: str = "and") -> str:
    """Return ``a, b and c``; of many the first, and how many more there are."""
    if len(names) > most:
        return f"{', '.join(names[:most])} {word} {len(names) - most} more"
    *first, last = names or ("nothing",)
    return f"{', '.join(first)} {word} {last}" if first else last
