"""A machine's init: adopts orphans, keeps the SSH server up, ends or restarts the machine.

Signals: ``SIGTERM`` ends the machine, ``SIGUSR1`` restarts it, ``SIGHUP`` has it read its record.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any, Final, Never

from arb_local.room import addresses, kernel
from arb_local.room.environment import node_environment
from arb_local.room.files import write_json
from arb_local.room.launcher import announce
from arb_local.room.ledger import Ledger
from arb_local.room.model import EndReason, Fault, RoomError
from arb_local.room.power import PowerSwitch
from arb_local.room.processes import Owner, own_start, set_mark, sweep
from arb_local.room.records import Folder
from arb_local.room.spawn import become_launcher
from arb_local.room.tools import tool_folders

if TYPE_CHECKING:
    import socket
    from pathlib import Path

__all__ = ["Init"]

_RESTARTS: Final = 5
_RESTART_WINDOW_S: Final = 10.0
_END_S: Final = 60.0
_LOOK_S: Final = 15.0
"""How often an idle init looks whether its folder is still there."""


class Init:
    """One boot of one machine.

    Args:
        room: The room's folder.
        machine_id: Which machine.
        lock: Descriptor of the power lock; it is held until this process ends.
        listener: The machine's listening socket, where the launcher made it already.
    """

    def __init__(
        self, room: Path, machine_id: str, lock: int, listener: socket.socket | None
    ) -> None:
        self.room, self.lock, self.listener = room, lock, listener
        self.folder = Folder(room, machine_id)
        self.power = PowerSwitch(room, Ledger(room / "ledger.jsonl"), time.time)
        self.server_pid = 0
        self.server_starts: list[float] = []
        self.wake, self.arrived = -1, set[int]()
        self.record: dict[str, Any] = {}
        self.environment: dict[str, str] = {}

    def run(self) -> None:
        """Live until the machine ends or restarts."""
        if not self._prepare():
            return
        if self.record["fault"] == Fault.DIES_AT_BOOT:
            self._end(EndReason.FAILED_START, "the machine was told to die at boot")
            return
        self._start_boot_scripts()
        serve_at = self.record["boot_delay_s"] + time.time()
        while not self.server_pid and not self._is_mute():
            if self._handle(self._wait(min(serve_at, self._next_deadline()))):
                return
            if time.time() >= serve_at:
                self._serve()
        while not self._handle(self._wait(self._next_deadline())):
            self._keep_serving()

    def _is_mute(self) -> bool:
        """Say whether there is never a server; such a machine may look alive all the same."""
        return self.record["fault"] in {Fault.STUCK, Fault.NO_SSH}

    # -- start -----------------------------------------------------------------------------

    def _prepare(self) -> bool:
        """Take the marks and signals; return False when the machine was ended meanwhile."""
        kernel.set_name("arb-init")
        kernel.become_subreaper()
        self._watch_signals()
        record = self.folder.read()
        if record is None:
            return False
        self.record = record
        set_mark(record["mark"])
        write_json(self.folder.run / "init.json", {"pid": os.getpid(), "start": own_start()})
        tools = tool_folders(self.room)
        self.environment = node_environment(self.folder.path, record, tools)
        if record["fault"] == Fault.NO_SSH:
            announce(self.folder)
        # Whoever changed the record before init.json was there had no init to tell: look once more.
        self.record = self.folder.read() or {**record, "phase": "gone"}
        return not self.record["phase"]

    def _watch_signals(self) -> None:
        self.wake, writer = os.pipe()
        os.set_blocking(self.wake, False)
        os.set_blocking(writer, False)
        for number in (signal.SIGTERM, signal.SIGUSR1, signal.SIGHUP, signal.SIGCHLD):
            signal.signal(number, lambda number, _frame: self.arrived.add(number))
        signal.set_wakeup_fd(writer, warn_on_full_buffer=False)

    def _start_boot_scripts(self) -> None:
        """Run the first boot's commands, and at every boot what is in ``boot.d``, in order."""
        first = self.folder.path / "first-boot-done"
        if not first.exists():
            first.touch()
            if self.record["boot_commands"]:
                script = "\n".join(f"({line}\n)" for line in self.record["boot_commands"])
                self._start([self.environment["SHELL"], "-c", script])
        for script_path in sorted(self.folder.boot_scripts.iterdir()):
            if script_path.is_file() and os.access(script_path, os.X_OK):
                self._start([str(script_path)])

    def _start(self, command: list[str]) -> None:
        try:
            subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                env=self.environment,
                cwd=self.folder.home,
                start_new_session=True,
            )
        except OSError as error:
            self._log(f"boot script {command[0]}: {error}")

    # -- the SSH server --------------------------------------------------------------------

    def _serve(self) -> None:
        """Fork the server; this process keeps the socket, so that a restart loses no client."""
        if self.listener is None:
            self.listener = addresses.listen(self.record["address"], self.record["port"])
        pid = os.fork()
        if pid == 0:
            self._become_server(self.listener)
        self.server_pid = pid
        self.server_starts.append(time.monotonic())
        self.folder.served.touch()
        if not self.folder.listening.exists():
            announce(self.folder)

    def _become_server(self, listener: socket.socket) -> Never:
        from arb_local.room.server import serve

        status = 1
        try:
            kernel.die_with_parent()
            kernel.set_name("arb-sshd")
            signal.set_wakeup_fd(-1)
            for number in (signal.SIGTERM, signal.SIGUSR1, signal.SIGHUP, signal.SIGCHLD):
                signal.signal(number, signal.SIG_DFL)
            os.close(self.lock)
            os.close(self.wake)
            serve(self.folder, self.record, self.environment, listener)
            status = 0
        finally:
            sys.stderr.flush()
            os._exit(status)

    def _keep_serving(self) -> None:
        """Start the server again when it died, unless it does nothing but die."""
        if self.server_pid or self._is_mute():
            return
        recent = time.monotonic() - _RESTART_WINDOW_S
        self.server_starts = [at for at in self.server_starts if at > recent]
        if len(self.server_starts) >= _RESTARTS:
            self._end(EndReason.FAILED_START, "its SSH server does not stay up: see node.log")
            os._exit(1)
        self._serve()

    # -- waiting ---------------------------------------------------------------------------

    def _next_deadline(self) -> float:
        end_at = self.record["end_at"]
        times = []
        if end_at:
            times.append(end_at)
            if not self.record["notice_at"] and self.record["notice_s"]:
                times.append(end_at - self.record["notice_s"])
        if self.record["bringup_timeout_s"]:
            times.append(self.record["bringup_at"])
        return min(times, default=float("inf"))

    def _wait(self, until: float) -> set[int]:
        """Sleep until a signal or a time; return the signals."""
        if not self.arrived:
            timeout = min(max(0.0, until - time.time()), _LOOK_S)
            with contextlib.suppress(InterruptedError):
                select.select([self.wake], [], [], timeout)
        with contextlib.suppress(BlockingIOError):
            os.read(self.wake, 4096)
        arrived, self.arrived = self.arrived, set()
        return arrived

    def _handle(self, arrived: set[int]) -> bool:
        """Do what signals and deadlines ask for; return whether the machine is over."""
        self._reap()
        if signal.SIGTERM in arrived:
            return self._end(EndReason.USER, "it ended itself")
        if signal.SIGUSR1 in arrived:
            self._restart()
        if signal.SIGHUP in arrived:
            self.record = self.folder.read() or self.record
        if not self.folder.path.exists():
            return self._vanish()
        return self._handle_deadlines(time.time())

    def _handle_deadlines(self, now: float) -> bool:
        end_at = self.record["end_at"]
        if end_at and now >= end_at:
            return self._end(EndReason.PREEMPTED, "")
        if end_at and not self.record["notice_at"] and now >= end_at - self.record["notice_s"]:
            self.power.notice_from_inside(self.folder, end_at)
            self.record = self.folder.read() or self.record
        if self.record["bringup_timeout_s"] and now >= self.record["bringup_at"]:
            if self.folder.armed.exists():
                return self._end(EndReason.FAILED_START, "the bring-up timer ran out")
            self.record["bringup_timeout_s"] = 0
        return False

    def _reap(self) -> None:
        """Collect what ended: own children and every orphan of the machine."""
        with contextlib.suppress(ChildProcessError):
            while (ended := os.waitpid(-1, os.WNOHANG))[0]:
                if ended[0] == self.server_pid:
                    self.server_pid = 0
                    self._log(f"the SSH server ended with status {ended[1]}")

    # -- ends ------------------------------------------------------------------------------

    def _end(self, reason: EndReason, detail: str) -> bool:
        """End the machine from inside; return whether it is gone."""
        if self.listener:
            self.listener.close()
        return self.power.end(self.folder, reason, detail, _END_S, own_pid=os.getpid())

    def _vanish(self) -> bool:
        """End every process of a machine whose folder somebody removed: nobody else could."""
        owner = Owner(str(self.folder.path), self.record["mark"], (os.getpid(), own_start()))
        spare = frozenset({os.getpid()})
        return sweep(owner, deadline=time.monotonic() + _END_S, spare=spare)

    def _restart(self) -> None:
        """Boot again in this process's place; does nothing when the machine is ending."""
        with contextlib.suppress(RoomError, TimeoutError):
            if self.power.restart_from_inside(self.folder, os.getpid()):
                become_launcher(self.room, self.folder.id, self.lock)

    def _log(self, text: str) -> None:
        print(text, file=sys.stderr, flush=True)  # noqa: T201 - the machine's own log
