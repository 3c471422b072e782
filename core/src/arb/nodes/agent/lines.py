"""One JSON-lines connection on the daemon's event loop."""

from __future__ import annotations

import os

from .loop import READ, WRITE
from .protocol import AgentError, Lines, decode, encode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable

    from .loop import Loop

CHUNK = 256 * 1024


class Connection:
    """Reads messages from one descriptor and writes them to another, or the same.

    Args:
        loop: Where it waits.
        read_fd: Read from; owned from now on.
        write_fd: Written to; owned from now on. May be the same.
        on_message: Called with each message.
        on_close: Called once, when the other side or an error ended it.
        strict: Whether a line that is no message ends it; a login script may talk.
    """

    def __init__(  # noqa: PLR0913 - two descriptors and two callbacks
        self,
        loop: Loop,
        read_fd: int,
        write_fd: int,
        on_message: Callable[[Connection, dict[str, Any]], None],
        on_close: Callable[[Connection], None],
        *,
        strict: bool = True,
    ) -> None:
        self._loop = loop
        self._read_fd, self._write_fd = read_fd, write_fd
        self._on_message, self._on_close = on_message, on_close
        self._strict = strict
        self._lines = Lines()
        self._out = bytearray()
        self.closed = False
        for fd in {read_fd, write_fd}:
            os.set_blocking(fd, False)
        loop.add(read_fd, READ, self._ready)

    def send(self, message: dict[str, Any]) -> None:
        """Send a message, now or as soon as the other side reads."""
        if self.closed:
            return
        self._out += encode(message)
        self._flush()

    def close(self) -> None:
        """End the connection; ``on_close`` is called once."""
        if self.closed:
            return
        self.closed = True
        for fd in {self._read_fd, self._write_fd}:
            self._loop.drop(fd)
            os.close(fd)
        self._on_close(self)

    def _ready(self, events: int) -> None:
        if events & WRITE:
            self._flush()
        if events & ~WRITE and not self.closed:
            self._read()

    def _read(self) -> None:
        try:
            data = os.read(self._read_fd, CHUNK)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.close()
            return
        try:
            lines = self._lines.feed(data)
        except AgentError:
            self.close()
            return
        for line in lines:
            self._receive(line)

    def _receive(self, line: bytes) -> None:
        try:
            message = decode(line)
        except AgentError:
            if self._strict:
                self.close()
            return
        if not self.closed:
            self._on_message(self, message)

    def _flush(self) -> None:
        try:
            while self._out:
                sent = os.write(self._write_fd, self._out)
                del self._out[:sent]
        except BlockingIOError:
            pass
        except OSError:
            self.close()
            return
        self._want_write(want=bool(self._out))

    def _want_write(self, *, want: bool) -> None:
        if self._read_fd == self._write_fd:
            self._loop.change(self._read_fd, READ | WRITE if want else READ)
            return
        self._loop.drop(self._write_fd)
        if want:
            self._loop.add(self._write_fd, WRITE, self._ready)
