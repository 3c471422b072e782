"""Steps that were seen, and what is done to a command at one of them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

__all__ = ["LATE_S", "Act", "Kind", "Point", "Step", "When", "acts_of"]

LATE_S = (1, 20, 90)
"""So long after the client gave up an effect comes."""


class Kind(StrEnum):
    """What a step is."""

    COMMIT = "commit"
    """A commit of the state store; its label says whose."""
    VAULT = "vault"
    """A write of the vault."""
    FILE = "file"
    """A file gets its name, anywhere in the home: folders of the machine room, settings for ssh."""
    HOOK = "hook"
    """A call of the provider's plugin."""
    CALL = "call"
    """A call of the provider's API: seen, and met with trouble, by the simulated cloud."""


class Act(StrEnum):
    """What happens to the command."""

    EXIT = "exit"
    """``os._exit``."""
    KILL = "kill"
    """SIGKILL. Of a call: it dies without an answer."""
    TAKEN = "kill+taken"
    """SIGKILL; and a minute later the provider takes away what was bought."""
    STOP = "stop"
    """SIGSTOP until its lease has expired and another command has run; then SIGCONT."""
    FULL = "full"
    """From now on it cannot write to any file."""
    LOSE = "lose"
    """The database goes away while it stands still; then it goes on."""
    LOSE_KILL = "lose+kill"
    """The database goes away while it stands still; then it dies."""
    DROP = "drop"
    """The call has its effect, and no answer comes."""
    LATE = "late"
    """No answer comes; the effect comes some seconds later."""
    LATE_KILL = "late+kill"
    """The same, and the command is dead by then."""


class When(StrEnum):
    """On which side of the step. Of a call: whether it has its effect."""

    BEFORE = "before"
    AFTER = "after"


class Step(NamedTuple):
    """One step of one command of a scenario.

    Attributes:
        command: Which of the scenario's commands, from 1.
        kind: See ``Kind``.
        label: What it is: ``journal.placed``, ``arb_provision``, ``POST /api/deployments``.
        nth: The how many-th of this label, from 1.
    """

    command: int
    kind: Kind
    label: str
    nth: int


@dataclass(frozen=True, slots=True)
class Point:
    """One thing that can happen at one step, and the command that runs next.

    Attributes:
        late_s: With ``Act.LATE`` and ``Act.LATE_KILL``, when the effect comes.
        after: The command that runs next; empty until one is chosen.
    """

    scenario: str
    step: Step
    when: When
    act: Act
    late_s: int = 0
    after: str = ""

    def __str__(self) -> str:
        """Return what ``parse`` reads."""
        step = self.step
        act = f"{self.act}-{self.late_s}" if self.late_s else self.act
        where = f"{self.scenario}:{step.command}:{step.kind}:{step.label}:{step.nth}"
        return f"{where}:{self.when}:{act}:{self.after}"

    @classmethod
    def parse(cls, text: str) -> Point:
        """Read a point.

        Raises:
            ValueError: The text is of another form.
        """
        try:
            scenario, command, kind, label, nth, when, act, after = text.split(":")
        except ValueError:
            raise ValueError(f"not a point: {text}") from None
        name, _, late_s = act.partition("-")
        step = Step(int(command), Kind(kind), label, int(nth))
        return cls(scenario, step, When(when), Act(name), int(late_s or 0), after)

    @property
    def loses_state(self) -> bool:
        """Whether the database goes away."""
        return self.act in {Act.LOSE, Act.LOSE_KILL}


_BOTH = (When.BEFORE, When.AFTER)
_DEATHS = tuple((when, act) for when in _BOTH for act in (Act.EXIT, Act.KILL, Act.STOP))
_ACTS = {
    Kind.COMMIT: (
        *_DEATHS,
        (When.AFTER, Act.TAKEN),
        (When.BEFORE, Act.FULL),
        (When.AFTER, Act.FULL),
        (When.BEFORE, Act.LOSE),
        (When.BEFORE, Act.LOSE_KILL),
    ),
    Kind.VAULT: (*_DEATHS, (When.BEFORE, Act.FULL)),
    Kind.FILE: ((When.BEFORE, Act.KILL), (When.BEFORE, Act.FULL)),
    Kind.HOOK: (
        *_DEATHS,
        (When.AFTER, Act.TAKEN),
        (When.AFTER, Act.FULL),
        (When.AFTER, Act.LOSE),
        (When.AFTER, Act.LOSE_KILL),
    ),
}
_CHANGING = (
    (When.BEFORE, Act.KILL),
    (When.AFTER, Act.KILL),
    (When.AFTER, Act.TAKEN),
    (When.AFTER, Act.STOP),
    (When.AFTER, Act.DROP),
)
_READING = ((When.BEFORE, Act.KILL), (When.AFTER, Act.DROP))


def acts_of(kind: Kind, *, changes: bool) -> list[tuple[When, Act, int]]:
    """Return everything that can happen at a step of a kind: side, act, seconds.

    Args:
        kind: Of the step.
        changes: Whether it is a call that makes, changes or ends something, so that its effect can
            come late. For a hook: one that no server stands behind, which could do that.
    """
    if kind is Kind.CALL:
        acts = _CHANGING if changes else _READING
    else:
        acts = _ACTS[kind]
        acts += ((When.AFTER, Act.DROP),) if changes else ()
    late = [(When.AFTER, act, s) for act in (Act.LATE, Act.LATE_KILL) for s in LATE_S]
    return [(when, act, 0) for when, act in acts] + (late if changes else [])
