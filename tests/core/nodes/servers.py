"""Servers that misbehave, and a wire that can be cut."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from typing import TYPE_CHECKING

import asyncssh  # noqa: TID253 - a test server

from arb.types import SshEndpoint

if TYPE_CHECKING:
    from arb.nodes.keys import KeyPair


class SilentServer:
    """Accepts connections and never says a word."""

    def __init__(self) -> None:
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.endpoint = SshEndpoint("127.0.0.1", self.socket.getsockname()[1], "x")

    def close(self) -> None:
        self.socket.close()


class Wire:
    """Forwards TCP to a port until it is cut; what is new after that gets through again."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.pairs: list[socket.socket] = []
        self.accepted = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def endpoint(self, user: str) -> SshEndpoint:
        return SshEndpoint("127.0.0.1", self.listener.getsockname()[1], user)

    def cut(self) -> None:
        ends, self.pairs = self.pairs, []
        for end in ends:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def close(self) -> None:
        self.listener.close()
        self.cut()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self.listener.accept()
                self.accepted += 1
                far = socket.create_connection(("127.0.0.1", self.port))
                self.pairs += [near, far]
                for one, other in ((near, far), (far, near)):
                    threading.Thread(target=_pump, args=(one, other), daemon=True).start()


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
    with contextlib.suppress(OSError):
        sink.shutdown(socket.SHUT_RDWR)


class RecordingServer:
    """A paramiko server that notes the type of every SSH message that arrives."""

    def __init__(self, host: KeyPair) -> None:
        self.host = host
        self.messages: list[int] = []
        self.ended = threading.Event()
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.endpoint = SshEndpoint("127.0.0.1", self.socket.getsockname()[1], "x")
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        import io

        import paramiko

        connection, _ = self.socket.accept()
        transport = paramiko.Transport(connection)
        transport.set_log_channel("arb.ssh")
        transport.add_server_key(
            paramiko.Ed25519Key.from_private_key(io.StringIO(self.host.private))
        )
        read = transport.packetizer.read_message

        def recording():
            kind, message = read()
            self.messages.append(kind)
            return kind, message

        transport.packetizer.read_message = recording
        with contextlib.suppress(paramiko.SSHException, EOFError, OSError):
            transport.start_server(server=paramiko.ServerInterface(), event=threading.Event())
        transport.join(10)
        self.ended.set()

    def close(self) -> None:
        self.socket.close()


class AsyncsshServer:
    """An asyncssh server in a thread; ``handler`` is a coroutine that gets each process."""

    def __init__(self, host: KeyPair, client: KeyPair, handler) -> None:
        self.host, self.client, self.handler = host, client, handler
        self.connections: list[asyncssh.SSHServerConnection] = []
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()
        self.server = self._run(self._listen())
        self.endpoint = SshEndpoint("127.0.0.1", self.server.get_port(), "anyone")

    def _run(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(10)

    async def _listen(self):
        return await asyncssh.listen(
            "127.0.0.1",
            0,
            server_host_keys=[asyncssh.import_private_key(self.host.private)],
            authorized_client_keys=asyncssh.import_authorized_keys(self.client.public),
            process_factory=self.handler,
            server_factory=self._server,
            encoding=None,
        )

    def _server(self) -> asyncssh.SSHServer:
        server = asyncssh.SSHServer()
        server.connection_made = self.connections.append
        return server

    async def _stop(self) -> None:
        self.server.close()
        await self.server.wait_closed()
        for connection in self.connections:
            connection.abort()
            await connection.wait_closed()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        if others:
            await asyncio.wait(others, timeout=5)

    def close(self) -> None:
        self._run(self._stop())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(10)
        self.loop.close()
