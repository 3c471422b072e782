"""The process that forks: it has imported everything, so that a command costs no import.

Started by ``forks.Forks``. It has one thread, and takes orders from a socket.
"""

from __future__ import annotations

import ctypes
import gc
import importlib
import json
import os
import pkgutil
import signal
import socket
import sys
from typing import Any

__all__ = ["main", "preload"]

_NEVER = ("arb.__main__", "arb.nodes.agent.", "arb.testing")
_ALWAYS = (
    "arb",
    "arb.nodes.agent",
    "cryptography.hazmat.primitives.asymmetric.ed25519",
    "pandas",
    "requests",
    "yaml",
    "crashes.child",
)
_MOST = 1 << 20
_PR_SET_PDEATHSIG = 1


def main(descriptor: int) -> None:
    """Carry out orders until the other end is closed."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for children: they vanish
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    preload(_ALWAYS)
    control = socket.socket(fileno=descriptor)
    while True:
        data, fds, _, _ = socket.recv_fds(control, _MOST, 4)
        if not data:
            return
        order = json.loads(data)
        pid = _preload_more(order) if "preload" in order else _fork(order, fds, control)
        for fd in fds:
            os.close(fd)
        control.send(str(pid).encode())


def preload(names: tuple[str, ...]) -> None:
    """Import modules, and all that are below them when they are packages of ours."""
    for name in names:
        module = importlib.import_module(name)
        if not name.startswith("arb"):
            continue
        for found in pkgutil.walk_packages(getattr(module, "__path__", ()), f"{name}."):
            if not found.name.startswith(_NEVER):
                importlib.import_module(found.name)
    gc.collect()
    gc.freeze()  # the forks share these pages


def _die_with_parent() -> None:
    """Let the kernel kill this process, stopped or not, when the one that forked it ends."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _preload_more(order: dict[str, Any]) -> int:
    preload(tuple(order["preload"]))
    return 0


def _fork(order: dict[str, Any], fds: list[int], control: socket.socket) -> int:
    mine, childs = os.pipe()
    pid = os.fork()
    if pid:
        os.close(childs)
        os.read(mine, 1)  # from now on it ends with this process, even if it is stopped at once
        os.close(mine)
        return pid
    _die_with_parent()
    os.close(mine)
    os.close(childs)
    from crashes.child import run

    control.close()
    run(order, *fds)
    os._exit(1)  # never reached


if __name__ == "__main__":
    main(int(sys.argv[1]))
