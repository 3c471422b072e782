"""The daemon: holds the lock, the queue and the jobs; serves requests on a socket."""

from __future__ import annotations

import fcntl
import os
import signal
import socket
import time
import traceback

from . import VERSION, boot_id, files, install, operations
from .configure import read_config
from .ending import Ending
from .gang_head import GangHead
from .gang_peer import GangPeer
from .idle import IdleClock
from .jobs import PENDING, JobStore
from .lines import Connection
from .loop import READ, Loop
from .notice import NoticeWatch
from .peer_link import PeerLink
from .protocol import AgentError, answer, failure
from .queueing import startable
from .solo import Solo

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable

    from .jobs import Job


LOCK_VARIABLE = "ARB_AGENT_LOCK_FD"


class Daemon:
    """All that runs on a node.

    Args:
        lock_fd: Descriptor of the lock that this process holds.

    Attributes:
        loop: Where everything waits.
        config: What ``configure`` stored; empty before.
        jobs: All jobs.
        controllers: What moves each job that has begun and has not ended.
        idle: Since when nothing happens.
        notice: Watches for the provider's warning.
        ending: Ends the node when its work is done, if it is told to.
        replacement: The command line of a newer agent that waits for the last job to end.
    """

    def __init__(self, lock_fd: int) -> None:
        self._lock_fd = lock_fd
        self.loop = Loop()
        self.config = read_config()
        self.jobs = JobStore()
        self.controllers: dict[int, Any] = {}
        self.started_at = time.time()
        self.replacement: list[str] = []
        self.idle = IdleClock(self.loop, self.is_busy)
        self.notice = NoticeWatch(self.loop, self.noticed)
        self._watchers: list[Callable[[Job], None]] = []
        self._scheduled = False
        self._links: dict[int, PeerLink] = {}
        self.ending = Ending(self)

    def start(self) -> None:
        """Carry on with every job that had begun, then serve."""
        for job in self.jobs:
            if job.status != PENDING and not job.final:
                self._resume(job)
        self.notice.configure(self.config.get("notice_probe"))
        self.schedule()

    def _resume(self, job: Job) -> None:
        try:
            self.control(job).resume()
        except (KeyError, TypeError, ValueError):
            # One file that a power cut damaged must not keep the agent from starting.
            log(traceback.format_exc())
            self.controllers.pop(job.id, None)
            job.finish("LOST", "its state was damaged")

    def is_busy(self) -> bool:
        """Return whether a job waits or runs."""
        return any(not job.final for job in self.jobs)

    def schedule(self) -> None:
        """Start what may start, right after what happens now."""
        if not self._scheduled:
            self._scheduled = True
            self.loop.later(0, self._start_jobs)

    def _start_jobs(self) -> None:
        self._scheduled = False
        self._hand_over()
        for job, gpu_map in startable(self.jobs, int(self.config.get("gpus_per_node", 0))):
            job.state["gpu_map"] = gpu_map
            job.state["gpu_ids"] = gpu_map.get("0", [])
            self.control(job).start()

    def control(self, job: Job) -> Any:
        """Return what moves a job from now on."""
        controller: Any
        if job.state.get("gang"):
            controller = GangPeer(self.loop, self.config, job, self.changed)
        elif job.spec["num_nodes"] > 1:
            controller = GangHead(self, job)
        else:
            controller = Solo(self.loop, self.config, job, self.changed)
        self.controllers[job.id] = controller
        return controller

    def ports_taken(self) -> set[int]:
        """Return the rendezvous ports of the jobs that run."""
        return {int(job.state.get("port") or 0) for job in self.jobs if not job.final}

    def link_to(self, rank: int) -> PeerLink:
        """Return the session to a peer; it is opened when somebody uses it."""
        if rank not in self._links:
            self._links[rank] = PeerLink(self.loop, self.config, rank)
        return self._links[rank]

    def cancel(self, job: Job, reason: str = "") -> None:
        """End a job on request, whatever it is doing."""
        if job.id in self.controllers:
            self.controllers[job.id].cancel(reason)
        elif not job.final:
            job.finish("CANCELLED", reason)
            self.changed(job)

    def changed(self, job: Job) -> None:
        """Tell all who watch, and start what waited for this."""
        if job.final:
            self.controllers.pop(job.id, None)
            self.idle.touch()
            self.schedule()
        self.ending.consider()
        for tell in list(self._watchers):
            tell(job)

    def watch(self, tell: Callable[[Job], None]) -> Callable[[], None]:
        """Call ``tell`` with each job that changes, until the returned function is called."""
        self._watchers.append(tell)
        return lambda: self._watchers.remove(tell)

    def restart_links(self) -> None:
        """Open the sessions to the peers anew: they may be elsewhere now."""
        for link in self._links.values():
            link.restart()

    def noticed(self, notice: dict[str, Any]) -> None:
        """Write a preemption notice down and run the hooks of the running jobs."""
        operations.record_event("notice", notice)
        for job in self.jobs:
            if job.id in self.controllers:
                operations.run_hook(job, "notice")

    def _hand_over(self) -> None:
        """Become the newer agent that was put beside this one, once no job runs."""
        if not self.replacement or self.controllers:
            return
        log(f"handing over to {self.replacement[-2]}")
        # The lock goes along, so that nobody else can become the daemon in between.
        os.set_inheritable(self._lock_fd, True)
        os.environ[LOCK_VARIABLE] = str(self._lock_fd)
        os.execv(self.replacement[0], self.replacement)


def log(line: str) -> None:
    """Write one line to the agent's log."""
    files.append(files.LOG, "{} {}\n".format(time.strftime("%Y-%m-%dT%H:%M:%S"), line))


class Server:
    """Accepts front ends and answers them."""

    def __init__(self, daemon: Daemon) -> None:
        self._daemon = daemon
        self._closers: dict[Connection, list[Callable[[], None]]] = {}
        files.remove(files.SOCKET)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.bind(files.SOCKET)
        self._socket.listen(64)
        self._socket.setblocking(False)
        daemon.loop.add(self._socket.fileno(), READ, self._accept)

    def _accept(self, _events: int) -> None:
        try:
            accepted, _ = self._socket.accept()
        except OSError:
            return
        fd = accepted.detach()
        connection = Connection(self._daemon.loop, fd, fd, self._message, self._closed)
        self._closers[connection] = []

    def _closed(self, connection: Connection) -> None:
        for close in self._closers.pop(connection, []):
            close()

    def _message(self, connection: Connection, request: dict[str, Any]) -> None:
        number = request.get("id")
        context = operations.Context(self._daemon, connection, request)
        try:
            result = operations.run(context)
        except AgentError as error:
            connection.send(failure(number, error))
        except OSError as error:  # a full disk, mostly: whose node it is can do something about it
            log(traceback.format_exc())
            why = error.strerror or str(error)
            summary = f"the agent could not serve {request.get('op')!r}: {why}"
            connection.send(failure(number, AgentError("agent-os", summary)))
        except Exception:  # noqa: BLE001 - one bad request must not end the daemon
            log(traceback.format_exc())
            bug = AgentError("agent-bug", f"the agent failed to serve {request.get('op')!r}")
            connection.send(failure(number, bug))
        else:
            if result is not None:
                connection.send(answer(number, result))
        for close in context.closers:
            if connection.closed:
                close()
            else:
                self._closers[connection].append(close)


def lock() -> int:
    """Take the lock that one daemon of this home holds; return its descriptor.

    Returns:
        -1 when another daemon has it. One that became this daemon hands it over.
    """
    given = os.environ.pop(LOCK_VARIABLE, "")
    if given:
        os.set_inheritable(int(given), False)
        return int(given)
    fd = os.open(files.LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(fd)
        return -1
    return fd


def main() -> int:
    """Serve until told to stop; 0 also when another daemon serves already."""
    lock_fd = lock()
    if lock_fd < 0:
        return 0
    try:
        daemon = Daemon(lock_fd)
        Server(daemon)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, lambda _number, _frame: daemon.loop.stop())
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        log(f"agent {VERSION} {install.digest()} boot {boot_id.current()}")
        daemon.start()
        daemon.loop.run()
        # A second signal would end the interpreter otherwise, and the keeper would start another.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    except Exception:  # noqa: BLE001 - written down, and the keeper starts another daemon
        log(traceback.format_exc())
        return 1
    return 0
