"""Starting the launcher: one short-lived process that boots all machines of one call."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["become_launcher", "python_command", "start_launcher"]

_CODE = (
    "import json, sys; order = json.load(sys.stdin); sys.path[:] = order['path']; "
    "from arb_local.room.launcher import main; main(order)"
)


def start_launcher(room: Path, locks: Mapping[str, int]) -> None:
    """Boot machines, without waiting for them.

    Args:
        room: The room's folder.
        locks: Machine id to the descriptor of its power lock. The launcher gets copies: a lock is
            held for as long as the launcher or the machine's init lives.
    """
    process = subprocess.Popen(
        python_command(),
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={},
        cwd="/",
        pass_fds=list(locks.values()),
        start_new_session=True,
    )
    if process.stdin:
        with process.stdin:
            process.stdin.write(_order(room, locks))
    # Somebody has to collect the launcher when it is done; nobody waits for it.
    threading.Thread(target=process.wait, name="arb-local-launcher", daemon=True).start()


def become_launcher(room: Path, machine_id: str, lock: int) -> None:
    """Replace this process, a machine's init, by a launcher that boots the machine again."""
    reader, writer = os.pipe()
    os.write(writer, _order(room, {machine_id: lock}))
    os.close(writer)
    os.dup2(reader, 0)
    os.set_inheritable(lock, True)
    command = python_command()
    os.execve(command[0], command, {})  # noqa: S606 - there is no shell to spare


def python_command() -> list[str]:
    """Return the command that reads an order from its standard input.

    ``-S -E`` spare the launcher what the order's own search path already contains.
    """
    return [sys.executable, "-S", "-E", "-c", _CODE]


def search_path() -> list[str]:
    """Return this process's module search path in a form that holds in another folder."""
    own = str(Path(__file__).parents[2])
    # "" is the current folder: a task's own logging.py there must not get into the launcher.
    entries = [os.path.abspath(entry) for entry in sys.path if entry]  # noqa: PTH100 - keeps links
    return entries if own in entries else [own, *entries]


def _order(room: Path, locks: Mapping[str, int]) -> bytes:
    order = {"path": search_path(), "room": str(room), "machines": list(locks.items())}
    return json.dumps(order).encode()
