"""Where a machine listens: an address of its own where the system has them, else a port."""

from __future__ import annotations

import errno
import random
import socket
from typing import TYPE_CHECKING, Final

from arb_local.room.model import RoomError

if TYPE_CHECKING:
    from collections.abc import Container

__all__ = ["PORT", "listen", "pick"]

PORT: Final = 2222
"""Port on an own address. Not 22, which only root may take."""

_TRIES = 64
_CHOICE = random.SystemRandom()


def pick(taken: Container[tuple[str, int]]) -> tuple[str, int]:
    """Choose an address and port that nobody in the room has and nobody on the machine listens on.

    Linux answers on all of 127.0.0.0/8; elsewhere only 127.0.0.1 exists and the port differs.

    Raises:
        RoomError: Nothing was free.
    """
    for _ in range(_TRIES):
        wanted = (_random_address(), PORT)
        if wanted in taken:
            continue
        try:
            with listen(*wanted):
                return wanted
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                break
    for _ in range(_TRIES):
        with listen("127.0.0.1", 0) as found:
            port = int(found.getsockname()[1])
        if ("127.0.0.1", port) not in taken:
            return ("127.0.0.1", port)
    raise RoomError("no free local address: too many machines, or loopback is not there")


def listen(address: str, port: int) -> socket.socket:
    """Return a listening socket.

    Raises:
        OSError: The address is in use or does not exist.
    """
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((address, port))
        sock.listen(128)
    except BaseException:
        sock.close()
        raise
    return sock


def _random_address() -> str:
    # 127.64.0.0/10 stays clear of what people type and of 127.0.x.x services.
    return f"127.{_CHOICE.randint(64, 127)}.{_CHOICE.randint(0, 255)}.{_CHOICE.randint(1, 254)}"
