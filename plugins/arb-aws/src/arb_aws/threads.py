"""Calls side by side, in threads that never hold up the end of the process."""

from __future__ import annotations

import queue
import threading
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    S = TypeVar("S")
    T = TypeVar("T")

__all__ = ["side_by_side"]

_MOST: int = 12


def side_by_side(function: Callable[[S], T], items: Sequence[S]) -> list[T | Exception]:
    """Call a function for every item, some at a time; what it raises stands in its place.

    Args:
        function: It must end by itself: its calls have deadlines.
        items: Its arguments.

    Returns:
        Results and errors in the order of the items.
    """
    results: list[T | Exception] = [RuntimeError("not called")] * len(items)
    waiting: queue.SimpleQueue[int] = queue.SimpleQueue()
    for index in range(len(items)):
        waiting.put(index)

    def work() -> None:
        while True:
            try:
                index = waiting.get_nowait()
            except queue.Empty:
                return
            try:
                results[index] = function(items[index])
            except Exception as error:  # noqa: BLE001 - handed to the caller
                results[index] = error

    if len(items) == 1:
        work()
        return results
    threads = [threading.Thread(target=work, daemon=True) for _ in range(min(_MOST, len(items)))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results
