"""What ``launch``, ``exec`` and ``logs`` share: showing a job's output and ending with its code."""

from __future__ import annotations

import signal
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

from arb.cli import render
from arb.cli.group import Interrupted
from arb.cli.progress import open_progress
from arb.errors import ArbError, NodeError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from arb.clusters.jobs import Launched
    from arb.clusters.logs import LogWish
    from arb.clusters.nodes import Nodes
    from arb.clusters.session import Session
    from arb.nodes.agent_client import AgentJob

__all__ = ["asking_for", "exit_code", "follow_job", "job_document", "session_for_task", "show_log"]

ARB_FAILED: Final = 125
_CANCELLED: Final = 130
_UNKNOWN: Final = frozenset({"no-such-job", "no-such-rank"})


@contextmanager
def session_for_task() -> Iterator[Session]:
    """Open a session whose failures are told from the task's: exit code 125 instead of 1.

    SIGTERM ends it as Ctrl-C does, so that what is being bought is given back.
    """
    from arb.clusters.session import Session

    before = signal.signal(signal.SIGTERM, _interrupt)
    try:
        with open_progress() as progress, Session(progress=progress) as session:
            yield session
    except ArbError as error:
        if error.exit_code == 1:
            error.exit_code = ARB_FAILED
        raise
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def asking_for(cluster: str) -> Iterator[None]:
    """Take a job or a rank that a cluster does not have for a name that was typed wrong.

    Raises:
        UsageError: Instead of the node's own error.
    """
    try:
        yield
    except NodeError as error:
        if error.code not in _UNKNOWN:
            raise
        said = error.summary.rpartition(": ")[2]
        summary = said if said.startswith("cluster ") else f"cluster {cluster}: {said}"
        hint = f"arb queue {cluster} lists its jobs, arb status its nodes"
        raise UsageError(summary, code=error.code, hint=hint) from error


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def follow_job(
    session: Session, launched: Launched, *, detach: bool, down: bool = False, as_json: bool = False
) -> int:
    """Show the job's output until it ends, and return its exit code."""
    from arb.clusters.logs import LogWish
    from arb.clusters.nodes import Nodes

    name, number = launched.cluster.name, launched.job_id
    if not number or detach:
        return _handed_over(launched, as_json=as_json)
    nodes = Nodes(session, launched.cluster)
    try:
        job = show_log(session, nodes, number, LogWish(), to_stderr=as_json)
    except Interrupted as error:
        if fate := _fate(session, launched, down=down):
            error.hint += f"\n{fate}"
        raise
    if down:
        from arb.clusters.down import down as end

        for ended in end(session, [name]):
            _tell_ended(session, ended.left, ended.error)
    elif fate := _fate(session, launched, down=False):
        render.hint(fate)
    if as_json:
        render.json_document({"cluster": name, "bought": launched.bought, "job": job_document(job)})
    return exit_code(job, followed=True)


def _fate(session: Session, launched: Launched, *, down: bool) -> str:
    """Say what becomes of a cluster that was bought; nothing of one that was there before.

    Args:
        session: Of this process.
        launched: The cluster and its job.
        down: It was to end with the job, and nobody will be here to end it.
    """
    from arb.clusters.ending import can_end_itself
    from arb.clusters.status import views

    name = launched.cluster.name
    if down and can_end_itself(session, launched.cluster):
        return f"Cluster {name} ends with the job"
    why = " after the job too, as its nodes cannot end themselves" if down else ""
    for view in views(session.store, name=name) if launched.bought or down else ():
        price = f" at {render.money(view.usd_hour)}/h" if view.usd_hour else ""
        return f"Cluster {name} stays up{price}{why}; end it with: arb down {name}"
    return ""


def _handed_over(launched: Launched, *, as_json: bool) -> int:
    name, number = launched.cluster.name, launched.job_id
    if as_json:
        render.json_document({"cluster": name, "bought": launched.bought, "job_id": number})
        return 0
    if number:
        render.note(f"Job {number} is on cluster {name}")
        render.hint(f"  its output: arb logs {name} {number}")
    else:
        render.note(f"Cluster {name} is up")
        render.hint(f"  a shell: arb ssh {name}    the end: arb down {name}")
    return 0


def _tell_ended(session: Session, left: tuple[Any, ...], error: ArbError | None) -> None:
    if error is not None:
        raise error
    for machine in left:
        session.progress.warn(f"{machine.key} is not gone yet: {machine.terminate_detail}")


def show_log(
    session: Session, nodes: Nodes, number: int, wish: LogWish, *, to_stderr: bool = False
) -> AgentJob:
    """Print a job's output, each line with its rank when there are several.

    Raises:
        Interrupted: Ctrl-C; it says how to come back, as the job goes on.
    """
    from arb.clusters.logs import follow

    several = len(nodes) > 1 and wish.rank is None
    printer = _Printer(prefix=several, to_stderr=to_stderr)
    session.progress.state("")
    try:
        job = follow(session, nodes, number, wish, printer.write)
    except KeyboardInterrupt as error:
        printer.flush()
        raise _detached(nodes.cluster.name, number) from error
    printer.flush()
    if wish.follow:
        _tell_end(job)
    return job


def _detached(cluster: str, number: int) -> Interrupted:
    hint = (
        f"come back with: arb logs {cluster} {number}\n"
        f"end it with:    arb cancel {cluster} {number}"
    )
    summary = f"detached: job {number} of cluster {cluster} goes on"
    return Interrupted(summary, code="detached", hint=hint)


def _tell_end(job: AgentJob) -> None:
    took = ""
    if job.started_at and job.ended_at:
        took = f" after {render.age(job.ended_at - job.started_at)}"
    state = job.state.value.lower().replace("_", "-")
    if not job.state.is_final:
        state = f"is still {state}"
    code = "" if job.exit_code is None else f", exit code {job.exit_code}"
    reason = f": {job.reason}" if job.reason else ""
    render.note(f"Job {job.id} {state}{took}{code if job.exit_code else ''}{reason}")
    for rank in job.ranks:
        if rank.exit_code and job.num_nodes > 1:
            render.hint(f"  rank {rank.rank}: {rank.state.value.lower()}, code {rank.exit_code}")


def exit_code(job: AgentJob, *, followed: bool) -> int:
    """Return the job's own exit code; 130 when it was cancelled, 125 when it has none.

    Args:
        job: As it is now.
        followed: All its output was waited for: one that has not ended even so is not done.
    """
    from arb.nodes.agent_client import JobState

    if not job.state.is_final:
        return ARB_FAILED if followed else 0
    if job.state is JobState.SUCCEEDED:
        return 0
    if job.state is JobState.CANCELLED:
        return _CANCELLED
    return job.exit_code or ARB_FAILED


def job_document(job: AgentJob) -> dict[str, Any]:
    """Return a job for ``--json``."""
    return {**asdict(job), "state": job.state.value}


class _Printer:
    """Prints whole lines with a rank before them, so that ranks do not mix within a line."""

    def __init__(self, *, prefix: bool, to_stderr: bool) -> None:
        self._prefix = prefix
        self._to_stderr = to_stderr
        self._rest: dict[int, bytes] = {}

    def write(self, rank: int, data: bytes) -> None:
        """Print what is complete."""
        if not self._prefix:
            render.raw(data, to_stderr=self._to_stderr)
            return
        *lines, rest = (self._rest.get(rank, b"") + data).split(b"\n")
        self._rest[rank] = rest
        if lines:
            label = f"(rank {rank}) ".encode()
            render.raw(b"".join(label + line + b"\n" for line in lines), to_stderr=self._to_stderr)

    def flush(self) -> None:
        """Print last lines that have no end."""
        for rank, rest in self._rest.items():
            if rest:
                render.raw(f"(rank {rank}) ".encode() + rest + b"\n", to_stderr=self._to_stderr)
        self._rest = {}
