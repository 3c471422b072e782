"""A progress for repeated rounds: it does not repeat what it has already said."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from arb.progress import Progress

__all__ = ["News"]

_NUMBER: Final = re.compile(r"^\d+\. ")
_TIME: Final = re.compile(r"\b\d\d:\d\d:\d\d\b")


class News:
    """Passes on what is new. An attempt is told once something new becomes of it.

    Times of day and numbers of attempts do not make a line new.

    Args:
        progress: Hears the news, and every state.
    """

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._said: set[str] = set()
        self._attempt = ""

    def step(self, text: str) -> None:
        """Tell a step, unless it was told in this form."""
        if _NUMBER.match(text):
            self._attempt = text
            if self._is_new(_NUMBER.sub("", text)):
                self.flush()
        elif self._is_new(text):
            self.flush()
            self._progress.step(text)
        else:
            self._attempt = ""  # the same became of it as before

    def state(self, text: str) -> None:
        """Tell what is waited for; an attempt that comes so far is told."""
        if text:
            self.flush()
        self._progress.state(text)

    def warn(self, text: str) -> None:
        """Tell a warning, unless it was told in this form."""
        if self._is_new(text):
            self.flush()
            self._progress.warn(text)

    def flush(self) -> None:
        """Tell the attempt that is under way, if it was not told yet."""
        if self._attempt:
            self._progress.step(self._attempt)
            self._attempt = ""

    def _is_new(self, text: str) -> bool:
        key = _TIME.sub("", text)
        is_new = key not in self._said
        self._said.add(key)
        return is_new
