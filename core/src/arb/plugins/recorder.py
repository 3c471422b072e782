"""What the provider itself did in a call, whatever wrappers make of it."""

from __future__ import annotations

import functools
import threading
from enum import Enum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Recorder", "Stage"]


class Stage(Enum):
    """How far a call got."""

    OUTSIDE = "outside"
    """The provider was not entered (yet)."""
    INSIDE = "inside"
    RETURNED = "returned"
    RAISED = "raised"


class _TooLateError(Exception):
    """A wrapper went on after the call had been given up."""


class Recorder:
    """Stands between the wrappers and the provider's function, for one call.

    Attributes:
        stage: See ``Stage``.
        value: What the provider returned.
        error: What it raised.
    """

    def __init__(self) -> None:
        self.stage = Stage.OUTSIDE
        self.value: Any = None
        self.error: BaseException | None = None
        self._closed = False
        self._lock = threading.Lock()

    def around(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return a function with the same parameters that records what the real one does."""

        @functools.wraps(function)
        def recorded(*arguments: Any) -> Any:
            self._enter()
            try:
                value = function(*arguments)
            except BaseException as error:
                with self._lock:
                    self.stage, self.error = Stage.RAISED, error
                raise
            with self._lock:
                self.stage, self.value = Stage.RETURNED, value
            return value

        return recorded

    def close(self) -> Stage:
        """Return the stage, and keep a provider that was not entered from being entered later.

        Nothing may be bought by a call that was already reported as not made.
        """
        with self._lock:
            self._closed = True
            return self.stage

    def _enter(self) -> None:
        with self._lock:
            if self._closed:
                raise _TooLateError
            self.stage = Stage.INSIDE
