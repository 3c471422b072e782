"""Watching for the provider's warning that this node will be preempted."""

from __future__ import annotations

import os
import time

from . import files
from .fetch import OK, Fetch

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable

    from .loop import Loop, Timer

_LIMIT_BYTES = 64 * 1024


class NoticeWatch:
    """Polls what ``arb_preemption_notice`` of the provider named.

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
        probe = self._probe
        self._timer = self._loop.later(float(probe.get("interval_s") or 5), self._look)

        def seen(text: str | None) -> None:
            if probe is self._probe:
                self._seen(text)

        look(self._loop, probe, seen)

    def _seen(self, text: str | None) -> None:
        if text is None:
            self.notice = None  # a provider may take it back
        elif self.notice is None:
            self.notice = {"at": time.time(), "text": text[:1000]}
            self._noticed(self.notice)


def look(loop: Loop, probe: dict[str, Any], seen: Callable[[str | None], None]) -> None:
    """Look once and call ``seen`` with the notice, or None when there is none (or no answer)."""
    if probe.get("path"):
        seen(_read_file(probe["path"]))
        return

    def answered(code: int, body: str) -> None:
        seen(body if code == OK and probe.get("match", "") in body else None)

    def with_token(code: int, token: str) -> None:
        if code == OK:
            headers = {**(probe.get("headers") or {}), probe["token_header"]: token.strip()}
            Fetch(loop, "GET", probe["url"], headers, answered)
        else:
            seen(None)

    headers = dict(probe.get("headers") or {})
    if probe.get("token_url"):
        asking = dict(probe.get("token_request_headers") or {})
        Fetch(loop, "PUT", probe["token_url"], asking, with_token)
    else:
        Fetch(loop, "GET", probe["url"], headers, answered)


def _read_file(path: str) -> str | None:
    if path.startswith("~/"):
        path = os.path.join(files.home(), path[2:])
    if not os.path.exists(path):
        return None
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read(_LIMIT_BYTES)
    except OSError:
        return ""
