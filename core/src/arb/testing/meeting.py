"""Bringing calls in threads to the same point at the same time."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from arb.types import ProviderContext, RateLimiter

__all__ = ["Meeting"]

_PATIENCE_S: Final = 2.0


class Meeting:
    """Makes calls wait for each other where a hook first reads ``env``, and at the limiter.

    A call that never comes there holds the others up for two seconds.

    Args:
        calls: How many there are.
    """

    def __init__(self, calls: int) -> None:
        self._points = {name: threading.Barrier(calls) for name in ("env", "limiter")}
        self._passed = threading.local()

    def joined(self, context: ProviderContext) -> ProviderContext:
        """Return the context of one call that takes part."""
        env = _MeetingEnv(context.env)
        env.meeting = self
        return replace(context, env=env, limiter=_MeetingLimiter(context.limiter, self))

    def wait(self, point: str) -> None:
        """Wait for the other calls, the first time that a call comes to a point."""
        passed = self._passed.__dict__.setdefault("points", set())
        if point not in passed:
            passed.add(point)
            try:
                self._points[point].wait(_PATIENCE_S)
            except threading.BrokenBarrierError:
                return


class _MeetingEnv(dict[str, str]):
    """An environment whose first reader waits for the others."""

    meeting: Meeting

    def __getitem__(self, name: str) -> str:
        self.meeting.wait("env")
        return super().__getitem__(name)

    def __contains__(self, name: object) -> bool:
        self.meeting.wait("env")
        return super().__contains__(name)

    def get(self, name: str, default: Any = None) -> Any:
        self.meeting.wait("env")
        return super().get(name, default)


class _MeetingLimiter:
    """A limiter whose first caller waits for the others."""

    def __init__(self, limiter: RateLimiter, meeting: Meeting) -> None:
        self._limiter = limiter
        self._meeting = meeting

    def acquire(self, budget: str, *, deadline: float) -> None:
        """Take one token, together."""
        self._meeting.wait("limiter")
        self._limiter.acquire(budget, deadline=deadline)

    def pause(self, budget: str, seconds: float) -> None:
        """Hold everybody."""
        self._limiter.pause(budget, seconds)
