"""Calls into code that is not ours: in a daemon thread, with a deadline, printing nothing.

An executor would join its threads when the process exits, so one hung plugin would hold the exit;
a daemon thread is left behind.
"""

from __future__ import annotations

import sys
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar, cast

from arb.plugins import _stdout

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import FrameType

__all__ = ["Outcome", "call", "in_parallel"]

S = TypeVar("S")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Outcome(Generic[T]):
    """How a call ended.

    Attributes:
        value: What it returned; None unless it did.
        error: What it raised, of any class.
        finished: False when the deadline came first: it may still be running.
        frame: Where it was when the deadline came.
        printed: The frame that first wrote to standard output; what it wrote was dropped.
        ended: Set once it runs no more.
    """

    value: T | None
    error: BaseException | None
    finished: bool
    frame: FrameType | None
    printed: FrameType | None
    ended: threading.Event


class _Call(threading.Thread, Generic[T]):
    """One call and its outcome."""

    def __init__(self, function: Callable[[], T], name: str) -> None:
        super().__init__(name=f"arb-plugin:{name}", daemon=True)
        self._function = function
        self._ended = threading.Event()
        self._silence = _stdout.Silence()
        self._value: T | None = None
        self._error: BaseException | None = None

    def run(self) -> None:
        """Call, and keep whatever comes of it."""
        try:
            with self._silence:
                self._value = self._function()
        except BaseException as error:  # noqa: BLE001 - a plugin may raise SystemExit
            self._error = error
        finally:
            self._ended.set()

    def outcome(self, budget_s: float) -> Outcome[T]:
        """Wait for the end, at most ``budget_s``."""
        finished = self._ended.wait(budget_s)
        frame = None if finished else sys._current_frames().get(self.ident or 0)  # noqa: SLF001
        # Between the two lines above it may have ended after all: the time was up all the same.
        value, error = (self._value, self._error) if finished else (None, None)
        return Outcome(value, error, finished, frame, self._silence.printed_by, self._ended)


def call(function: Callable[[], T], *, budget_s: float, name: str) -> Outcome[T]:
    """Run ``function`` in a thread of its own and wait for it at most ``budget_s`` seconds.

    Args:
        function: What to run. Whatever it raises is in the outcome, ``SystemExit`` too.
        budget_s: Seconds of real time.
        name: Of the thread, for stack dumps.
    """
    running = _Call(function, name)
    running.start()
    return running.outcome(budget_s)


def in_parallel(function: Callable[[S], T], items: Sequence[S]) -> list[T]:
    """Apply our own function, which ends by itself, to all items side by side.

    Daemon threads again: Ctrl-C must not wait for what they wait for.

    Raises:
        Exception: The first error, in the order of the items, once all have ended.
    """
    results: list[T | None] = [None] * len(items)
    errors: list[BaseException | None] = [None] * len(items)

    def run(index: int) -> None:
        try:
            results[index] = function(items[index])
        except BaseException as error:  # noqa: BLE001 - raised again below
            errors[index] = error

    threads = [threading.Thread(target=run, args=(i,), daemon=True) for i in range(len(items))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for error in errors:
        if error is not None:
            raise error
    return cast("list[T]", results)
