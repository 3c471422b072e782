"""Forks of one warm process, each of which runs one command."""

from __future__ import annotations

import json
import os
import selectors
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Fork", "Forks"]

_TESTS = Path(__file__).parents[1]
_PATIENCE_S = 60.0


class Forks:
    """The warm process."""

    def __init__(self) -> None:
        self._socket, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        paths = [str(_TESTS), *(path for path in sys.path if path)]
        env = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "OPENBLAS_NUM_THREADS": "1"}
        command = [sys.executable, "-m", "crashes.zygote", str(other.fileno())]
        # In a session of its own: the kernel wakes stopped processes whose terminal's shell ends.
        self._process = subprocess.Popen(
            command, pass_fds=[other.fileno()], env=env, start_new_session=True
        )
        other.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End it."""
        self._socket.close()
        self._process.wait(30)

    def preload(self, modules: Sequence[str]) -> None:
        """Import modules once for all forks that come."""
        self._ask({"preload": list(modules)})

    def start(self, order: dict[str, Any]) -> Fork:
        """Run something in a fork; see ``child.run`` for what an order holds."""
        output, told = os.pipe(), os.pipe()
        try:
            pid = self._ask(order, [output[1], told[1]])
        finally:
            os.close(output[1])
            os.close(told[1])
        return Fork(pid, output[0], told[0])

    def _ask(self, order: dict[str, Any], fds: Sequence[int] = ()) -> int:
        socket.send_fds(self._socket, [json.dumps(order).encode()], list(fds))
        answer = self._socket.recv(64)
        if not answer:
            raise RuntimeError("the process that forks has ended")
        return int(answer)


class Fork:
    """One process.

    Attributes:
        pid: Its number.
        told: What its watcher told, a line each.
        code: Its exit code; None while it lives, -1 when it died of something else.
    """

    def __init__(self, pid: int, output: int, told: int) -> None:
        self.pid = pid
        self.told: list[str] = []
        self.code: int | None = None
        self._texts = {output: b"", told: b""}
        self._output, self._told = output, told
        self._open = {output, told}
        self._wake_read, self._wake_write = os.pipe()

    @property
    def output(self) -> str:
        """What it printed so far."""
        return self._texts[self._output].decode("utf-8", "replace")

    def wait(self) -> bool:
        """Wait until it has ended or was stopped.

        Returns:
            Whether it has ended.

        Raises:
            TimeoutError: Neither happened for a minute of real time.
        """
        deadline = time.monotonic() + _PATIENCE_S
        with selectors.DefaultSelector() as selector:
            for fd in (*self._open, self._wake_read):
                selector.register(fd, selectors.EVENT_READ)
            while self._open:
                ready = selector.select(max(0.0, deadline - time.monotonic()))
                if not ready:
                    raise TimeoutError(f"process {self.pid} goes on and on:\n{self._where()}")
                for key, _ in ready:
                    if key.fd == self._wake_read or self._read(key.fd, selector):
                        os.read(self._wake_read, 1)
                        return False
        self._end()
        return True

    def stop(self) -> None:
        """Stop it from outside; ``wait`` then returns. Any thread may call this."""
        os.kill(self.pid, signal.SIGSTOP)
        self._await_stop()
        os.write(self._wake_write, b"s")

    def kill(self) -> None:
        """Kill it, and return when it is no more. Any thread may call this."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
        self._await_end()

    def wake(self) -> None:
        """Let it go on."""
        os.kill(self.pid, signal.SIGCONT)

    def _read(self, fd: int, selector: selectors.BaseSelector) -> bool:
        """Take what there is; say whether it tells that the process stops itself now."""
        data = os.read(fd, 1 << 16)
        self._texts[fd] += data
        if not data:
            selector.unregister(fd)
            self._open.discard(fd)
            os.close(fd)
        if fd != self._told or not data.endswith(b"stopped\n"):
            return False
        self._await_stop()
        os.write(self._wake_write, b"s")
        return True

    def _where(self) -> str:
        """Ask a process where it is, and return all that it printed."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGUSR1)
        time.sleep(0.5)
        os.set_blocking(self._output, False)
        with suppress(BlockingIOError):
            self._texts[self._output] += os.read(self._output, 1 << 16)
        return self.output

    def _end(self) -> None:
        self._await_end()
        self.told = self._texts[self._told].decode().splitlines()
        codes = [line.split()[1] for line in self.told if line.startswith("exit ")]
        self.code = int(codes[-1]) if codes else -1
        for fd in (self._wake_read, self._wake_write):
            os.close(fd)

    def _await_end(self) -> None:
        """Wait for the kernel to forget it: until then others may take it for alive."""
        with suppress(ProcessLookupError):
            while True:
                os.kill(self.pid, 0)
                time.sleep(0.0005)

    def _await_stop(self) -> None:
        with suppress(OSError):
            stat = Path(f"/proc/{self.pid}/stat")
            while stat.read_text().rpartition(")")[2].split()[0] not in "TtZX":
                time.sleep(0.0005)
