"""Keys of our own about time and loss: ``deadline``, ``estimated_duration``, ``checkpoint``."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Annotated, Any, Final

from arb.tasks.amounts import duration_s, show_duration
from arb.tasks.forms import Form, Short, Strict, Text, choice, kind, read_text

__all__ = ["Checkpoint", "CheckpointForm", "Deadline", "DeadlineForm", "Duration", "DurationForm"]
__all__ += ["SelfTerminate"]

_LATEST: Final = 253_370_764_800.0  # the year 9999, which every zone can still show
_LONGEST_S: Final = 10 * 366 * 86400
_UNITS: Final = r"^([0-9]+(\.[0-9]+)?[smhdwSMHDW])+$"


@dataclass(frozen=True, slots=True)
class Duration:
    """A length of time."""

    seconds: int

    @classmethod
    def parse(cls, value: Any) -> Duration:
        """Read ``90s``, ``30m``, ``2h``, ``1d`` or ``1h30m``; a number alone says no unit.

        Raises:
            ValueError: It is none of these, or nothing.
        """
        if isinstance(value, Duration):
            return value
        if isinstance(value, int | float) and not isinstance(value, bool):
            raise ValueError(f"{value} has no unit: write 30m, 2h or 1d")
        seconds = duration_s(read_text(value))
        if not 0 < seconds <= _LONGEST_S:
            raise ValueError("must be above 0, and at most ten years")
        return cls(seconds)

    @property
    def hours(self) -> float:
        """The same in hours."""
        return self.seconds / 3600

    def __str__(self) -> str:
        """Return it as a task file writes it."""
        return show_duration(self.seconds)


@dataclass(frozen=True, slots=True)
class Deadline:
    """When a task must have ended: a time after its submission, or a moment.

    Attributes:
        after: Since submission; None for a moment.
        moment: Seconds since 1970; None for a time after submission.
    """

    after: Duration | None = None
    moment: float | None = None

    @classmethod
    def parse(cls, value: Any) -> Deadline:
        """Read a duration, or a date and time; without a zone it is UTC.

        Raises:
            ValueError: It is neither.
        """
        if isinstance(value, Deadline):
            return value
        if isinstance(value, str) and "-" in value:
            try:
                value = dt.datetime.fromisoformat(value.strip())
            except ValueError:
                raise ValueError(f"{value!r} is no time: write 2026-08-01 18:00:00Z") from None
        if isinstance(value, dt.date):
            return cls(moment=_moment(value))
        return cls(after=Duration.parse(value))

    def at(self, submitted: float) -> float:
        """Return the moment, for a task that was submitted at ``submitted``."""
        return submitted + self.after.seconds if self.after else self.moment or 0.0

    def __str__(self) -> str:
        """Return it as a task file writes it."""
        if self.after:
            return str(self.after)
        moment = dt.datetime.fromtimestamp(self.moment or 0.0, dt.UTC)
        return moment.isoformat(sep=" ")


class Checkpoint(Strict):
    """The map form of ``checkpoint``.

    Attributes:
        path: The folder that holds what the task resumes from.
        interval: How often it writes one: what a preemption costs.
        signal: What tells it to write one now, before a preemption.
    """

    path: Text
    interval: DurationForm = None
    signal: Annotated[str, choice("TERM", "INT", "HUP", "USR1", "USR2")] = "TERM"


def _moment(value: dt.date) -> float:
    if not isinstance(value, dt.datetime):
        value = dt.datetime(value.year, value.month, value.day, tzinfo=dt.UTC)
    if value.tzinfo is None:
        value = value.replace(tzinfo=dt.UTC)
    moment = value.timestamp()
    if not 0 <= moment < _LATEST:
        raise ValueError("it is over, or out of range")
    return moment


def _checkpoint(value: Any) -> Any:
    if isinstance(value, str):
        return {"path": value}
    if isinstance(value, dict | Checkpoint):
        return value
    raise ValueError(f"expected a folder or a map, got {kind(value)}")


def _self_terminate(value: Any) -> str:
    if isinstance(value, bool):
        return "auto" if value else "never"
    return _HOW.parse(value)  # type: ignore[no-any-return]  # a choice returns text


_HOW: Final = choice("auto", "never", "key-on-node")
DurationForm = Annotated[
    Duration | None, Form(Duration.parse, {"type": "string", "pattern": _UNITS}, str)
]
DeadlineForm = Annotated[
    Deadline | None,
    Form(
        Deadline.parse,
        {"anyOf": [{"type": "string", "pattern": _UNITS}, {"type": "string", "pattern": "-"}]},
        str,
    ),
]
CheckpointForm = Annotated[Checkpoint | None, Short(Checkpoint, _checkpoint, ({"type": "string"},))]
SelfTerminate = Annotated[str, Form(_self_terminate, {"anyOf": [{"type": "boolean"}, _HOW.schema]})]
