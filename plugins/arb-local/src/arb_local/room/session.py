"""One SSH session: a command or a shell, on pipes or on a terminal, behaving as sshd does."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from typing import TYPE_CHECKING, Any, Final

import asyncssh  # noqa: TID253 - this module is imported by the launcher alone

from arb_local.room.children import Child, Children, set_size
from arb_local.room.environment import PROTECTED

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["NodeSession"]

_CHUNK: Final = 1 << 16
_TERMINAL_DRAIN_S: Final = 0.5
_END_OF_FILE: Final = b"\x04"
_LOST: Final = (asyncssh.Error, ConnectionError, OSError)


class NodeSession(asyncssh.SSHServerProcess[bytes]):
    """A session of a machine. SFTP and SCP are asyncssh's own; commands are ours.

    Args:
        environment: What the command starts with.
        children: Where it is started and collected.
        sftp: Whether file transfer is offered.
    """

    def __init__(self, environment: Mapping[str, str], children: Children, *, sftp: bool) -> None:
        factory = asyncssh.SFTPServer if sftp else None
        super().__init__(_run_session, factory, 3, sftp)  # type: ignore[arg-type]
        self._base, self._children = environment, children
        self._child: Child | None = None
        self._master: int | None = None

    # -- callbacks of the channel ----------------------------------------------------------

    def subsystem_requested(self, subsystem: str) -> bool:
        """Offer SFTP alone."""
        return subsystem == "sftp" and super().subsystem_requested(subsystem)

    def signal_received(self, signal: str) -> None:
        """Pass a signal on to the command's process group."""
        number = signal_number(signal)
        if self._child and number:
            self._child.signal_group(number)

    def break_received(self, msec: int) -> bool:  # noqa: ARG002 - its length says nothing
        """Take a break for an interrupt."""
        self.signal_received("INT")
        return True

    def terminal_size_changed(self, width: int, height: int, pixwidth: int, pixheight: int) -> None:
        """Resize the terminal."""
        if self._master is not None:
            set_size(self._master, (width, height, pixwidth, pixheight))

    # -- the command -----------------------------------------------------------------------

    async def run(self) -> None:
        """Run what was asked for, to its end."""
        try:
            status = await (
                self._run_on_pipes() if self.term_type is None else self._run_on_terminal()
            )
        except _LOST:
            return  # the client went away; the command goes on, as under sshd
        if status >= 0:
            self.exit(status)
        else:
            self.exit_with_signal(signal.Signals(-status).name.removeprefix("SIG"))

    async def _run_on_pipes(self) -> int:
        child = self._start(None)
        process = child.process
        if not (process.stdin and process.stdout and process.stderr):
            raise RuntimeError("a command without a terminal has three pipes")
        feeding = asyncio.create_task(self._feed(process.stdin))
        try:
            await asyncio.gather(
                self._copy(process.stdout, self.stdout), self._copy(process.stderr, self.stderr)
            )
            return await child.status
        finally:
            await _cancel(feeding)

    async def _run_on_terminal(self) -> int:
        self._master, slave = os.openpty()
        set_size(self._master, self.term_size)
        child = self._start(slave)
        os.close(slave)
        feeding = asyncio.create_task(self._feed(_file(self._master, "wb"), end=_END_OF_FILE))
        showing = asyncio.create_task(self._copy(_file(self._master, "rb"), self.stdout))
        try:
            # Background commands may keep the terminal open: the session ends with its leader.
            waited: set[asyncio.Future[Any]] = {showing, child.status}
            await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
            status = await child.status
            await asyncio.wait({showing}, timeout=_TERMINAL_DRAIN_S)
            return status
        finally:
            await _cancel(feeding)
            await _cancel(showing)
            master, self._master = self._master, None
            os.close(master)

    def _start(self, terminal: int | None) -> Child:
        environment = self._environment()
        shell = environment["SHELL"]
        command = [shell, "-c", self.command] if self.command is not None else [shell]
        self._child = self._children.start(
            command, environment, executable=shell, terminal=terminal
        )
        return self._child

    def _environment(self) -> dict[str, str]:
        asked = {k: v for k, v in self.env.items() if k not in PROTECTED and k[:3] != "LD_"}
        environment = {**self._base, **asked}
        if self.term_type:
            environment["TERM"] = self.term_type
        local, peer = (self.get_extra_info(name) for name in ("sockname", "peername"))
        if local and peer:
            environment["SSH_CONNECTION"] = f"{peer[0]} {peer[1]} {local[0]} {local[1]}"
            environment["SSH_CLIENT"] = f"{peer[0]} {peer[1]} {local[1]}"
        return environment

    # -- bytes -----------------------------------------------------------------------------

    async def _feed(self, target: Any, *, end: bytes = b"") -> None:
        """Copy the client's input to the command; ``end`` stands for a closed input."""
        loop = asyncio.get_running_loop()
        transport, protocol = await loop.connect_write_pipe(
            asyncio.streams.FlowControlMixin, target
        )
        writer = asyncio.StreamWriter(transport, protocol, None, loop)
        try:
            while data := await self.stdin.read(_CHUNK):
                writer.write(data)
                await writer.drain()
            if end:
                writer.write(end)
                await writer.drain()
                await loop.create_future()  # the terminal stays open
        except _LOST:
            pass  # the command closed its input, or the client is gone
        finally:
            transport.close()

    async def _copy(self, source: Any, target: asyncssh.SSHWriter[bytes]) -> None:
        """Copy the command's output to the client, at the client's pace."""
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader(limit=4 * _CHUNK)
        transport, _ = await loop.connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), source
        )
        try:
            while data := await _read(reader):
                target.write(data)
                await target.drain()
        finally:
            transport.close()


async def _run_session(session: NodeSession) -> None:
    await session.run()


async def _read(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.read(_CHUNK)
    except OSError:  # EIO: nobody has the terminal open any more
        return b""


async def _cancel(task: asyncio.Task[None]) -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError, *_LOST):
        await task


def _file(fd: int, mode: str) -> Any:
    return os.fdopen(os.dup(fd), mode, buffering=0)


def signal_number(name: str) -> int:
    found = getattr(signal, f"SIG{name.removeprefix('SIG')}", 0)
    return int(found)
