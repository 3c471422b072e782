"""The end of the process: what plugins left running does not hold it.

The interpreter waits for every thread that is no daemon, and for executors' threads in any case. A
plugin may have started some, and one of them may hang.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
from typing import Final, NoReturn

from arb.cli import render

__all__ = ["leave"]

_PATIENCE_S: Final = 3.0
"""Who still sends something off may do so."""


def leave(code: int) -> NoReturn:
    """End the process with an exit code, within seconds whatever threads there are."""
    if threading.active_count() > 1:
        threading.Thread(target=_end, args=(code,), name="arb-leave", daemon=True).start()
    sys.exit(code)


def _end(code: int) -> None:
    time.sleep(_PATIENCE_S)
    held = [t.name for t in threading.enumerate() if not t.daemon and t.name != "MainThread"]
    with contextlib.suppress(Exception):  # nobody may be there to hear it
        names = ", ".join(held) or "an executor"
        render.warn(f"not waited for a thread that a plugin left running: {names}")
        sys.stdout.flush()
    os._exit(code)
