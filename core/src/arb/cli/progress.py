"""Progress on stderr: a live line on a terminal, plain lines elsewhere."""

from __future__ import annotations

import os
import sys
import threading
from typing import TYPE_CHECKING, Self

from arb.cli import render
from arb.text import printable

if TYPE_CHECKING:
    from types import TracebackType

__all__ = ["TerminalProgress", "open_progress"]

_CLEAR_LINE = "\r\033[K"
_FRAMES = "|/-\\"
_FRAME_S = 0.12
_WIDTH = 80
"""Of terminals that do not tell, or say 0."""


class PlainProgress:
    """One line a step; a state is told once, when it changes."""

    def __init__(self) -> None:
        self._last = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def step(self, text: str) -> None:
        """Print it."""
        render.note(text)

    def state(self, text: str) -> None:
        """Print it when it is news."""
        if text and text != self._last:
            render.note(text)
        self._last = text

    def warn(self, text: str) -> None:
        """Print it as a warning."""
        render.warn(text)


class TerminalProgress:
    """Steps scroll by; below them one live line says what is being waited for, and how long."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._text = ""
        self._shown = False
        self._frame = 0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._animate, name="progress", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ended.set()
        self._thread.join()
        self._write("")

    def step(self, text: str) -> None:
        """Print it above the live line."""
        with self._lock:
            self._write("")
            render.note(text)

    def state(self, text: str) -> None:
        """Replace the live line."""
        with self._lock:
            self._text = printable(text)
            self._draw()

    def warn(self, text: str) -> None:
        """Print it as a warning above the live line."""
        with self._lock:
            self._write("")
            render.warn(text)

    def _animate(self) -> None:
        while not self._ended.wait(_FRAME_S):
            with self._lock:
                self._frame += 1
                self._draw()

    def _draw(self) -> None:
        if self._text:
            mark = _FRAMES[self._frame % len(_FRAMES)]
            self._write(f"{mark} {self._text}"[: _width() - 1])
        else:
            self._write("")

    def _write(self, text: str) -> None:
        """Replace the live line; with nothing to show and nothing shown, leave the terminal be."""
        if text or self._shown:
            sys.stderr.write(_CLEAR_LINE + text)
            sys.stderr.flush()
        self._shown = bool(text)


def _width() -> int:
    try:
        return os.get_terminal_size(sys.stderr.fileno()).columns or _WIDTH
    except OSError:
        return _WIDTH


def open_progress() -> PlainProgress | TerminalProgress:
    """Return what suits stderr; use it in a ``with`` block."""
    live = sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
    return TerminalProgress() if live else PlainProgress()
