"""Follow what a job prints on all its ranks. A lost connection is opened again."""

from __future__ import annotations

import queue
import threading
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from arb.clusters.refresh import refresh
from arb.errors import ArbError, NodeError, NodeUnreachable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from arb.clusters.nodes import ClusterNode, Nodes
    from arb.clusters.session import Session
    from arb.nodes.agent_client import AgentJob
    from arb.state.machines import Machine

    Sink = Callable[[int, bytes], None]

__all__ = ["LogWish", "follow", "save_logs"]

_RETRY_S: Final = 2.0
_PATIENCE_S: Final = 120.0
_PATIENCE_ENDED_S: Final = 10.0
"""For a peer's output once the job has ended: more than a restart of its agent takes."""
_ASK_S: Final = 10.0
_NOT_THERE_YET_S: Final = 0.2


@dataclass(frozen=True, slots=True)
class LogWish:
    """Which part of a log.

    Attributes:
        follow: Wait for more until the job has ended.
        tail: Only the last so many lines of each rank; None means all.
        rank: Only this rank; None means all.
    """

    follow: bool = True
    tail: int | None = None
    rank: int | None = None


def follow(session: Session, nodes: Nodes, number: int, wish: LogWish, sink: Sink) -> AgentJob:
    """Pass a job's output to ``sink(rank, data)`` and return the job as it is afterwards.

    ``sink`` is called in this thread. Ctrl-C ends the reading, not the job.

    Raises:
        NodeError: There is no such job, or it had no such rank; a node is gone.
        NodeUnreachable: A node could not be reached for two minutes.
    """
    head = nodes.head.agent()
    job = head.job(number)
    if wish.rank is not None and not 0 <= wish.rank < job.num_nodes:
        ran = "rank 0" if job.num_nodes == 1 else f"ranks 0 to {job.num_nodes - 1}"
        raise NodeError(f"job {number} ran on {ran} only", code="no-such-rank")
    ranks = _there(session, nodes, job.num_nodes) if wish.rank is None else [wish.rank]
    readers = [_Reader(session, nodes, nodes.rank(rank), number, wish) for rank in ranks]
    for rank, data in _merged(readers):
        sink(rank, data)
    return nodes.head.agent().job(number)


def _there(session: Session, nodes: Nodes, count: int) -> list[int]:
    """Return the ranks whose logs are still there; say which are gone with their machines."""
    gone = [str(rank) for rank in range(count) if not nodes.has(rank)]
    if gone:
        what = "rank" if len(gone) == 1 else "ranks"
        session.progress.warn(f"output of {what} {', '.join(gone)} is gone with the machine")
    return [rank for rank in range(count) if nodes.has(rank)]


def save_logs(session: Session, nodes: Nodes, number: int, folder: Path) -> list[Path]:
    """Write every rank's log so far to ``rank-N.log`` in a folder and return the files.

    What was saved of a rank whose machine is gone since then stays as it is.
    """
    folder.mkdir(parents=True, exist_ok=True)
    job = nodes.head.agent().job(number)
    there = [rank for rank in range(job.num_nodes) if nodes.has(rank)]
    paths = {rank: folder / f"rank-{rank}.log" for rank in there}
    with ExitStack() as stack:
        files = {rank: stack.enter_context(path.open("wb")) for rank, path in paths.items()}

        def write(rank: int, data: bytes) -> None:
            files[rank].write(data)

        follow(session, nodes, number, LogWish(follow=False), write)
    return list(paths.values())


def _merged(readers: Sequence[_Reader]) -> Iterator[tuple[int, bytes]]:
    """Yield (rank, data) of all readers until every one has ended."""
    inbox: queue.SimpleQueue[tuple[int, bytes | BaseException | None]] = queue.SimpleQueue()
    for reader in readers:
        threading.Thread(target=reader.run, args=(inbox,), daemon=True).start()
    left = len(readers)
    while left:
        try:
            rank, data = inbox.get(timeout=0.5)
        except queue.Empty:
            continue
        if isinstance(data, BaseException):
            raise data
        if data is None:
            left -= 1
        else:
            yield rank, data


class _Reader:
    """Reads one rank's log and carries on where it was after a broken connection."""

    def __init__(
        self, session: Session, nodes: Nodes, node: ClusterNode, number: int, wish: LogWish
    ) -> None:
        self._session = session
        self._nodes = nodes
        self._node = node
        self._number = number
        self._wish = wish
        self._offset = 0
        self._begun = False
        self._ask_at = 0.0

    def run(self, inbox: queue.SimpleQueue[tuple[int, bytes | BaseException | None]]) -> None:
        """Put data, then None; or the error that ended it."""
        try:
            self._read(inbox)
        except BaseException as error:  # noqa: BLE001 - raised by the consumer
            inbox.put((self._node.rank, error))
        else:
            inbox.put((self._node.rank, None))

    def _read(self, inbox: queue.SimpleQueue[tuple[int, bytes | BaseException | None]]) -> None:
        clock = self._session.clock
        lost_at: float | None = None
        while True:
            try:
                for data in self._log():
                    lost_at = None
                    self._begun = True
                    inbox.put((self._node.rank, data))
            except NodeUnreachable as error:
                now = clock.monotonic()
                lost_at = now if lost_at is None else lost_at
                self._check_alive(error, now - lost_at)
                if now - lost_at > _PATIENCE_ENDED_S and self._is_over():
                    if self._wish.rank is not None:
                        raise
                    self._tell_missing(error)
                    return
                clock.sleep(_RETRY_S)
            except NodeError as error:
                if error.code != "no-such-job" or not self._may_come():
                    raise
                clock.sleep(_NOT_THERE_YET_S)
            else:
                return

    def _log(self) -> Iterator[bytes]:
        tail = None if self._begun else self._wish.tail
        agent = self._node.agent()
        log = agent.logs(self._number, offset=self._offset, follow=self._wish.follow, tail=tail)
        for data in log:
            self._offset = log.offset
            yield data

    def _is_over(self) -> bool:
        """Say whether the job has ended, by its head: a peer that is away adds output only."""
        if self._node.rank == 0:
            return False
        try:
            return self._nodes.head.agent().job(self._number).state.is_final
        except NodeError:
            return False

    def _tell_missing(self, error: NodeUnreachable) -> None:
        name, number = self._nodes.cluster.name, self._number
        self._session.progress.warn(
            f"output of rank {self._node.rank} is missing, the rest of it is read with "
            f"arb logs {name} {number} --rank {self._node.rank}: {error.summary}"
        )

    def _may_come(self) -> bool:
        """Say whether a peer that does not know the job yet will: the head prepares it late."""
        job = self._nodes.head.agent().job(self._number)
        return self._wish.follow and self._node.rank > 0 and not job.state.is_final

    def _check_alive(self, error: NodeUnreachable, lost_s: float) -> None:
        if lost_s > _PATIENCE_S:
            raise error
        self._node.forget_agent()
        for machine in self._gone():
            if machine.instance_id == self._node.machine.instance_id:
                why = machine.reason.value or machine.detail or "it vanished"
                summary = f"{self._node.ssh.name} is gone: {why}"
                raise NodeError(summary, code="node-gone") from error

    def _gone(self) -> list[Machine]:
        """Ask the provider now and then; one that does not answer says nothing."""
        now = self._session.clock.monotonic()
        if now < self._ask_at:
            return []
        self._ask_at = now + _ASK_S
        try:
            return refresh(self._session, self._nodes.cluster)
        except ArbError:
            return []
