"""Every machine that was ever made, with times and reasons: one JSON line an event."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

__all__ = ["Ledger", "LedgerEvent", "MachineHistory"]

_BLOCK = 1 << 16


@dataclass(frozen=True, slots=True)
class LedgerEvent:
    """Something that happened to a machine.

    ``event`` is ``made``, ``stopped``, ``started``, ``rebooted``, ``notice`` or ``gone``; ``facts``
    are the rest of the line.
    """

    at: float
    event: str
    id: str
    facts: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class MachineHistory:
    """The whole life of one machine. ``gone_at`` is 0 while it is there."""

    id: str
    made: LedgerEvent
    events: tuple[LedgerEvent, ...]

    @property
    def gone(self) -> LedgerEvent | None:
        """The event that ended it; the first counts, because a crash may have written two."""
        return next((e for e in self.events if e.event == "gone"), None)

    @property
    def gone_at(self) -> float:
        """When it ended."""
        return self.gone.at if self.gone else 0.0


class Ledger:
    """An append-only file. Lines of several processes never mix; a torn one spoils only itself."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def append(self, events: Iterable[LedgerEvent]) -> None:
        """Write events and wait until they are on the disk."""
        fd = os.open(self._path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)
            text = b"".join(_line(event) for event in events)
            if _is_torn(fd):
                text = b"\n" + text
            view = memoryview(text)
            while view:
                view = view[os.write(fd, view) :]
            os.fsync(fd)
        finally:
            os.close(fd)

    def events(self) -> Iterator[LedgerEvent]:
        """Yield all events, oldest first."""
        with contextlib.suppress(FileNotFoundError), self._path.open("rb") as file:
            for line in file:
                event = _parse(line)
                if event:
                    yield event

    def recent(self, since: float) -> list[LedgerEvent]:
        """Return the events since a time, oldest first, reading no more of the file than needed."""
        found: list[LedgerEvent] = []
        for line in _lines_backwards(self._path):
            event = _parse(line)
            if event and event.at < since:
                break
            if event:
                found.append(event)
        return found[::-1]

    def histories(self) -> list[MachineHistory]:
        """Return every machine that was ever made, in the order of making."""
        lives: dict[str, list[LedgerEvent]] = {}
        for event in self.events():
            lives.setdefault(event.id, []).append(event)
        return [
            MachineHistory(id_, events[0], tuple(events))
            for id_, events in lives.items()
            if events[0].event == "made"
        ]


def _line(event: LedgerEvent) -> bytes:
    document = {"at": event.at, "event": event.event, "id": event.id, **event.facts}
    return json.dumps(document, separators=(",", ":")).encode() + b"\n"


def _parse(line: bytes) -> LedgerEvent | None:
    try:
        document = json.loads(line)
        return LedgerEvent(document.pop("at"), document.pop("event"), document.pop("id"), document)
    except (ValueError, KeyError, AttributeError, TypeError):
        return None  # torn by a crash in the middle of the write


def _is_torn(fd: int) -> bool:
    size = os.fstat(fd).st_size
    return size > 0 and os.pread(fd, 1, size - 1) != b"\n"


def _lines_backwards(path: Path) -> Iterator[bytes]:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        end, rest = os.fstat(fd).st_size, b""
        while end > 0:
            start = max(0, end - _BLOCK)
            lines = (os.pread(fd, end - start, start) + rest).split(b"\n")
            rest, end = lines[0], start
            yield from reversed(lines[1:])
        yield rest
    finally:
        os.close(fd)
