"""Child processes of the SSH server: started, and collected by one signal handler."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import struct
import subprocess
import termios
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["Child", "Children", "set_size"]


class Child:
    """One running command. ``status`` is done when it ended: an exit code, or minus a signal."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process = process
        self.status: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    def signal_group(self, number: int) -> None:
        """Signal the command and what it started in its process group."""
        if not self.status.done():
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.process.pid, number)


class Children:
    """All running commands of one server."""

    def __init__(self) -> None:
        self._running: set[Child] = set()

    def start(
        self,
        command: Sequence[str],
        environment: Mapping[str, str],
        *,
        executable: str,
        terminal: int | None = None,
    ) -> Child:
        """Start a command in the home folder, in a session of its own.

        Args:
            command: Its argument list.
            environment: All of its environment.
            executable: What is run; ``command[0]`` is only the name that it is told.
            terminal: The terminal to control; None gives it three pipes.
        """
        pipe = subprocess.PIPE if terminal is None else terminal
        process = subprocess.Popen(
            command,
            executable=executable,
            stdin=pipe,
            stdout=pipe,
            stderr=pipe,
            env=dict(environment),
            cwd=environment["HOME"],
            start_new_session=True,
            # The server has one thread, so running Python between fork and exec is safe. Pipes
            # need none of it and are started with the much cheaper vfork.
            preexec_fn=None if terminal is None else _control_terminal,  # noqa: PLW1509
            bufsize=0,
        )
        child = Child(process)
        self._running.add(child)
        return child

    def reap(self) -> None:
        """Collect those that ended. Called for every SIGCHLD."""
        for child in list(self._running):
            status = child.process.poll()
            if status is not None:
                self._running.discard(child)
                child.status.set_result(status)


def set_size(terminal: int, size: tuple[int, int, int, int]) -> None:
    """Set a terminal's size: columns, rows and the same in pixels."""
    columns, rows, width, height = size
    packed = struct.pack("HHHH", rows, columns, width, height)
    with contextlib.suppress(OSError):
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, packed)


def _control_terminal() -> None:
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
