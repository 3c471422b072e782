"""One remote command: its input, its two outputs and how it ended."""

from __future__ import annotations

import signal
import sys
import time
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self

from arb.errors import NodeError, NodeUnreachable

if TYPE_CHECKING:
    import paramiko

__all__ = ["ExecResult", "SshChannel"]

POLL_S: Final = 0.25
STDERR_TAIL_BYTES: Final = 64 * 1024
LAST_WORDS_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class ExecResult:
    """What a remote command left.

    Attributes:
        exit_status: Its exit code; 128 + the signal's number when a signal ended it.
        stdout: All of it.
        stderr: All of it.
        signal: Name without ``SIG`` of the signal that ended it, else empty.
    """

    exit_status: int
    stdout: bytes
    stderr: bytes
    signal: str = ""

    @property
    def ok(self) -> bool:
        """True for exit code 0."""
        return self.exit_status == 0

    @property
    def text(self) -> str:
        """The standard output as text without the last line end."""
        return self.stdout.decode(errors="replace").rstrip("\n")

    def check(self, what: str) -> Self:
        """Return self, or raise NodeError ``WHAT failed ...`` with the last line of stderr."""
        if self.ok:
            return self
        raise NodeError(f"{what} failed: {_how(self)}", code="remote-command-failed")


def _how(result: ExecResult) -> str:
    lines = result.stderr.decode(errors="replace").strip().splitlines()
    last = f": {lines[-1]}" if lines else ""
    ended = f"signal {result.signal}" if result.signal else f"exit code {result.exit_status}"
    return ended + last


class SshChannel:
    """A running remote command. Made by ``SshNode.open_channel``.

    One thread may send while another receives. Standard error is read along with standard output,
    so that neither can fill the window and stop the other; its end is kept in ``stderr_tail``.
    """

    def __init__(self, channel: paramiko.Channel, where: str) -> None:
        self._channel = channel
        self._where = where
        self._stderr: deque[bytes] = deque()
        self._stderr_bytes = 0
        self._keep_stderr = STDERR_TAIL_BYTES
        # Shared by both directions, so nobody changes it: deadlines are counted by ourselves.
        channel.settimeout(POLL_S)

    def send(self, data: bytes, timeout: float | None = None) -> None:
        """Send all of ``data`` to the command's standard input; wait while its window is full.

        Args:
            data: Bytes.
            timeout: Seconds for all of it; None waits.

        Raises:
            TimeoutError: Some of it was not sent.
            NodeUnreachable: The connection was lost (``connection-lost``).
            BrokenPipeError: The command has ended or closed its input.
        """
        deadline = _deadline(timeout)
        view = memoryview(data)
        while view:
            try:
                sent = self._channel.send(view)  # type: ignore[arg-type]  # any buffer will do
            except TimeoutError:
                self._drain_stderr()
                _check(deadline)
                continue
            except EOFError as error:  # the socket broke, and paramiko's reader has yet to see it
                raise self._lost() from error
            except OSError:
                sent = 0
            if not sent:
                self._raise_if_lost()
                raise BrokenPipeError("the remote command does not read any more")
            view = view[sent:]
        self._drain_stderr()

    def send_eof(self) -> None:
        """Close the command's standard input."""
        try:
            self._channel.shutdown_write()
        except EOFError as error:
            raise self._lost() from error
        except OSError:
            self._raise_if_lost()

    def recv(self, n: int = 65536, timeout: float | None = None) -> bytes:
        """Return up to ``n`` bytes of standard output, ``b""`` at its end.

        Args:
            n: At most so many.
            timeout: Seconds; None waits.

        Raises:
            TimeoutError: Nothing came.
            NodeUnreachable: The connection was lost before the command ended.
        """
        deadline = _deadline(timeout)
        while True:
            try:
                data = self._channel.recv(n)
            except TimeoutError:
                self._drain_stderr()
                _check(deadline)
                continue
            self._drain_stderr()
            if not data:
                self._raise_if_lost()
            return data

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the command's end and return its exit code, 128 + n after signal n.

        Args:
            timeout: Seconds; None waits. Output that nobody receives can stop the command.

        Raises:
            TimeoutError: It has not ended.
            NodeUnreachable: The connection was lost before.
        """
        deadline = _deadline(timeout)
        while not self._channel.status_event.wait(POLL_S):
            self._drain_stderr()
            _check(deadline)
        status = self.exit_status
        if status is None:
            self._raise_if_lost()
            raise NodeError(f"{self._where} did not say how a command ended", code="no-exit-status")
        return status

    @property
    def exit_status(self) -> int | None:
        """The exit code, 128 + n after signal n; None while it is not known."""
        if self.exit_signal:
            number = getattr(signal, f"SIG{self.exit_signal}", signal.SIGKILL)
            return 128 + int(number)
        status = self._channel.exit_status
        return None if status < 0 else status

    @property
    def exit_signal(self) -> str:
        """Name without ``SIG`` of the signal that ended the command, else empty."""
        return str(getattr(self._channel, "exit_signal", ""))

    @property
    def stderr_tail(self) -> bytes:
        """The last 64 KiB of standard error so far; all of it within ``SshNode.exec``."""
        self._drain_stderr()
        return b"".join(self._stderr)

    def last_words(self, timeout: float = LAST_WORDS_S) -> str:
        """Return the last line on standard error of a command that has ended, or how it ended.

        Args:
            timeout: Seconds to wait for it; empty when nothing more comes.
        """
        status = ""
        with suppress(TimeoutError, NodeError):
            status = f"exit code {self.wait(timeout)}"
            self.drain(timeout)
        lines = self.stderr_tail.decode(errors="replace").strip().splitlines()
        return lines[-1] if lines else status

    def close(self) -> None:
        """Close the channel: its input ends and its outputs break. Safe to call twice.

        A command that neither reads nor writes does not notice.
        """
        with suppress(EOFError, OSError):  # the connection is gone already: it closed the channel
            self._channel.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def keep_all_stderr(self) -> None:
        """Keep standard error whole, not only its end."""
        self._keep_stderr = sys.maxsize

    def drain(self, timeout: float | None = None) -> None:
        """Wait for the end of standard error after that of standard output."""
        deadline = _deadline(timeout)
        while True:
            try:
                data = self._channel.recv_stderr(65536)
            except TimeoutError:
                _check(deadline)
                continue
            if not data:
                return
            self._note_stderr(data)

    def _drain_stderr(self) -> None:
        while self._channel.recv_stderr_ready():
            self._note_stderr(self._channel.recv_stderr(65536))

    def _note_stderr(self, data: bytes) -> None:
        self._stderr.append(data)
        self._stderr_bytes += len(data)
        while self._stderr_bytes - len(self._stderr[0]) >= self._keep_stderr:
            self._stderr_bytes -= len(self._stderr.popleft())

    def _raise_if_lost(self) -> None:
        transport = self._channel.get_transport()
        if self.exit_status is None and not transport.is_active():
            raise self._lost()

    def _lost(self) -> NodeUnreachable:
        summary = f"the connection to {self._where} was lost while a command ran"
        hint = "the command may still be running there"
        return NodeUnreachable(summary, code="connection-lost", hint=hint)


def _deadline(timeout: float | None) -> float | None:
    return None if timeout is None else time.monotonic() + timeout


def _check(deadline: float | None) -> None:
    if deadline is not None and time.monotonic() >= deadline:
        raise TimeoutError("no answer in time")
