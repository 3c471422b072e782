"""How wide the columns of a table are, and how texts fold into them. Nothing here prints."""

from __future__ import annotations

import re
from itertools import zip_longest
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

__all__ = ["GAP", "as_records", "folded_row", "whole_width", "widths_within"]

GAP: Final = 2
"""Blanks between two columns."""
_WORDS: Final = re.compile(r"[^ /,]+[ /,]*|[ /,]+")
"""Texts fold after blanks, slashes and commas."""
_PARTS: Final = re.compile(r"[^ /,._-]+[ /,._-]*|[ /,._-]+")
"""What is too long for that, such as names of instance types, folds within its words."""


def widths_within(
    lines: Sequence[Sequence[str]], room: int, *, foldable: Collection[int]
) -> list[int]:
    """Return how wide each column is.

    Args:
        lines: The header and the rows.
        room: Width of the terminal; 0 is endless. What cannot be folded stays wider.
        foldable: Numbers of the columns that may be narrower than their texts; the widest give first.
    """
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    least = [max(map(_longest_part, column)) for column in zip(*lines, strict=True)]
    excess = whole_width(widths) - room if room else 0
    while excess > 0:
        able = [n for n in foldable if widths[n] > least[n]]
        if not able:
            break
        widths[max(able, key=lambda n: widths[n])] -= 1
        excess -= 1
    return widths


def whole_width(widths: Sequence[int]) -> int:
    """Return how wide a table is that has columns of these widths."""
    return sum(widths) + GAP * (len(widths) - 1)


def as_records(lines: Sequence[Sequence[str]], room: int) -> Iterator[list[str]]:
    """Yield each row as lines of a column's name and a text, for where the table has no room.

    Args:
        lines: The header and the rows. Cells that say nothing are left out.
        room: Width of the terminal.
    """
    names, *rows = lines
    label = max(map(len, names))
    widths = (label, max(1, room - label - GAP))
    for row in rows:
        told = [pair for pair in zip(names, row, strict=True) if pair[1] not in {"", "-"}]
        folded = (cells for pair in told for cells in folded_row(pair, widths))
        yield [f"{name:{label + GAP}}{text}".rstrip() for name, text in folded]


def folded_row(row: Sequence[str], widths: Sequence[int]) -> Iterator[tuple[str, ...]]:
    """Yield the lines that a row takes, every cell within its column."""
    columns = [_folded(text, width) for text, width in zip(row, widths, strict=True)]
    yield from zip_longest(*columns, fillvalue="")


def _longest_part(text: str) -> int:
    return max((len(part.rstrip()) for part in _PARTS.findall(text)), default=0)


def _folded(text: str, width: int) -> list[str]:
    if len(text) <= width:
        return [text]
    words = _WORDS.findall(text)
    fits = all(len(word.rstrip()) <= width for word in words)
    found = [""]
    for piece in words if fits else _PARTS.findall(text):
        if found[-1] and len(found[-1]) + len(piece.rstrip()) > width:
            found.append("")
        found[-1] += piece
    return [line.rstrip() for line in found]
