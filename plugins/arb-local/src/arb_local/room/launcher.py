"""The launcher: binds the addresses, imports the SSH server once, forks one init a machine."""

from __future__ import annotations

import contextlib
import gc
import os
import sys
import time
import traceback
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

from arb_local.room import addresses
from arb_local.room.files import write_text
from arb_local.room.model import Fault
from arb_local.room.records import Folder

if TYPE_CHECKING:
    import socket
    from collections.abc import Mapping

__all__ = ["announce", "main"]


def main(order: Mapping[str, Any]) -> None:
    """Boot the machines of an order and end.

    Args:
        order: ``room``, and ``machines`` as pairs of id and the descriptor of the power lock.
    """
    os.umask(0o077)
    boots = [Boot(Path(order["room"]), machine, lock) for machine, lock in order["machines"]]
    try:
        for boot in boots:
            boot.prepare()
        _import_server()
    except BaseException:
        for boot in boots:
            boot.explain(traceback.format_exc())
        raise
    gc.freeze()  # the inits share these pages
    for boot in boots:
        if os.fork() == 0:
            for other in boots:
                if other is not boot:
                    other.forget()
            boot.run()


class Boot:
    """One machine on its way up."""

    def __init__(self, room: Path, machine_id: str, lock: int) -> None:
        os.set_inheritable(lock, False)
        self.room, self.id, self.lock = room, machine_id, lock
        self.folder = Folder(room, machine_id)
        self.listener: socket.socket | None = None

    def prepare(self) -> None:
        """Write the boot's identity, and accept connections at once where nothing forbids it.

        They wait in the kernel until the server is there: a client that connects now is answered
        the moment it can be.
        """
        record = self.folder.read()
        if record is None or record["phase"]:
            return
        write_text(self.folder.run / "boot_id", f"{uuid.uuid4()}\n", mode=0o644)
        if record["fault"] == Fault.NONE and record["boot_delay_s"] <= 0:
            with contextlib.suppress(OSError):  # the init tries again, and then reports it
                self.listener = addresses.listen(record["address"], record["port"])
                announce(self.folder)

    def forget(self) -> None:
        """Close what belongs to another machine."""
        os.close(self.lock)
        if self.listener:
            self.listener.close()

    def explain(self, text: str) -> None:
        """Write into the machine's log why it does not come up."""
        with contextlib.suppress(OSError), (self.folder.run / "node.log").open("a") as log:
            log.write(text)

    def run(self) -> None:
        """Become the machine's init; never returns."""
        from arb_local.room.init import Init

        status = 1
        try:
            _detach(self.folder)
            Init(self.room, self.id, self.lock, self.listener).run()
            status = 0
        except BaseException:  # noqa: BLE001 - the last frame of a process: say why it ends
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(status)


def announce(folder: Folder) -> None:
    """Say that the machine's address accepts connections."""
    write_text(folder.listening, str(time.time()))


def _detach(folder: Folder) -> None:
    """Start a session of its own; output goes to the machine's log."""
    os.setsid()
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    log = os.open(folder.run / "node.log", flags, 0o600)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.close(null)
    os.close(log)


def _import_server() -> None:
    """Import the SSH server, and skip what it tries on import and machines do not need."""
    import ctypes.util

    # asyncssh looks for liboqs with find_library, which runs a compiler and ldconfig.
    ctypes.util.find_library = lambda name: None  # noqa: ARG005 - as the original
    import arb_local.room.init
    import arb_local.room.server  # noqa: F401 - forked processes use it
