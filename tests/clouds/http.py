"""Requests and answers as clouds see them, and the server that carries both."""

from __future__ import annotations

import contextlib
import json
import socket
import struct
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

from clouds.faults import Fault, FaultKind
from clouds.ledger import Call

if TYPE_CHECKING:
    from collections.abc import Mapping

    from clouds.cloud import Cloud

__all__ = ["Answer", "CloudServer", "Request"]

_TICK_S = 0.02
_LOOK_UP_S = 0.05
_RST = struct.pack("ii", 1, 0)
_GARBAGE = b"<html><body>upstream connect error</body></html>"
CONTROL = "/_control/"


@dataclass(frozen=True)
class Request:
    """One call. ``query`` keeps the last value of a name; header names are lower case."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes = b""
    client: str = ""

    def json(self) -> Any:
        """Return the body's JSON value; None without a body.

        Raises:
            ValueError: The body is no JSON.
        """
        return json.loads(self.body) if self.body else None


@dataclass(frozen=True)
class Answer:
    """What is sent back: bytes and text as they are, everything else as JSON."""

    status: int = 200
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)

    def data(self) -> bytes:
        """Return the body's bytes."""
        if isinstance(self.body, bytes | str):
            return self.body.encode() if isinstance(self.body, str) else self.body
        return b"" if self.body is None else json.dumps(self.body).encode()

    def content_type(self) -> str:
        """Return what the body is."""
        return "text/html" if isinstance(self.body, bytes | str) else "application/json"


class CloudServer:
    """A cloud on a port of 127.0.0.1, with its control interface and its clock running.

    Args:
        cloud: What answers.
        port: 0 takes a free one.
    """

    def __init__(self, cloud: Cloud, port: int = 0) -> None:
        self.cloud = cloud
        self._listener: _Listener | None = _listener(self, port)
        self.port = self._listener.server_address[1]
        self.url = cloud.url = f"http://127.0.0.1:{self.port}"
        self._ended = threading.Event()
        threading.Thread(target=self._tick, name="cloud-clock", daemon=True).start()
        self._serve()

    def exchange(self, cloud: Cloud) -> None:
        """Serve another cloud at this address from now on; the old one is closed by its owner."""
        self.cloud, cloud.url = cloud, self.url
        if self._listener is not None:
            self._listener.RequestHandlerClass.cloud = cloud

    def close_door(self) -> None:
        """Refuse every new connection until ``open_door``."""
        listener, self._listener = self._listener, None
        if listener is not None:
            ending = threading.Thread(target=listener.shutdown, daemon=True)
            ending.start()
            with contextlib.suppress(OSError):  # it looks up at the next connection, or later
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
            ending.join()
            listener.server_close()

    def open_door(self) -> None:
        """Accept connections again, on the same port."""
        if self._listener is None and not self._ended.is_set():
            self._listener = _listener(self, self.port)
            self._serve()

    def refuse(self, seconds: float) -> None:
        """Refuse every new connection for some real time."""

        def closed() -> None:
            self.close_door()
            time.sleep(seconds)
            self.open_door()

        threading.Thread(target=closed, name="cloud-door", daemon=True).start()

    def close(self) -> None:
        """Stop serving and end every machine."""
        self._ended.set()
        self.close_door()
        self.cloud.close()

    def _serve(self) -> None:
        listener = self._listener
        if listener is not None:
            serve = lambda: listener.serve_forever(poll_interval=_LOOK_UP_S)  # noqa: E731 - short
            threading.Thread(target=serve, name="cloud-server", daemon=True).start()

    def _tick(self) -> None:
        while not self._ended.wait(_TICK_S):
            self.cloud.tick()


class _Listener(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    allow_reuse_address = True
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of clients that went away; anything else is a bug of the cloud."""
        import sys

        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


def _listener(server: CloudServer, port: int) -> _Listener:
    facts = {"cloud": server.cloud, "server_of": server}
    return _Listener(("127.0.0.1", port), type("Handler", (_Handler,), facts))


class _Handler(BaseHTTPRequestHandler):
    cloud: Cloud
    server_of: CloudServer
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def handle_one_request(self) -> None:
        """Read a request of any method."""
        self.raw_requestline = self.rfile.readline(65537)
        if not self.raw_requestline or not self.parse_request():
            self.close_connection = True
            return
        self._serve(self._read())
        self.wfile.flush()

    def log_message(self, *_: object) -> None:
        """Print nothing: the ledger has every call."""

    def _read(self) -> Request:
        url = urlsplit(self.path)
        headers = {name.lower(): value for name, value in self.headers.items()}
        body = self.rfile.read(int(headers.get("content-length") or 0))
        query = dict(parse_qsl(url.query, keep_blank_values=True))
        return Request(self.command, url.path, query, headers, body, self.client_address[0])

    def _serve(self, request: Request) -> None:
        if request.path.startswith(CONTROL):
            self._send(_control(self.server_of, request))
            return
        self.cloud.tick()
        operation = self.cloud.operation(request)
        fault = self.cloud.faults.take(operation)
        answer = self._outcome(request, fault)
        status = answer.status if answer else 0
        call = Call(
            self.cloud.clock.now(),
            operation,
            self.path,
            status,
            fault.kind if fault else "",
            _logged(request),
        )
        self.cloud.log(call)
        if answer is None:
            self._break_off(fault)
        else:
            self._send(answer)

    def _outcome(self, request: Request, fault: Fault | None) -> Answer | None:
        """Have the effect that the fault leaves; return the answer, or None for none."""
        kind = fault.kind if fault else ""
        if fault and kind == FaultKind.STATUS:
            body = _echo(request) if fault.echo else fault.body
            return Answer(fault.status, body, fault.headers)
        if kind == FaultKind.RESET:
            return None
        if fault and kind == FaultKind.LATE:
            self.cloud.schedule(fault.delay_s, lambda: self.cloud.handle(request))
            return None
        with self.cloud.lock:
            answer = self.cloud.handle(request)
        if fault and kind == FaultKind.SLOW:
            time.sleep(fault.hang_s)
        if kind == FaultKind.GARBAGE:
            return Answer(answer.status, _GARBAGE)
        return None if kind == FaultKind.DROP else answer

    def _send(self, answer: Answer) -> None:
        data = answer.data()
        self.send_response(answer.status)
        headers = {"Content-Type": answer.content_type(), **answer.headers}
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def _break_off(self, fault: Fault | None) -> None:
        """Close the connection without an answer."""
        if fault and fault.hang_s:
            self.connection.settimeout(fault.hang_s)
            with contextlib.suppress(OSError):
                self.connection.recv(1)  # until the client has had enough
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RST)
        self.close_connection = True


def _echo(request: Request) -> dict[str, Any]:
    """Return an error that repeats everything that was sent."""
    sent = {"headers": dict(request.headers), "body": request.body.decode(errors="replace")}
    return {"error": f"cannot handle {json.dumps(sent)}", "request": sent}


def _logged(request: Request) -> Any:
    try:
        return request.json()
    except ValueError:
        return request.body.decode(errors="replace")


def _control(server: CloudServer, request: Request) -> Answer:
    """Call a method of the control interface: ``POST /_control/NAME`` with its arguments as JSON."""
    cloud = server.cloud
    name = request.path.removeprefix(CONTROL)
    if name == "ledger":
        return Answer(200, cloud.ledger().to_plain())
    if name == "refuse":
        server.refuse(**request.json())
        return Answer(200)
    if name not in cloud.CONTROLS:
        return Answer(404, {"error": f"no control {name}: there are {', '.join(cloud.CONTROLS)}"})
    try:
        said = getattr(cloud, name)(**(request.json() or {}))
        return Answer(200, json.dumps(said).encode())
    except (TypeError, ValueError, KeyError) as error:
        return Answer(400, {"error": f"{type(error).__name__}: {error}"})
