"""Checking before a gang runs that its ranks reach the head's rendezvous port."""

from __future__ import annotations

import errno
import os
import socket

from .loop import READ, WRITE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable, Container

    from .loop import Loop

TRIES = 64
TIMEOUT_S = 5.0
_WORD = b"arb\n"


def listen(address: str, port: int) -> socket.socket | None:
    """Return a listening socket; None when the port is taken.

    An address that the machine does not have itself (behind NAT) means all of its addresses.
    """
    for host in (address, ""):
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        opened = socket.socket(family, socket.SOCK_STREAM)
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            opened.bind((host, port))
            opened.listen(256)
        except OSError as error:
            opened.close()
            if error.errno in (errno.EADDRINUSE, errno.EACCES):
                return None
        else:
            return opened
    return None


def choose_port(address: str, first: int, taken: Container[int]) -> int:
    """Return the first port from ``first`` on that is free here and not promised to another job."""
    for port in range(first, first + TRIES):
        found = None if port in taken else listen(address, port)
        if found is not None:
            found.close()
            return port
    return first


class Listener:
    """Stands at the rendezvous port while the peers knock.

    Args:
        loop: Where it waits.
        opened: From ``listen``.
    """

    def __init__(self, loop: Loop, opened: socket.socket) -> None:
        self._loop, self._socket = loop, opened
        self._guests: dict[int, socket.socket] = {}
        opened.setblocking(False)
        loop.add(opened.fileno(), READ, self._accept)

    def close(self) -> None:
        """Free the port for the job."""
        self._loop.drop(self._socket.fileno())
        self._socket.close()
        for fd in list(self._guests):
            self._leave(fd)

    def _accept(self, _events: int) -> None:
        try:
            guest, _ = self._socket.accept()
        except OSError:
            return
        fd = guest.fileno()
        self._guests[fd] = guest
        try:
            guest.sendall(_WORD)
        except OSError:
            pass
        # The guest closes first, so that no half-dead connection blocks the port here.
        self._loop.add(fd, READ, lambda _events: self._leave(fd))

    def _leave(self, fd: int) -> None:
        guest = self._guests.pop(fd, None)
        if guest is not None:
            self._loop.drop(fd)
            guest.close()


class Knock:
    """Connects to the head's port and waits for its word.

    Args:
        loop: Where it waits.
        host: Of the head, as the job will see it.
        port: The rendezvous port.
        done: Called once, with an empty text or with what went wrong.
    """

    def __init__(self, loop: Loop, host: str, port: int, done: Callable[[str], None]) -> None:
        self._loop, self._done = loop, done
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._socket: socket.socket | None = socket.socket(family, socket.SOCK_STREAM)
        self._socket.setblocking(False)
        self._timer = loop.later(TIMEOUT_S, lambda: self._end("no answer"))
        try:
            code = self._socket.connect_ex((host, port))
        except OSError as error:
            code = error.errno or errno.EINVAL
        if code not in (0, errno.EINPROGRESS):
            loop.later(0, lambda: self._end(os.strerror(code)))
            return
        loop.add(self._socket.fileno(), READ | WRITE, self._ready)

    def _ready(self, _events: int) -> None:
        if self._socket is None:
            return
        code = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code:
            self._end(os.strerror(code))
            return
        self._loop.change(self._socket.fileno(), READ)
        try:
            word = self._socket.recv(64)
        except BlockingIOError:
            return
        except OSError as error:
            self._end(str(error))
            return
        self._end("" if word == _WORD else "something else listens there")

    def _end(self, problem: str) -> None:
        if self._socket is None:
            return
        self._timer.cancel()
        self._loop.drop(self._socket.fileno())
        self._socket.close()
        self._socket = None
        self._done(problem)
