"""The event loop of the daemon: sockets, timers and ended children, one thread, no polling."""

from __future__ import annotations

import heapq
import os
import select
import signal
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable

READ = select.EPOLLIN
WRITE = select.EPOLLOUT


class Timer:
    """A call that is due; ``cancel`` forgets it."""

    def __init__(self, due: float, call: Callable[[], None]) -> None:
        self.due = due
        self.call: Callable[[], None] | None = call

    def cancel(self) -> None:
        """Forget the call."""
        self.call = None

    def __lt__(self, other: Timer) -> bool:
        return self.due < other.due


class Loop:
    """Waits for everything at once and calls back."""

    def __init__(self) -> None:
        self._poll = select.epoll()
        self._handlers: dict[int, Callable[[int], None]] = {}
        self._timers: list[Timer] = []
        self._children: dict[int, Callable[[int], None]] = {}
        self._running = True
        read_fd, write_fd = os.pipe()
        os.set_blocking(read_fd, False)
        os.set_blocking(write_fd, False)
        self._signal_fds = (read_fd, write_fd)
        self.add(read_fd, READ, self._signalled)
        signal.set_wakeup_fd(write_fd, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda _number, _frame: None)

    def add(self, fd: int, events: int, handler: Callable[[int], None]) -> None:
        """Call ``handler(events)`` whenever ``fd`` is ready."""
        self._poll.register(fd, events)
        self._handlers[fd] = handler

    def change(self, fd: int, events: int) -> None:
        """Wait for other events of ``fd``."""
        self._poll.modify(fd, events)

    def drop(self, fd: int) -> None:
        """Stop waiting for ``fd``; call it before closing."""
        if self._handlers.pop(fd, None) is not None:
            self._poll.unregister(fd)

    def later(self, delay_s: float, call: Callable[[], None]) -> Timer:
        """Call ``call`` once, after ``delay_s`` seconds."""
        timer = Timer(time.monotonic() + delay_s, call)
        heapq.heappush(self._timers, timer)
        return timer

    def on_exit(self, pid: int, call: Callable[[int], None]) -> None:
        """Call ``call(wait status)`` when the child ``pid`` has ended."""
        self._children[pid] = call  # its signal waits in the pipe if it has ended already

    def stop(self) -> None:
        """Return from ``run``."""
        self._running = False

    def run(self) -> None:
        """Serve until ``stop``."""
        while self._running:
            for fd, events in self._poll.poll(self._wait_s()):
                handler = self._handlers.get(fd)
                if handler is not None:
                    handler(events)
            self._run_timers()
        self._running = True  # may be run again; a stop before the first run counts

    def close(self) -> None:
        """Give its descriptors back."""
        self._poll.close()
        for fd in self._signal_fds:
            os.close(fd)

    def _wait_s(self) -> float:
        while self._timers and self._timers[0].call is None:
            heapq.heappop(self._timers)
        if not self._timers:
            return -1
        return max(0.0, self._timers[0].due - time.monotonic())

    def _run_timers(self) -> None:
        now = time.monotonic()
        while self._timers and self._timers[0].due <= now:
            call = heapq.heappop(self._timers).call
            if call is not None:
                call()

    def _signalled(self, _events: int) -> None:
        try:
            while os.read(self._signal_fds[0], 512):
                pass
        except BlockingIOError:
            pass
        self._reap()

    def _reap(self) -> None:
        """Collect all children that ended, also those that nobody asked about."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if not pid:
                return
            call = self._children.pop(pid, None)
            if call is not None:
                call(status)
