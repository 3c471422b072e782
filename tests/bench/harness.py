"""What a row is, how it is measured beside its yardstick, and when it is inside its limit."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from enum import StrEnum
from statistics import median
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .workbench import Workbench

__all__ = [
    "LEAST_RUNS",
    "Kind",
    "Limit",
    "MeasureError",
    "Measurement",
    "Result",
    "Row",
    "Skipped",
    "Verdict",
    "interleave",
    "judge",
    "measure",
]

LEAST_RUNS: Final = 5
"""Fewer runs are for trying things out: their table says so."""


class Skipped(Exception):
    """This machine lacks what a row needs; the text says what."""


class MeasureError(Exception):
    """A subject did not do what was to be measured."""


class Kind(StrEnum):
    """How a row's number is made of the medians of subject and yardstick."""

    RATIO = "ratio"
    """Subject over yardstick."""
    EXTRA = "extra"
    """Subject minus yardstick."""
    TOTAL = "total"
    """The subject alone; a yardstick is shown for comparison."""


class Verdict(StrEnum):
    """What came out of a row."""

    INSIDE = "inside"
    OUTSIDE = "outside"
    SKIPPED = "skipped"
    FAILED = "failed"
    NOT_BUILT = "not built yet"


@dataclass(frozen=True, slots=True)
class Limit:
    """What a row may cost. ``unit`` is that of its samples: ``s``, ``%`` or ``MB``."""

    kind: Kind
    at_most: float
    unit: str = "s"

    def of(self, subject: Sequence[float], yardstick: Sequence[float]) -> float:
        """Return the row's number from its samples."""
        if self.kind is Kind.TOTAL:
            return median(subject)
        if self.kind is Kind.RATIO:
            return median(subject) / median(yardstick)
        return median(subject) - median(yardstick)


@dataclass(frozen=True, slots=True)
class Measurement:
    """Samples of one row.

    Attributes:
        subject: One sample a run.
        yardstick: The same number of runs, taken in turn with them.
        size: What the subject worked on.
        faults: Rules beside the number that were broken; any puts the row outside.
        notes: What a reader should know.
    """

    subject: tuple[float, ...]
    yardstick: tuple[float, ...] = ()
    size: str = ""
    faults: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table.

    Attributes:
        name: For ``--only``.
        what: What is measured.
        limit: Of the design.
        yardstick: What it is compared with.
        measure: Takes the samples; None while the subject does not exist.
    """

    name: str
    what: str
    limit: Limit
    yardstick: str = ""
    measure: Callable[[Workbench], Measurement] | None = None


@dataclass(frozen=True, slots=True)
class Result:
    """A row with what came out. ``value`` is None when nothing was measured."""

    row: Row
    verdict: Verdict
    value: float | None = None
    measurement: Measurement = field(default_factory=lambda: Measurement(()))
    reason: str = ""
    load: float = 0.0
    """The machine's load average when the row was done."""


def interleave(
    subject: Callable[[], float], yardstick: Callable[[], float], runs: int, *, warm_up: bool = True
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Take samples of two things in turn, so that what disturbs the machine hits both.

    Every second turn goes the other way round, so that neither always follows the other.

    Args:
        subject: Takes one sample.
        yardstick: Takes one sample.
        runs: How many of each.
        warm_up: Take one of each before, and drop it.
    """
    taken: dict[bool, list[float]] = {True: [], False: []}
    for turn in range(-1 if warm_up else 0, runs):
        for is_subject in (True, False) if turn % 2 == 0 else (False, True):
            sample = subject() if is_subject else yardstick()
            if turn >= 0:
                taken[is_subject].append(sample)
    return tuple(taken[True]), tuple(taken[False])


def judge(row: Row, measurement: Measurement) -> Result:
    """Compare samples with the limit."""
    value = row.limit.of(measurement.subject, measurement.yardstick)
    is_inside = value <= row.limit.at_most and not measurement.faults
    verdict = Verdict.INSIDE if is_inside else Verdict.OUTSIDE
    return Result(row, verdict, value, measurement, "; ".join(measurement.faults), load())


def measure(row: Row, workbench: Workbench) -> Result:
    """Measure one row. What goes wrong in it is its result."""
    if row.measure is None:
        return Result(row, Verdict.NOT_BUILT)
    try:
        return judge(row, row.measure(workbench))
    except Skipped as skipped:
        return Result(row, Verdict.SKIPPED, reason=str(skipped))
    except Exception as error:  # noqa: BLE001 - the other rows are measured all the same
        reason = f"{type(error).__name__}: {error}"
        return Result(row, Verdict.FAILED, reason=reason)


def load() -> float:
    """Return the load average of the last minute."""
    return os.getloadavg()[0]
