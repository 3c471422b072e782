"""One small HTTP request on the event loop, to an address inside the node (a metadata server).

A request of our own keeps the HTTP library out of the daemon's memory, and an address that nobody
answers at never holds up the daemon. Names are looked up before, which waits: plugins give numbers.
"""

from __future__ import annotations

import errno
import socket

from .loop import READ, WRITE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable

    from .loop import Loop

OK = 200
TIMEOUT_S = 2.0
_LIMIT_BYTES = 64 * 1024


class Fetch:
    """Sends a request and reads the answer.

    Args:
        loop: Where it waits.
        method: ``GET`` or ``PUT``.
        url: ``http://HOST[:PORT]/PATH``.
        headers: Sent with it.
        done: Called once with status and body; status 0 when there was no answer.
    """

    def __init__(
        self,
        loop: Loop,
        method: str,
        url: str,
        headers: dict[str, str],
        done: Callable[[int, str], None],
    ) -> None:
        address, _, path = url.partition("://")[2].partition("/")
        lines = [f"{method} /{path} HTTP/1.0", f"Host: {address}", "Content-Length: 0"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        self._request = ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
        self._loop, self._done = loop, done
        self._answer = b""
        self._ended = False
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self._socket.setblocking(False)
        self._timer = loop.later(TIMEOUT_S, self._end)
        host, _, port = address.partition(":")
        try:
            code = self._socket.connect_ex((host, int(port or 80)))
        except (OSError, ValueError):
            code = errno.EINVAL
        if code in (0, errno.EINPROGRESS):
            loop.add(self._socket.fileno(), WRITE, self._connected)
        else:
            loop.later(0, self._end)

    def _connected(self, _events: int) -> None:
        try:
            self._socket.sendall(self._request)  # fits the socket's buffer
        except OSError:
            self._end()
            return
        self._loop.drop(self._socket.fileno())
        self._loop.add(self._socket.fileno(), READ, self._readable)

    def _readable(self, _events: int) -> None:
        try:
            data = self._socket.recv(_LIMIT_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        self._answer += data
        if not data or len(self._answer) > _LIMIT_BYTES:
            self._end()

    def _end(self) -> None:
        if self._ended:
            return
        self._ended = True
        self._timer.cancel()
        self._loop.drop(self._socket.fileno())
        self._socket.close()
        head, _, body = self._answer.partition(b"\r\n\r\n")
        word = head.split(None, 2)[1:2]
        code = int(word[0]) if word and word[0].isdigit() else 0
        self._done(code, body.decode("utf-8", "replace"))
