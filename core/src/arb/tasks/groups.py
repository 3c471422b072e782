"""Files of several tasks: one after the other, or all at once."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, Final

from pydantic import Field

from arb.tasks.amounts import duration_s
from arb.tasks.forms import Flag, Form, Strict, Text, choice, read_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from arb.tasks.model import Task

__all__ = ["HEADER_KEYS", "GroupHeader", "JobGroup", "Pipeline", "PipelineHeader", "plain_name"]

_PLAIN_NAME: Final = re.compile(r"[\w-]+")
_DELAY: Final = [
    {"type": "integer", "minimum": 0},
    {"type": "string", "pattern": r"^([0-9]+(\.[0-9]+)?[smhdwSMHDW])+$|^[0-9]+$"},
]
_EVERYONE: Final = "default"


@dataclass(frozen=True, slots=True)
class Pipeline:
    """Tasks that run one after the other, each on nodes of its own.

    Attributes:
        name: Empty when no header gives one.
        tasks: In their order, at least one.
    """

    name: str
    tasks: tuple[Task, ...]


@dataclass(frozen=True, slots=True)
class JobGroup:
    """Tasks that run at the same time.

    Attributes:
        name: Of the group.
        tasks: At least one, each with a name of its own.
        primary_tasks: The group has ended when these have; empty means all.
        termination_delay_s: Task -> how long it may go on after that, in seconds; the name
            ``default`` is for those that are not listed.
        inter_connection: Whether they must reach each other by name.
    """

    name: str
    tasks: tuple[Task, ...]
    primary_tasks: tuple[str, ...] = ()
    termination_delay_s: Mapping[str, int] = field(default_factory=dict)
    inter_connection: bool = True

    def delay_s(self, task: str) -> int:
        """Return how long a task may go on when the primary ones have ended."""
        return self.termination_delay_s.get(task, self.termination_delay_s.get(_EVERYONE, 0))


def plain_name(value: Any) -> str:
    """Take a name that can be part of a host name.

    Raises:
        ValueError: It is none.
    """
    text = read_text(value)
    if not _PLAIN_NAME.fullmatch(text):
        raise ValueError(f"{text!r} is not a name for a group: letters, digits, '_' and '-'")
    return text


def _delay(value: Any) -> dict[str, int]:
    given = value if isinstance(value, dict) else {_EVERYONE: value}
    found = {}
    for name, delay in given.items():
        if isinstance(delay, bool) or not isinstance(delay, int | str):
            raise ValueError("expected seconds or a duration such as 5m")
        found[str(name)] = duration_s(str(delay), default_unit="s")
    return found


class PipelineHeader(Strict):
    """The first document of a file whose tasks run one after the other.

    Attributes:
        name: Of the pipeline.
        execution: ``serial``.
    """

    name: Text = ""
    execution: Annotated[str, choice("serial")] = "serial"


class GroupHeader(Strict):
    """The first document of a file whose tasks run at the same time.

    Attributes:
        name: Of the group.
        execution: ``parallel``.
        primary_tasks: Names of the tasks that decide when the group has ended.
        termination_delay: How long the others may go on then: ``30s``, or one for each name.
        inter_connection: Whether the tasks must reach each other by name.
    """

    name: Annotated[str, Form(plain_name, {"type": "string"})]
    execution: Annotated[str, choice("parallel")] = "parallel"
    primary_tasks: tuple[Text, ...] = ()
    termination_delay: Annotated[
        dict[str, int],
        Form(
            _delay,
            {"anyOf": [*_DELAY, {"type": "object", "additionalProperties": {"anyOf": _DELAY}}]},
        ),
    ] = Field(default_factory=dict)
    inter_connection: Flag = True


HEADER_KEYS: Final = frozenset(GroupHeader.model_fields)
