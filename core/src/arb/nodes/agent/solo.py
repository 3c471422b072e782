"""A job of one node: prepared means go."""

from __future__ import annotations

from .jobs import CANCELLED, PREPARED
from .rank import Rank

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable

    from .jobs import Job
    from .loop import Loop


class Solo:
    """Moves a job of one node from start to end.

    Args:
        loop: Where it waits.
        config: What ``configure`` stored.
        job: The job.
        changed: Called with the job after each change.
    """

    def __init__(
        self, loop: Loop, config: dict[str, Any], job: Job, changed: Callable[[Job], None]
    ) -> None:
        self._job, self._report = job, changed
        self._rank = Rank(loop, config, job, self._changed)

    def start(self) -> None:
        """Begin a job that was waiting."""
        self._rank.start()

    def resume(self) -> None:
        """Carry on after the daemon or the machine was started again."""
        if not self._rank.state:
            self._rank.start()
            return
        self._rank.adopt()
        if self._rank.state == PREPARED or self._rank.final:
            self._changed()

    def cancel(self, reason: str = "") -> None:
        """End it on request."""
        self._rank.stop(CANCELLED, reason)

    def _changed(self) -> None:
        state = self._job.state
        if self._rank.state == PREPARED:
            self._rank.go()
            return
        if self._rank.final:
            code = state.get("rank_exit")
            self._job.save(ranks=[{"rank": 0, "state": self._rank.state, "exit_code": code}])
            self._job.finish(self._rank.state, state.get("rank_reason") or "", code)
        elif self._rank.state != self._job.status:
            self._job.save(state=self._rank.state)
        self._report(self._job)
