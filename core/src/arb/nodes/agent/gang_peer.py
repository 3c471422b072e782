"""A peer's side of a gang: one rank, which lives as long as the head holds its lease."""

from __future__ import annotations

import time

from .jobs import CANCELLED, GANG_LOST, SETTING_UP, read_spec
from .protocol import AgentError
from .rank import Rank

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable

    from .jobs import Job, JobStore
    from .loop import Loop, Timer


class GangPeer:
    """Moves this node's rank as the head says, or ends it when the head is silent.

    Args:
        loop: Where it waits.
        config: What ``configure`` stored.
        job: The job; its state holds ``gang``: the head's token and the lease in seconds.
        changed: Called with the job after each change.
    """

    def __init__(
        self, loop: Loop, config: dict[str, Any], job: Job, changed: Callable[[Job], None]
    ) -> None:
        self._loop, self._job, self._report = loop, job, changed
        self._rank = Rank(loop, config, job, self._changed)
        self._timer: Timer | None = None
        self._renew()

    def start(self) -> None:
        """Begin to prepare."""
        self._rank.start()

    def resume(self) -> None:
        """Carry on after the daemon or the machine was started again; the lease begins anew."""
        if not self._rank.state:
            self._rank.start()
            return
        self._rank.adopt()
        if self._rank.final:
            self._changed()

    def lease(self, want: str, reason: str) -> None:
        """Hear from the head.

        Args:
            want: ``prepare``, ``go`` or ``stop``.
            reason: For stopping.
        """
        self._renew()
        if want == "go":
            self._rank.go()
        elif want == "stop":
            self.cancel(reason)

    def cancel(self, reason: str = "") -> None:
        """End it on request."""
        self._rank.stop(CANCELLED, reason)

    def _renew(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.later(float(self._job.state["gang"]["lease_s"]), self._expire)

    def _expire(self) -> None:
        lease_s = self._job.state["gang"]["lease_s"]
        self._rank.stop(GANG_LOST, f"rank 0 was not heard of for {lease_s:g} s")

    def _changed(self) -> None:
        state = self._job.state
        if self._rank.final:
            if self._timer is not None:
                self._timer.cancel()
            reason, code = state.get("rank_reason") or "", state.get("rank_exit")
            self._job.finish(self._rank.state, reason, code)
        else:
            self._job.save(state=self._rank.state)
        self._report(self._job)


def accept(jobs: JobStore, config: dict[str, Any], request: dict[str, Any]) -> tuple[Job, bool]:
    """Return the job of a ``gang_prepare`` request, and whether it is new.

    Raises:
        AgentError: This node is not configured, or runs another job of this number.
    """
    if not config:
        raise AgentError("not-configured", "this node was not told its cluster")
    known = next((job for job in jobs if job.id == request.get("job")), None)
    token = request["gang_token"]
    if known is not None and (known.state.get("gang") or {}).get("token") == token:
        return known, False
    if known is not None and not known.final:
        raise AgentError("busy", f"job {known.id} of another queue still runs on this node")
    spec, secrets = read_spec(request["spec"])
    job = jobs.add(
        spec,
        secrets,
        number=int(request["job"]),
        state=SETTING_UP,
        rank=int(request["rank"]),
        port=int(request["port"]),
        gpu_ids=request.get("gpu_ids") or [],
        gang={"token": token, "lease_s": float(request["lease_s"])},
    )
    return job, True


def describe(job: Job) -> dict[str, Any]:
    """Return what the head wants to know about this rank."""
    return {
        "state": job.status if job.final else job.state.get("rank_state") or SETTING_UP,
        "exit_code": job.state.get("exit_code") if job.final else None,
        "reason": job.state.get("reason") or "",
        "at": time.time(),
    }
