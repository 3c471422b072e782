"""Asking many side by side, without waiting for the slowest where that is not worth it."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["Patience", "gather"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Patience(Generic[T]):
    """For how long to wait for everybody.

    Attributes:
        seconds: Of real time. After it whoever is late is waited for only until ``is_enough``.
        is_enough: Whether an answer is worth going on with.
        late: Gets the answers that came too late, in threads of their own. The process may end
            before they do.
    """

    seconds: float
    is_enough: Callable[[T], bool]
    late: Callable[[T], None]


def gather(ask: Callable[[str], T], names: Sequence[str], patience: Patience[T]) -> dict[str, T]:
    """Ask everybody at once and return the answers of those who were in time, by name.

    Who waits for all calls ``arb.plugins.calls.in_parallel``. Daemon threads, as there: Ctrl-C must
    not wait for what they wait for.

    Args:
        ask: Asks one; it ends by itself.
        names: Whom.
        patience: For how long to wait.

    Raises:
        Exception: What ``ask`` raised first.
    """
    return _Gathering(ask, patience).run(names)


@dataclass
class _Gathering(Generic[T]):
    ask: Callable[[str], T]
    patience: Patience[T]
    answers: dict[str, T] = field(default_factory=dict)
    errors: list[BaseException] = field(default_factory=list)
    is_over: bool = False
    changed: Final[threading.Condition] = field(default_factory=threading.Condition)

    def run(self, names: Sequence[str]) -> dict[str, T]:
        for name in names:
            threading.Thread(
                target=self._work, args=(name,), name=f"ask-{name}", daemon=True
            ).start()
        begun = time.monotonic()
        with self.changed:
            while len(self.answers) < len(names) and not self.errors:
                left_s = self._left_s(time.monotonic() - begun)
                if left_s is not None and left_s <= 0:
                    break
                self.changed.wait(left_s)
            self.is_over = True
        if self.errors:
            raise self.errors[0]
        return {name: self.answers[name] for name in names if name in self.answers}

    def _left_s(self, passed_s: float) -> float | None:
        """Return how long to wait for the rest; None until somebody answers."""
        patience = self.patience
        left_s = patience.seconds - passed_s
        return left_s if left_s > 0 or any(map(patience.is_enough, self.answers.values())) else None

    def _work(self, name: str) -> None:
        try:
            answer = self.ask(name)
        except BaseException as error:  # noqa: BLE001 - raised again by who waits
            with self.changed:
                self.errors.append(error)
                self.changed.notify()
            return
        with self.changed:
            is_late = self.is_over
            if not is_late:
                self.answers[name] = answer
                self.changed.notify()
        if is_late:
            self.patience.late(answer)
