"""Reading a job's log, from any offset, as far as it goes or as long as it grows.

The front end reads the files itself: the daemon may be dead or busy.
"""

from __future__ import annotations

import os

from . import files
from .jobs import FINAL
from .protocol import AgentError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

CHUNK = 128 * 1024
_BLOCK = 64 * 1024


class LogStream:
    """One reader of one job's log.

    Args:
        request: ``job``, ``offset`` (bytes), ``tail`` (lines, instead), ``follow``, ``wait`` (also
            for the job itself: a peer hears of it a moment later than the head).

    Raises:
        AgentError: There is no such job, or a field is wrong.
    """

    def __init__(self, request: dict[str, Any]) -> None:
        number = request.get("job")
        self._folder = os.path.join(files.JOBS, str(number) if isinstance(number, int) else "-")
        self._state: dict[str, Any] = files.read_json(self._file("state.json")) or {}
        if not self._state and not request.get("wait"):
            raise AgentError(
                "no-such-job", f"there is no job {number}", "arb queue CLUSTER lists them"
            )
        rank = request.get("rank")
        if self._state and rank is not None and rank != self._state.get("rank", 0):
            own = self._state.get("rank", 0)
            raise AgentError("wrong-node", f"this node holds the log of rank {own} only")
        self.id = request.get("id")
        self._follow = bool(request.get("follow"))
        self._stamp: tuple[int, int] | None = None
        self._fd = -1
        self.offset = int(request.get("offset") or 0)
        tail = request.get("tail")
        if tail is not None and self._open():
            self.offset = _tail_offset(self._fd, int(tail))

    def read(self) -> str | None:
        """Return more of the log; empty when there is none now, None when that was all."""
        # The state first: what a finished job wrote is there before its state says so.
        ended = not self._follow or self._refresh() in FINAL
        if self._open():
            data = os.pread(self._fd, CHUNK, self.offset)
            if data:
                self.offset += len(data)
                return data.decode("utf-8", "surrogateescape")
        return None if ended else ""

    def result(self) -> dict[str, Any]:
        """Return what the stream ends with."""
        self._refresh()
        seen = {key: self._state.get(key) for key in ("state", "reason", "exit_code")}
        return {**seen, "offset": self.offset}

    def close(self) -> None:
        """Give the file back."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _file(self, name: str) -> str:
        return os.path.join(self._folder, name)

    def _open(self) -> bool:
        if self._fd < 0:
            try:
                self._fd = os.open(self._file("log"), os.O_RDONLY | os.O_CLOEXEC)
            except FileNotFoundError:
                return False
        return True

    def _refresh(self) -> str:
        """Return the job's state, read again only when it was written again."""
        try:
            found = os.stat(self._file("state.json"))
        except FileNotFoundError:
            # Not there yet, or the node began another life.
            return str(self._state and "LOST")
        stamp = (found.st_ino, found.st_mtime_ns)
        if stamp != self._stamp:
            self._state = files.read_json(self._file("state.json")) or self._state
            self._stamp = stamp
        return str(self._state.get("state", ""))


def _tail_offset(fd: int, lines: int) -> int:
    """Return where the last ``lines`` lines begin."""
    end = position = os.fstat(fd).st_size
    if lines <= 0:
        return end
    wanted = lines
    if end and os.pread(fd, 1, end - 1) == b"\n":
        wanted += 1
    while position:
        size = min(_BLOCK, position)
        position -= size
        block = os.pread(fd, size, position)
        count = block.count(b"\n")
        if count < wanted:
            wanted -= count
            continue
        at = len(block)
        for _ in range(wanted):
            at = block.rindex(b"\n", 0, at)
        return position + at + 1
    return 0
