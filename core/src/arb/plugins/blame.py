"""Whose fault it was, and one line that says what happened."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from types import CodeType, FrameType, TracebackType

__all__ = ["Suspects", "describe"]

_LONGEST: Final = 200
_SECRET_NAME: Final = re.compile(r"KEY|TOKEN|SECRET|PASSWORD|CREDENTIAL", re.IGNORECASE)
_SHORTEST_SECRET: Final = 8


class Suspects:
    """The implementations that take part in one call: the innermost frame tells whose fault it was.

    Args:
        functions: By any name of the implementation; the names come back as verdicts.
    """

    def __init__(self, functions: Mapping[str, Callable[..., Any]]) -> None:
        names: dict[CodeType, str] = {}
        shared: set[CodeType] = set()
        for name, function in functions.items():
            for code in _codes(function):
                if names.setdefault(code, name) != name:
                    shared.add(code)  # of a decorator that several use: it proves nothing
        self._names: Final = {code: name for code, name in names.items() if code not in shared}

    def behind_error(self, error: BaseException) -> str | None:
        """Return who raised, or None when no implementation's frame is in the traceback."""
        found = None
        for frame in _traceback_frames(error.__traceback__):
            found = self._names.get(frame.f_code, found)
        return found or self._bad_generator(error)

    def behind_frame(self, frame: FrameType | None) -> str | None:
        """Return who is running in a stack, or None."""
        while frame is not None:
            if frame.f_code in self._names:
                return self._names[frame.f_code]
            frame = frame.f_back
        return None

    def _bad_generator(self, error: BaseException) -> str | None:
        """Find a wrapper that pluggy blames for not yielding exactly once.

        Its frame is gone by then; the message says where its code is.
        """
        text = str(error) if isinstance(error, RuntimeError) else ""
        for code, name in self._names.items():
            if f" {code.co_filename}:{code.co_firstlineno} " in text:
                return name
        return None


def describe(error: BaseException, env: Mapping[str, str]) -> str:
    """Return class and message of an exception in one short line without secrets.

    Args:
        error: Of any class; its ``str`` may be broken too.
        env: Values of variables that are named like secrets are blotted out.
    """
    try:
        text = " ".join(str(error).split())
    except BaseException:  # noqa: BLE001 - the plugin's own __str__ may raise anything
        text = ""
    for name, value in env.items():
        if len(value) >= _SHORTEST_SECRET and _SECRET_NAME.search(name):
            text = text.replace(value, "***")
    if len(text) > _LONGEST:
        text = f"{text[:_LONGEST]}..."
    kind = type(error).__name__
    return f"{kind}: {text}" if text else kind


def _codes(function: Callable[..., Any]) -> Iterator[CodeType]:
    """Yield the code of a function and of every function that it decorates."""
    layer: Any = function
    while layer is not None:
        code = getattr(getattr(layer, "__func__", layer), "__code__", None)
        if code is not None:
            yield code
        layer = getattr(layer, "__wrapped__", None)


def _traceback_frames(traceback: TracebackType | None) -> Iterator[FrameType]:
    while traceback is not None:
        yield traceback.tb_frame
        traceback = traceback.tb_next
