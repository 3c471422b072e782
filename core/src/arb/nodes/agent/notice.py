"""Watching for the provider's warning that this node will be preempted."""

from __future__ import annotations

import os
import socket
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable

    from .loop import Loop, Timer

TIMEOUT_S = 1.0
_OK = 200
_LIMIT_BYTES = 64 * 1024


class NoticeWatch:
    """Polls what ``arb_preemption_notice`` of the provider named.

    The address is inside the node (a metadata server); a small request of our own keeps the HTTP
    library out of the daemon's memory.

    Args:
        loop: Where it waits.
        noticed: Called once with the notice.
    """

    def __init__(self, loop: Loop, noticed: Callable[[dict[str, Any]], None]) -> None:
        self._loop, self._noticed = loop, noticed
        self._probe: dict[str, Any] = {}
        self._timer: Timer | None = None
        self.notice: dict[str, Any] | None = None

    def configure(self, probe: dict[str, Any] | None) -> None:
        """Watch another probe, or none."""
        self._probe = probe or {}
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None
        if self._probe.get("url") or self._probe.get("path"):
            self._timer = self._loop.later(0, self._look)

    def _look(self) -> None:
        found = read_notice(self._probe)
        if found is None:
            self.notice = None  # a provider may take it back
        elif self.notice is None:
            self.notice = {"at": time.time(), "text": found[:1000]}
            self._noticed(self.notice)
        self._timer = self._loop.later(float(self._probe.get("interval_s") or 5), self._look)


def read_notice(probe: dict[str, Any]) -> str | None:
    """Return the notice's text, None when there is no notice (or no answer)."""
    path = os.path.expanduser(probe.get("path") or "")
    if path:
        return _read_file(path) if os.path.exists(path) else None
    headers = dict(probe.get("headers") or {})
    if probe.get("token_url"):
        asking = dict(probe.get("token_request_headers") or {})
        code, token = request("PUT", probe["token_url"], asking)
        if code != _OK:
            return None
        headers[probe["token_header"]] = token.strip()
    code, body = request("GET", probe["url"], headers)
    return body if code == _OK and probe.get("match", "") in body else None


def _read_file(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read(_LIMIT_BYTES)
    except OSError:
        return ""


def request(method: str, url: str, headers: dict[str, str]) -> tuple[int, str]:
    """Return status and body of a plain HTTP request; status 0 when there was no answer."""
    address, _, path = url.partition("://")[2].partition("/")
    host, _, port = address.partition(":")
    lines = [f"{method} /{path} HTTP/1.0", "Host: " + host, "Content-Length: 0"]
    lines += ["{}: {}".format(*pair) for pair in headers.items()]
    data = b""
    try:
        with socket.create_connection((host, int(port or 80)), timeout=TIMEOUT_S) as connection:
            connection.sendall(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1"))
            while len(data) < _LIMIT_BYTES:
                more = connection.recv(_LIMIT_BYTES)
                if not more:
                    break
                data += more
    except (OSError, ValueError):
        return 0, ""
    head, _, body = data.partition(b"\r\n\r\n")
    words = head.split(None, 2)
    code = int(words[1]) if len(words) > 1 and words[1].isdigit() else 0
    return code, body.decode("utf-8", "replace")
