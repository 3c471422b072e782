"""What the agent says about itself and its jobs."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, Self

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["AgentJob", "Hello", "JobState", "RankResult"]


class JobState(StrEnum):
    """What becomes of a job, or of one rank of it."""

    PENDING = "PENDING"
    """Waits in the queue."""
    SETTING_UP = "SETTING_UP"
    """Its setup runs (on all ranks)."""
    PREPARED = "PREPARED"
    """Setup is done; a gang waits until all of its ranks are."""
    RUNNING = "RUNNING"
    """Its run command runs."""
    SUCCEEDED = "SUCCEEDED"
    """All ranks ended with 0."""
    FAILED = "FAILED"
    """A rank ended with another code: ``exit_code`` is that of the first."""
    FAILED_SETUP = "FAILED_SETUP"
    """Setup ended with another code than 0."""
    FAILED_PRECHECK = "FAILED_PRECHECK"
    """Head and a peer do not reach each other: ``reason`` names the pair."""
    CANCELLED = "CANCELLED"
    """Ended on request."""
    GANG_LOST = "GANG_LOST"
    """Head and a peer lost each other for longer than the lease; all ranks were stopped."""
    LOST = "LOST"
    """Its wrapper vanished without a record: killed, or the machine was rebooted."""

    @property
    def is_final(self) -> bool:
        """True once nothing of it runs any more."""
        return self not in _OPEN


_OPEN: Final = frozenset(
    {JobState.PENDING, JobState.SETTING_UP, JobState.PREPARED, JobState.RUNNING}
)


@dataclass(frozen=True, slots=True)
class Hello:
    """The agent's first line.

    Attributes:
        proto: Its protocol.
        agent: Its version.
        digest: Of its zipapp.
    """

    proto: int
    agent: str
    digest: str


@dataclass(frozen=True, slots=True)
class RankResult:
    """How one rank of a job ended, or what it does now."""

    rank: int
    state: JobState
    exit_code: int | None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class AgentJob:
    """One job as the agent shows it; times are seconds since the epoch on the node's clock."""

    id: int
    name: str
    state: JobState
    reason: str
    exit_code: int | None
    num_nodes: int
    gpus: float
    task_id: str
    user: str
    submitted_at: float | None
    started_at: float | None
    ended_at: float | None
    ranks: tuple[RankResult, ...] = ()

    @classmethod
    def parse(cls, data: Mapping[str, Any]) -> Self:
        """Read what the agent sent."""
        ranks = tuple(
            RankResult(r["rank"], JobState(r["state"]), r.get("exit_code"), r.get("reason") or "")
            for r in data.get("ranks") or ()
        )
        return cls(
            id=data["job"],
            name=data.get("name") or "",
            state=JobState(data["state"]),
            reason=data.get("reason") or "",
            exit_code=data.get("exit_code"),
            num_nodes=data.get("num_nodes") or 1,
            gpus=data.get("gpus") or 0,
            task_id=data.get("task_id") or "",
            user=data.get("user") or "",
            submitted_at=data.get("submitted_at"),
            started_at=data.get("started_at"),
            ended_at=data.get("ended_at"),
            ranks=ranks,
        )
