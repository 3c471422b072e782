"""Ending the node's own billing once its work is done, with nobody there to ask for it."""

from __future__ import annotations

import os
import time

from . import env, files, procs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .daemon import Daemon

RULE = "ending.json"
GRACE_S = float(os.environ.get("ARB_AGENT_END_GRACE_S") or 10)
"""The least time after the last job: its result must have reached the head, and a client."""
RETRY_S = 60.0
"""A command that left the node alive is run again after so long."""


class Ending:
    """Runs a command when no job has waited or run for some time, and one has before.

    The rule is on disk: a daemon that replaces this one keeps to it.

    Args:
        daemon: Whose jobs count.
    """

    def __init__(self, daemon: Daemon) -> None:
        self._daemon = daemon
        self._rule: dict[str, Any] = dict(files.read_json(RULE) or {})
        self._quiet_since = time.monotonic()
        self._waiting = False
        self.consider()

    @property
    def is_armed(self) -> bool:
        """Return whether there is a rule."""
        return bool(self._rule.get("command"))

    def set(self, command: str, idle_s: float) -> None:
        """Put a rule in force, or none with an empty command."""
        self._rule = {"command": command, "idle_s": idle_s}
        files.write_json(RULE, self._rule, sync=True)
        self.consider()

    def consider(self) -> None:
        """Begin to wait when the last job has ended; called whenever a job changes."""
        self._quiet_since = time.monotonic()
        if self.is_armed and not self._waiting:
            self._wait(GRACE_S)

    def _wait(self, seconds: float) -> None:
        self._waiting = True
        self._daemon.loop.later(seconds, self._look)

    def _look(self) -> None:
        self._waiting = False
        jobs = list(self._daemon.jobs)
        if not self.is_armed or not jobs or self._daemon.is_busy():
            return  # the next job that changes begins anew
        left = max(GRACE_S, float(self._rule["idle_s"])) - (time.monotonic() - self._quiet_since)
        if left > 0:
            self._wait(left)
            return
        command = str(self._rule["command"])
        files.append(files.LOG, f"ending this node: {command}\n")
        procs.spawn(["/bin/sh", "-c", command], env.base())
        self._wait(RETRY_S)
