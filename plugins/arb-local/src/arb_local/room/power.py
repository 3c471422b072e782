"""Switching machines on and off, and ending them, so that a kill at any line leaves no doubt.

Every function here works under the machine's change lock. The order of an end is: the decision in
the record, every process, the ledger, the folder. Whoever finds a machine between two of these
steps, with nobody holding the lock, carries on.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from typing import TYPE_CHECKING, Any

from arb_local.room.files import make_private, remove_tree, try_lock, write_text
from arb_local.room.ledger import LedgerEvent
from arb_local.room.model import EndReason, RoomError, UnknownMachine
from arb_local.room.processes import members, sweep
from arb_local.room.records import facts_of
from arb_local.room.spawn import start_launcher

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from arb_local.room.ledger import Ledger
    from arb_local.room.records import Folder

__all__ = ["PowerSwitch"]

_SWITCH_S = 15.0
_OVERDUE_S = 3.0


class PowerSwitch:
    """What changes the power of a room's machines."""

    def __init__(self, room: Path, book: Ledger, now: Callable[[], float]) -> None:
        self._room, self._book, self._now = room, book, now

    # -- ends ------------------------------------------------------------------------------

    def end(
        self,
        folder: Folder,
        reason: EndReason,
        detail: str,
        timeout_s: float,
        *,
        own_pid: int | None = None,
    ) -> bool:
        """End a machine; return whether it is gone.

        Args:
            folder: Which.
            reason: Why. The first reason that was decided stays.
            detail: For people.
            timeout_s: When to give up for now.
            own_pid: The caller, when it is the machine's own init: it is spared, and its lock too.
        """
        deadline = time.monotonic() + timeout_s
        try:
            with _changing(folder, deadline) as record:
                return self._end(folder, record, (reason, detail), deadline, own_pid)
        except UnknownMachine:
            # Whoever ended it may have been killed before all of the folder was removed.
            remove_tree(folder.removed)
            return True
        except TimeoutError:
            return False

    def _end(
        self,
        folder: Folder,
        record: dict[str, Any],
        why: tuple[EndReason, str],
        deadline: float,
        own_pid: int | None = None,
    ) -> bool:
        if not record["phase"]:
            record = folder.update(phase="ending", reason=why[0], detail=why[1])
        return self._finish(folder, record, deadline, own_pid)

    def _finish(
        self, folder: Folder, record: dict[str, Any], deadline: float, own_pid: int | None
    ) -> bool:
        if own_pid is None:
            lock = _cut_power(folder, record, deadline)
            if lock is None:
                return False
            os.close(lock)
        elif not sweep(folder.owner(record), deadline=deadline, spare=frozenset({own_pid})):
            return False
        facts = {
            "reason": record["reason"],
            "detail": record["detail"],
            "machine": facts_of(record),
        }
        self._book.append([LedgerEvent(self._now(), "gone", folder.id, facts)])
        folder.path.rename(folder.removed)
        remove_tree(folder.removed)
        return True

    # -- switches --------------------------------------------------------------------------

    def off(self, folder: Folder, detail: str) -> None:
        """Switch a machine off.

        Raises:
            UnknownMachine: It is gone.
            RoomError: Something on it could not be ended.
        """
        with _changing(folder, time.monotonic() + _SWITCH_S) as record:
            _refuse_ending(record)
            if record["power"] != "off":
                self._off(folder, record, detail)

    def _off(self, folder: Folder, record: dict[str, Any], detail: str) -> None:
        os.close(_take_power(folder, record))
        folder.reset_run()
        folder.update(power="off", cutting=False, detail=detail)
        self._write(folder, "stopped", detail=detail)

    def on(self, folder: Folder) -> None:
        """Switch a machine on.

        Raises:
            UnknownMachine: It is gone.
        """
        with _changing(folder, time.monotonic() + _SWITCH_S) as record:
            _refuse_ending(record)
            if record["power"] == "off":
                lock = _take_power(folder, record)
                folder.update(power="on", cutting=False, detail="")
                self._boot(folder, lock, "started")

    def restart(self, folder: Folder) -> None:
        """Switch a machine off and on.

        Raises:
            UnknownMachine: It is gone.
            RoomError: Something on it could not be ended, or it is stopped.
        """
        with _changing(folder, time.monotonic() + _SWITCH_S) as record:
            _refuse_ending(record)
            if record["power"] == "off":
                raise RoomError(f"machine {folder.id} is stopped: start it instead")
            lock = _take_power(folder, record)
            folder.reset_run()
            folder.update(cutting=False)
            self._boot(folder, lock, "rebooted")

    def restart_from_inside(self, folder: Folder, own_pid: int) -> bool:
        """End everything but the init, which then boots the machine again; return whether it may.

        Raises:
            UnknownMachine: It is gone.
        """
        deadline = time.monotonic() + _SWITCH_S
        with _changing(folder, deadline) as record:
            _refuse_ending(record)
            owner = folder.owner(record)
            if not sweep(owner, deadline=deadline, spare=frozenset({own_pid})):
                return False
            folder.reset_run()
            self._write(folder, "rebooted")
        return True

    def _boot(self, folder: Folder, lock: int, event: str) -> None:
        try:
            self._write(folder, event)
            start_launcher(self._room, {folder.id: lock})
        finally:
            os.close(lock)

    def _write(self, folder: Folder, event: str, **facts: Any) -> None:
        self._book.append([LedgerEvent(self._now(), event, folder.id, facts)])

    # -- warnings --------------------------------------------------------------------------

    def give_notice(self, folder: Folder, notice_s: float) -> None:
        """Show the warning in the machine now, and have its init end it later.

        Raises:
            UnknownMachine: It is gone.
        """
        with _changing(folder, time.monotonic() + _SWITCH_S) as record:
            _refuse_ending(record)
            end_at = time.time() + notice_s
            self._show_notice(folder, end_at)
            init = folder.owner(record).init
            if init and folder.has_power():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(init[0], signal.SIGHUP)  # it reads its record again

    def notice_from_inside(self, folder: Folder, end_at: float) -> None:
        """Show the warning of a life that was limited from the start.

        Raises:
            UnknownMachine: It is gone.
        """
        with _changing(folder, time.monotonic() + _SWITCH_S):
            self._show_notice(folder, end_at)

    def _show_notice(self, folder: Folder, end_at: float) -> None:
        make_private(folder.notice.parent)
        write_text(folder.notice, f'{{"action": "preempt", "at": {end_at:.3f}}}\n')
        folder.update(end_at=end_at, notice_at=self._now())
        self._write(folder, "notice", ends_at=end_at)

    # -- what nobody finished --------------------------------------------------------------

    def settle(self, folder: Folder) -> None:
        """Bring a machine whose init or whose changer died into a state that is true."""
        record = folder.read()
        if record is None or not _is_unsettled(folder, record):
            return
        # Gone meanwhile, or somebody is at it: both are fine.
        with contextlib.suppress(UnknownMachine, TimeoutError), _changing(folder, 0) as record:
            if _is_unsettled(folder, record):
                self._settle(folder, record)

    def _settle(self, folder: Folder, record: dict[str, Any]) -> None:
        deadline = time.monotonic() + _SWITCH_S
        if record["phase"] or _is_overdue(record):
            self._end(folder, record, (EndReason.PREEMPTED, ""), deadline)
        elif record["cutting"] or folder.served.exists():
            with contextlib.suppress(RoomError):  # it stays unsettled, and is tried again
                self._off(folder, record, "lost power: its processes were killed from outside")
        else:
            why = (EndReason.FAILED_START, _last_line(folder))
            self._end(folder, record, why, deadline)


def _is_unsettled(folder: Folder, record: dict[str, Any]) -> bool:
    if record["phase"] or record["cutting"] or _is_overdue(record):
        return True
    return record["power"] == "on" and not folder.has_power()


def _is_overdue(record: dict[str, Any]) -> bool:
    """Say whether a machine should have ended itself, and its init did not do it."""
    return bool(record["end_at"]) and time.time() > record["end_at"] + _OVERDUE_S


@contextlib.contextmanager
def _changing(folder: Folder, deadline: float) -> Iterator[dict[str, Any]]:
    """Hold a machine's change lock and hand out its record.

    Raises:
        UnknownMachine: It is gone, maybe only now.
        TimeoutError: Somebody held the lock for too long.
    """
    while (lock := _try_change(folder)) is None:
        if time.monotonic() > deadline:
            raise TimeoutError(f"machine {folder.id} is being changed by another process")
        time.sleep(0.005)
    try:
        record = folder.read()
        if record is None:
            raise UnknownMachine(f"no machine {folder.id}")
        yield record
    finally:
        os.close(lock)


def _try_change(folder: Folder) -> int | None:
    try:
        return try_lock(folder.change_lock)
    except (FileNotFoundError, NotADirectoryError):
        raise UnknownMachine(f"no machine {folder.id}") from None


def _refuse_ending(record: dict[str, Any]) -> None:
    if record["phase"]:
        raise UnknownMachine(f"machine {record['id']} is ending")


def _take_power(folder: Folder, record: dict[str, Any]) -> int:
    # A kill from here on may leave a machine that is frozen half-way: then it is switched off.
    folder.update(cutting=True)
    folder.served.touch()  # whoever switched it off and on wants it back, not its end
    lock = _cut_power(folder, record, time.monotonic() + _SWITCH_S)
    if lock is None:
        left = ", ".join(str(p.pid) for p in members(folder.owner(record)))
        raise RoomError(f"machine {folder.id}: processes {left or 'of its boot'} do not end")
    return lock


def _cut_power(folder: Folder, record: dict[str, Any], deadline: float) -> int | None:
    """End every process and take the power lock, so that no new init can start.

    A launcher holds the lock until it forked its inits; it is waited for, not killed, because it
    may be booting other machines too.
    """
    while time.monotonic() < deadline:
        swept = sweep(folder.owner(record), deadline=deadline)
        lock = try_lock(folder.power_lock)
        if lock is not None:
            # The init may have started between the sweep and the lock; then it died with the
            # lock still held by nobody, so one more look is enough.
            if swept and not members(folder.owner(record)):
                return lock
            os.close(lock)
        time.sleep(0.005)
    return None


def _last_line(folder: Folder) -> str:
    with contextlib.suppress(OSError):
        lines = (folder.run / "node.log").read_text(errors="replace").strip().splitlines()
        if lines:
            return lines[-1][:200]
    return "it never came up"
