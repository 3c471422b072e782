"""Do the same on many nodes at once, in threads."""

from __future__ import annotations

import queue
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

__all__ = ["Outcome", "fan_out", "fan_out_all"]

MAX_THREADS: Final = 64
WAKE_S: Final = 0.5  # a signal handler runs at the latest then, whatever the platform

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Outcome(Generic[Result]):
    """What became of one item: ``error`` or, when that is None, ``result``."""

    result: Result | None = None
    error: BaseException | None = None


def fan_out(
    function: Callable[[Item], Result], items: Sequence[Item], *, threads: int = MAX_THREADS
) -> list[Result]:
    """Call ``function`` for every item at once and return the results in order.

    The first error is raised as soon as it happens; calls that have not begun are left out, those
    that run are not waited for (their threads are daemons). Ctrl-C ends the wait likewise.

    Args:
        function: Called in other threads.
        items: One call each.
        threads: At most so many at a time.

    Raises:
        Exception: Whatever the first failing call raised.
    """
    results: dict[int, Result] = {}
    with _Pool(function, items, threads) as pool:
        for index, outcome in pool.outcomes():
            if outcome.error is not None:
                raise outcome.error
            results[index] = outcome.result  # type: ignore[assignment]  # no error: a result
    return [results[index] for index in range(len(items))]


def fan_out_all(
    function: Callable[[Item], Result], items: Sequence[Item], *, threads: int = MAX_THREADS
) -> list[Outcome[Result]]:
    """Call ``function`` for every item at once; return what became of each, in order.

    Args:
        function: Called in other threads.
        items: One call each.
        threads: At most so many at a time.
    """
    with _Pool(function, items, threads) as pool:
        outcomes = dict(pool.outcomes())
    return [outcomes[index] for index in range(len(items))]


class _Pool(Generic[Item, Result]):
    """Daemon threads over a list; leaving it stops those that have not begun a call."""

    def __init__(
        self, function: Callable[[Item], Result], items: Sequence[Item], threads: int
    ) -> None:
        self._function = function
        self._todo: queue.SimpleQueue[tuple[int, Item]] = queue.SimpleQueue()
        self._done: queue.SimpleQueue[tuple[int, Outcome[Result]]] = queue.SimpleQueue()
        self._stopped = threading.Event()
        self._count = len(items)
        for pair in enumerate(items):
            self._todo.put(pair)
        self._threads = min(threads, len(items))

    def __enter__(self) -> _Pool[Item, Result]:
        for _ in range(self._threads):
            threading.Thread(target=self._work, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()

    def outcomes(self) -> Iterator[tuple[int, Outcome[Result]]]:
        """Yield every index with its outcome as they come."""
        left = self._count
        while left:
            try:
                yield self._done.get(timeout=WAKE_S)
            except queue.Empty:
                continue
            left -= 1

    def _work(self) -> None:
        while not self._stopped.is_set():
            try:
                index, item = self._todo.get_nowait()
            except queue.Empty:
                return
            self._done.put((index, self._call(item)))

    def _call(self, item: Item) -> Outcome[Result]:
        try:
            return Outcome(result=self._function(item))
        except BaseException as error:  # noqa: BLE001 - carried to the caller's thread
            return Outcome(error=error)
