"""The table, as text and as a JSON document."""

from __future__ import annotations

import os
import platform
from statistics import median
from typing import TYPE_CHECKING, Any, Final

from .harness import LEAST_RUNS, Kind, Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .harness import Limit, Result

__all__ = ["document", "text"]

_COLUMNS: Final = (
    "row", "limit", "measured", "subject", "yardstick", "size", "runs", "load", "verdict",
)  # fmt: skip
_WORDS: Final = {Kind.RATIO: "", Kind.EXTRA: " over", Kind.TOTAL: ""}


def text(results: Sequence[Result]) -> str:
    """Return the table for people, with what each row is and what went wrong below."""
    cells = [_COLUMNS, *(_cells(result) for result in results)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in cells
    ]
    return "\n".join([_machine(), "", *lines, "", *_told(results)])


def document(results: Sequence[Result]) -> dict[str, Any]:
    """Return all of it, every sample included, for machines. Times are seconds."""
    return {
        "python": platform.python_version(),
        "system": platform.platform(),
        "cores": os.cpu_count(),
        "rows": [_entry(result) for result in results],
    }


def _machine() -> str:
    return (
        f"Python {platform.python_version()}, {platform.system()} {platform.machine()}, "
        f"{os.cpu_count()} cores; medians; load: average of the last minute after the row"
    )


def _cells(result: Result) -> tuple[str, ...]:
    row, taken = result.row, result.measurement
    measured = [_amount(median(s), row.limit.unit) for s in (taken.subject, taken.yardstick) if s]
    subject, yardstick = (*measured, "-", "-")[:2]
    runs = len(taken.subject)
    return (
        row.name,
        _limit(row.limit),
        "-" if result.value is None else _value(row.limit, result.value),
        subject,
        yardstick,
        taken.size or "-",
        f"{runs}{' (few)' if runs < LEAST_RUNS else ''}" if runs else "-",
        f"{result.load:.1f}" if runs else "-",
        result.verdict.value,
    )


def _told(results: Sequence[Result]) -> list[str]:
    """Return what each row is, and what there is to say of it."""
    lines = []
    for result in results:
        row = result.row
        against = f"; yardstick: {row.yardstick}" if row.yardstick else ""
        lines.append(f"{row.name}: {row.what}{against}")
        if result.reason:
            lines.append(f"  {result.verdict.value}: {result.reason}")
        lines.extend(f"  {note}" for note in result.measurement.notes)
    counts = {v: sum(result.verdict is v for result in results) for v in Verdict}
    lines += ["", ", ".join(f"{count} {v.value}" for v, count in counts.items() if count)]
    return lines


def _entry(result: Result) -> dict[str, Any]:
    row, taken = result.row, result.measurement
    return {
        "name": row.name,
        "what": row.what,
        "yardstick": row.yardstick,
        "limit": {"kind": row.limit.kind, "at_most": row.limit.at_most, "unit": row.limit.unit},
        "value": result.value,
        "subject": list(taken.subject),
        "yardstick_samples": list(taken.yardstick),
        "size": taken.size,
        "verdict": result.verdict,
        "reason": result.reason,
        "notes": list(taken.notes),
        "load": result.load,
    }


def _limit(limit: Limit) -> str:
    return f"<= {_value(limit, limit.at_most)}{_WORDS[limit.kind]}"


def _value(limit: Limit, value: float) -> str:
    return f"{value:.2f} x" if limit.kind is Kind.RATIO else _amount(value, limit.unit)


def _amount(value: float, unit: str) -> str:
    """Return a number that people can read: milliseconds below a second."""
    if unit != "s":
        return f"{value:.3g} {unit}"
    if abs(value) >= 1:
        return f"{value:.2f} s"
    return f"{value * 1000:.{0 if abs(value) >= 0.01 else 2}f} ms"
