"""The front end: what a client talks to over SSH.

It says hello, makes sure that the daemon runs, passes requests and answers on, and serves logs from
the files. When the daemon dies it starts another one and asks again: every request may be repeated.
"""

from __future__ import annotations

import os
import select
import socket
import sys
import time

from . import PROTO, VERSION, files, install
from .logs import LogStream
from .protocol import AgentError, Lines, answer, decode, encode, failure, item

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

START_TIMEOUT_S = 20.0
AGAIN_S = 1.0
"""For one that did not start in that time, under the same front end."""
RESTARTS = 5
"""A daemon that dies this often under one front end is not started again."""

_FAST_S, _SLOW_S = 0.005, 0.1
"""Between looks at a followed log: short after output, slowly longer while there is none."""


class FrontEnd:
    """One client's connection."""

    def __init__(self) -> None:
        self._daemon: socket.socket | None = None
        self._from_client, self._from_daemon = Lines(), Lines()
        self._open: dict[Any, bytes] = {}
        self._streams: list[LogStream] = []
        self._restarts = 0
        self._busy_at = time.monotonic()
        self._gone = False
        self._more = False
        self._resting = False
        self._patience_s = START_TIMEOUT_S

    def run(self) -> int:
        """Serve until the client closes its side."""
        install.link()  # first: who has read the hello may start the launcher
        self._send(b"\n")  # a login script may have left its last line open
        self._write(
            {"proto": PROTO, "min_proto": PROTO, "agent": VERSION, "digest": install.digest()}
        )
        self._connect()
        while not self._gone:
            self._wait()
            self._more = False
            for stream in list(self._streams):
                self._advance(stream)
        return 0

    def _wait(self) -> None:
        sources: list[Any] = [0]
        if self._daemon is not None:
            sources.append(self._daemon)
        ready, _, _ = select.select(sources, [], [], self._poll_s())
        if 0 in ready:
            self._read_client()
        if self._daemon is not None and self._daemon in ready:
            self._read_daemon(self._daemon)

    def _poll_s(self) -> float | None:
        if not self._streams:
            return None
        if self._more:
            return 0.0
        quiet_s = time.monotonic() - self._busy_at
        return min(_SLOW_S, _FAST_S + _FAST_S * 4 * quiet_s)

    def _read_client(self) -> None:
        data = os.read(0, 1 << 20)
        if not data:
            self._gone = True
        try:
            lines = self._from_client.feed(data)
        except AgentError:
            self._gone = True
            return
        for line in lines:
            self._request(line)

    def _request(self, line: bytes) -> None:
        request: dict[str, Any] = {}
        try:
            request = decode(line)
            if request.get("op") == "logs":
                self._streams.append(LogStream(request))
                self._busy_at = time.monotonic()
                return
            self._resting = request.get("op") == "shutdown"
            self._open[request.get("id")] = line + b"\n"
            self._tell_daemon(line + b"\n")
        except AgentError as error:
            self._write(failure(request.get("id"), error))

    def _advance(self, stream: LogStream) -> None:
        data = stream.read()
        if data:
            self._more = True
            self._busy_at = time.monotonic()
            self._write(item(stream.id, {"data": data, "offset": stream.offset}))
        elif data is None:
            self._write(answer(stream.id, stream.result()))
            stream.close()
            self._streams.remove(stream)

    def _write(self, message: dict[str, Any]) -> None:
        self._send(encode(message))

    def _send(self, line: bytes) -> None:
        data = memoryview(line)
        try:
            while data:
                data = data[os.write(1, data) :]
        except OSError:
            self._gone = True

    def _tell_daemon(self, line: bytes) -> None:
        if self._daemon is None:
            self._connect()
            return  # which asked everything that is open
        try:
            self._daemon.sendall(line)
        except OSError:
            self._lost_daemon()

    def _read_daemon(self, daemon: socket.socket) -> None:
        try:
            data = daemon.recv(1 << 20)
        except OSError:
            data = b""
        if not data:
            self._lost_daemon()
            return
        for line in self._from_daemon.feed(data):
            message = decode(line)
            if "item" not in message:
                self._open.pop(message.get("id"), None)
            self._write(message)

    def _lost_daemon(self) -> None:
        if self._daemon is not None:
            self._daemon.close()
            self._daemon = None
        if self._resting and not self._open and not self._streams:
            return  # it was told to end; the next request starts another
        self._restarts += 1
        self._connect()

    def _connect(self) -> None:
        """Reach the daemon, starting it if need be, and ask what is still open."""
        self._from_daemon = Lines()
        if self._restarts > RESTARTS:
            self._refuse(_broken("the agent's daemon keeps dying"))
            return
        hello = {"op": "front_end", "digest": install.digest(), "agent": VERSION}
        try:
            self._daemon = reach_daemon(self._patience_s)
            self._daemon.sendall(encode(hello) + b"".join(self._open.values()))
        except AgentError as error:
            self._patience_s = AGAIN_S
            self._refuse(error)
        except OSError:
            self._lost_daemon()

    def _refuse(self, error: AgentError) -> None:
        for request_id in list(self._open):
            self._write(failure(request_id, error))
        self._open.clear()


def _broken(summary: str) -> AgentError:
    """Return the error that says so, with what can be done."""
    if files.disk_is_full():
        return AgentError("agent-broken", f"{summary}: its disk is full", "free some space there")
    return AgentError("agent-broken", summary, "see ~/.arb/agent.log on the node")


def reach_daemon(patience_s: float) -> socket.socket:
    """Return a connection to the daemon of this node, which is started when none runs.

    Args:
        patience_s: How long to wait for one that starts.

    Raises:
        AgentError: It did not start in this time.
    """
    deadline = time.monotonic() + patience_s
    started = False
    while True:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            connection.connect(files.SOCKET)
        except (FileNotFoundError, ConnectionRefusedError):
            connection.close()
        else:
            return connection
        if time.monotonic() > deadline:
            raise _broken("the agent's daemon did not start")
        if not started:
            from . import keeper

            keeper.start()
            started = True
        time.sleep(0.005)


def main() -> int:
    """Serve one client on standard input and output."""
    if not sys.stdin or not sys.stdout:
        return 2
    try:
        return FrontEnd().run()
    except KeyboardInterrupt:
        return 130
