"""The same with many hosts at once."""

from __future__ import annotations

import queue
import threading
from typing import TYPE_CHECKING, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from arb_ssh.limits import Limit

__all__ = ["each"]

_MOST: Final = 32
_LAST_S: Final = 0.5

Item = TypeVar("Item")
Result = TypeVar("Result")


def each(
    function: Callable[[Item], Result],
    items: Sequence[Item],
    limit: Limit,
    late: Callable[[Item], Result],
) -> list[Result]:
    """Call a function for every item at once, in threads that hold nobody up.

    Args:
        function: What it raises is raised here.
        items: One call each.
        limit: The function keeps to it. Who has not returned soon after it is given up.
        late: Returns the result of one that was given up.

    Returns:
        One result an item, in their order.
    """
    waiting: queue.SimpleQueue[int] = queue.SimpleQueue()
    done: queue.SimpleQueue[tuple[int, Result | None, Exception | None]] = queue.SimpleQueue()
    for index in range(len(items)):
        waiting.put(index)

    def work() -> None:
        while True:
            try:
                index = waiting.get_nowait()
            except queue.Empty:
                return
            try:
                done.put((index, function(items[index]), None))
            except Exception as error:  # noqa: BLE001 - handed to the waiting thread below
                done.put((index, None, error))

    for _ in range(min(_MOST, len(items))):
        threading.Thread(target=work, name="arb-ssh", daemon=True).start()
    found: dict[int, Result] = {}
    while len(found) < len(items):
        try:
            index, result, error = done.get(timeout=limit.left_s() + _LAST_S)
        except queue.Empty:
            break
        if error is not None:
            raise error
        found[index] = result  # type: ignore[assignment]  # there was no error
    return [found[n] if n in found else late(item) for n, item in enumerate(items)]
