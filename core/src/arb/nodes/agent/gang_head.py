"""The head's side of a gang: all ranks are prepared, then all go, and one fate holds for all.

Works without the client. What it wants of the peers is in the job's state file (``go``, then
``verdict``) and is said again with every heartbeat, so a broken session, a daemon that was killed
or a message that was lost only costs time, at most the lease.
"""

from __future__ import annotations

import os

from . import rendezvous
from .jobs import (
    CANCELLED,
    FAILED,
    FAILED_PRECHECK,
    FINAL,
    GANG_LOST,
    PREPARED,
    RUNNING,
    SETTING_UP,
    SUCCEEDED,
)
from .peer import Peer
from .precheck import PairCheck
from .rank import Rank

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .daemon import Daemon
    from .jobs import Job
    from .loop import Timer
    from .peer_link import PeerLink

LEASE_S = 60.0
HEARTBEATS = 6
"""In one lease."""

CONNECT_S = 30.0
"""A peer that was never reached within this time (or the lease) never will be."""


def lease_s(config: dict[str, Any]) -> float:
    """Return how long either side goes on without hearing from the other, in seconds."""
    return float(os.environ.get("ARB_AGENT_LEASE_S") or config.get("lease_s") or LEASE_S)


class GangHead:
    """Moves a job of several nodes from start to end.

    Args:
        daemon: Whose loop, configuration and sessions it uses, and who is told of changes.
        job: The job.
    """

    def __init__(self, daemon: Daemon, job: Job) -> None:
        self._daemon, self._job = daemon, job
        self._loop, self._config = daemon.loop, daemon.config
        self._rank = Rank(daemon.loop, daemon.config, job, self._step)
        self._lease_s = lease_s(daemon.config)
        self._peers = [Peer(n, daemon.link_to(n)) for n in range(1, job.spec["num_nodes"])]
        self._check: PairCheck | None = None
        self._timer: Timer | None = None
        self._ended = False

    def start(self) -> None:
        """Begin to prepare all ranks."""
        first = int(self._config["rendezvous_port"])
        port = rendezvous.choose_port(self._ip(0), first, self._daemon.ports_taken())
        self._job.save(state=SETTING_UP, port=port, rank=0)
        self._rank.start()
        self._reach()

    def resume(self) -> None:
        """Carry on after the daemon or the machine was started again."""
        if not self._rank.state:
            self.start()
            return
        for peer in self._peers:
            peer.known = peer.told = True  # by the daemon that died
        self._reach()
        self._rank.adopt()
        if self._job.state.get("go"):
            self._rank.go()
        if self._verdict():
            self._rank.stop(CANCELLED, self._verdict()[1])
        self._step()

    def cancel(self, reason: str = "") -> None:
        """End all ranks on request."""
        self._decide(CANCELLED, reason, None)
        self._step()

    def link_up(self, link: PeerLink) -> None:
        """Tell a peer what is wanted of it, now that its session is open."""
        peer = next(peer for peer in self._peers if peer.link is link)
        peer.told = True
        if self._want() == "prepare":
            self._prepare(peer)
        else:
            self._heartbeat(peer)
        self._watch(peer)

    def link_down(self, link: PeerLink) -> None:
        """Give up at once where trying again cannot help."""
        if link.hopeless:
            self._decide(FAILED_PRECHECK, f"{self._name(0)}: {link.problem}", None)
            self._step()

    def _reach(self) -> None:
        if self._ended:  # its own rank could not be started
            return
        for peer in self._peers:
            peer.link.use(self)
        self._tick()

    def _verdict(self) -> list[Any]:
        return list(self._job.state.get("verdict") or ())

    def _want(self) -> str:
        if self._verdict():
            return "stop"
        return "go" if self._job.state.get("go") else "prepare"

    def _prepare(self, peer: Peer) -> None:
        def answered(answer: dict[str, Any] | None, error: str) -> None:
            if answer is None and peer.link.up:
                self._decide(FAILED_PRECHECK, f"{self._name(peer.rank)}: {error}", None)
            self._heard(peer, answer)

        gpu_map = self._job.state.get("gpu_map") or {}
        peer.link.ask(
            "gang_prepare",
            answered,
            job=self._job.id,
            gang_token=self._job.state["mark"],
            rank=peer.rank,
            port=self._job.state["port"],
            gpu_ids=gpu_map.get(str(peer.rank), []),
            lease_s=self._lease_s,
            spec={**self._job.spec, "secrets": self._job.secrets()},
        )

    def _watch(self, peer: Peer) -> None:
        def changed(item: dict[str, Any] | None, _error: str) -> None:
            if item is not None:
                self._heard(peer, item)

        peer.link.ask("gang_watch", changed, stream=True, job=self._job.id)

    def _heartbeat(self, peer: Peer) -> None:
        def answered(answer: dict[str, Any] | None, error: str) -> None:
            if answer is None and error.startswith("no-such-job"):
                # Never told, or its disk is new: nothing of it runs either way.
                answer = {"state": "LOST", "reason": "the peer does not know the job"}
            self._heard(peer, answer)

        peer.link.ask(
            "gang_lease",
            answered,
            job=self._job.id,
            gang_token=self._job.state["mark"],
            want=self._want(),
            reason=self._verdict()[1] if self._verdict() else "",
        )

    def _heard(self, peer: Peer, answer: dict[str, Any] | None) -> None:
        if answer is not None and not self._ended:
            peer.learn(answer)
            self._step()

    def _tick(self) -> None:
        """Renew the leases, and see which ones ran out."""
        if self._ended:
            return
        beat_s = self._lease_s / HEARTBEATS
        for peer in self._peers:
            if not peer.done and peer.link.up:
                if peer.silent_s() > 3 * beat_s and peer.known:
                    peer.link.restart()
                elif peer.known:
                    self._heartbeat(peer)
            self._check_lease(peer)
        self._timer = self._loop.later(beat_s, self._tick)
        self._step()

    def _check_lease(self, peer: Peer) -> None:
        limit = self._lease_s if peer.known else min(self._lease_s, CONNECT_S)
        if self._verdict() and not peer.told:
            peer.state = CANCELLED  # nothing of the job is there
        if peer.done or peer.silent_s() < limit:
            return
        peer.away = True
        why = peer.link.problem or "no answer"
        if peer.known:
            summary = f"{self._name(peer.rank)} was not heard of for {limit:g} s: {why}"
            self._decide(GANG_LOST, summary, None)
        else:
            summary = f"{self._name(0)} does not reach {self._name(peer.rank)}: {why}"
            self._decide(FAILED_PRECHECK, summary, None)

    def _step(self) -> None:
        """Look at all ranks and take the next step, if one is due."""
        if self._ended:
            return
        self._note_ranks()
        if not self._verdict():
            self._judge()
        if self._verdict():
            if self._rank.final and all(peer.done for peer in self._peers):
                self._finish()
        elif self._job.state.get("go"):
            self._rank.go()
        elif self._all_in((PREPARED,)) and (self._check is None or self._check.stopped):
            self._check_pairs()
        self._daemon.changed(self._job)

    def _all_in(self, states: tuple[str, ...]) -> bool:
        return self._rank.state in states and all(peer.state in states for peer in self._peers)

    def _judge(self) -> None:
        """Decide when a rank ended otherwise than well, or when all ended well."""
        own = (0, self._rank.state, self._job.state.get("rank_exit"))
        ranks = [own, *((p.rank, p.state, p.exit_code) for p in self._peers)]
        ending = self._job.state.get("ending")
        if ending and ending[0] != SUCCEEDED:
            ranks[0] = (0, ending[0], ending[2])  # its processes are being ended
        for rank, state, code in ranks:
            if state in FINAL and state != SUCCEEDED:
                self._decide(state, self._why(rank, state, code), code)
                return
        if self._all_in((SUCCEEDED,)):
            self._decide(SUCCEEDED, "", 0)

    def _why(self, rank: int, state: str, code: int | None) -> str:
        said = self._own_reason() if rank == 0 else self._peers[rank - 1].reason
        if not said:
            said = f"ended with exit code {code}" if state == FAILED else state
        return f"{self._name(rank)}: {said}"

    def _own_reason(self) -> str:
        ending = self._job.state.get("ending")
        return str(ending[1] if ending else self._job.state.get("rank_reason") or "")

    def _decide(self, state: str, reason: str, code: int | None) -> None:
        """Settle the fate of all, once."""
        if self._verdict() or self._ended:
            return
        self._stop_checking()
        self._job.save(verdict=[state, reason, code])
        self._rank.stop(CANCELLED, reason)
        self._tell_all()
        for peer in self._peers:
            self._check_lease(peer)

    def _tell_all(self) -> None:
        for peer in self._peers:
            if not peer.done:
                self._heartbeat(peer)

    def _check_pairs(self) -> None:
        """Let every peer knock at the rendezvous port; all are prepared."""

        def checked(problem: str) -> None:
            if problem:
                self._decide(FAILED_PRECHECK, problem, None)
            else:
                self._go()

        port = int(self._job.state["port"])
        self._check = PairCheck(self._loop, self._name, self._ip(0), port, checked)
        self._check.start(self._peers)

    def _stop_checking(self) -> None:
        if self._check is not None:
            self._check.stop()

    def _go(self) -> None:
        self._stop_checking()
        self._job.save(go=True, state=RUNNING)
        self._tell_all()
        self._rank.go()
        self._daemon.changed(self._job)

    def _finish(self) -> None:
        self._ended = True
        self._stop_checking()
        if self._timer is not None:
            self._timer.cancel()
        for peer in self._peers:
            peer.link.leave(self)
        self._note_ranks()
        state, reason, code = self._verdict()
        self._job.finish(state, reason, code)

    def _note_ranks(self) -> None:
        own = {
            "rank": 0,
            "state": self._rank.state or SETTING_UP,
            "exit_code": self._job.state.get("rank_exit"),
            "reason": self._job.state.get("rank_reason") or "",
        }
        ranks = [own, *(peer.describe() for peer in self._peers)]
        if ranks != self._job.state.get("ranks"):
            self._job.save(ranks=ranks)

    def _ip(self, rank: int) -> str:
        nodes = (node for node in self._config["nodes"] if node["rank"] == rank)
        return str(next(nodes, {"ip": ""})["ip"] or "127.0.0.1")

    def _name(self, rank: int) -> str:
        return f"rank {rank} ({self._ip(rank)})"
