"""JSON lines: requests, answers, stream items, errors."""

from __future__ import annotations

import json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

MAX_LINE_BYTES = 64 * 1024 * 1024
"""A longer line is not ours: the connection is closed."""


class AgentError(Exception):
    """What a request is answered with when it cannot be served.

    Args:
        code: Stable, kebab case.
        summary: What happened, one line, no secret.
        hint: What to do, one line or empty.
    """

    def __init__(self, code: str, summary: str, hint: str = "") -> None:
        super().__init__(summary)
        self.code = code
        self.summary = summary
        self.hint = hint


def encode(message: dict[str, Any]) -> bytes:
    """Return one line; lone surrogates (bytes that are no UTF-8) survive as escapes."""
    return json.dumps(message, separators=(",", ":")).encode("ascii") + b"\n"


def decode(line: bytes) -> dict[str, Any]:
    """Return the message of one line.

    Raises:
        AgentError: It is not a JSON object.
    """
    try:
        message = json.loads(line)
    except ValueError as error:
        raise AgentError("bad-request", "a request is not JSON") from error
    if not isinstance(message, dict):
        raise AgentError("bad-request", "a request is not a JSON object")
    return message


def answer(request_id: Any, result: dict[str, Any]) -> dict[str, Any]:
    """Return the last message of a request that was served."""
    return {"id": request_id, "ok": result}


def item(request_id: Any, value: dict[str, Any]) -> dict[str, Any]:
    """Return one message of a stream."""
    return {"id": request_id, "item": value}


def failure(request_id: Any, error: AgentError) -> dict[str, Any]:
    """Return the last message of a request that was refused."""
    body = {"code": error.code, "summary": error.summary, "hint": error.hint}
    return {"id": request_id, "error": body}


class Lines:
    """Cuts received bytes into lines."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._size = 0

    def feed(self, data: bytes) -> list[bytes]:
        """Add received bytes and return the lines that they complete, without their ends.

        Raises:
            AgentError: A line is longer than ``MAX_LINE_BYTES``.
        """
        if b"\n" not in data:
            self._keep(data)
            return []
        head, *rest = data.split(b"\n")
        lines = [b"".join([*self._parts, head]), *rest]
        self._parts, self._size = [], 0
        self._keep(lines.pop())
        return [line for line in lines if line.strip()]

    def _keep(self, data: bytes) -> None:
        self._size += len(data)
        if self._size > MAX_LINE_BYTES:
            raise AgentError("bad-request", "a request is too long")
        if data:
            self._parts.append(data)
