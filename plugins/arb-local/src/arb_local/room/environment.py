"""The environment of a machine's processes: made from nothing, so that nothing leaks into it."""

from __future__ import annotations

import os
import pwd
import shutil
import sys
from typing import TYPE_CHECKING, Any, Final

from arb_local.room.processes import MARKER

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

__all__ = ["PROTECTED", "SYSTEM_PATH", "login_name", "node_environment", "shell"]

SYSTEM_PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_MAC_PATH: Final = "/opt/homebrew/bin:/opt/homebrew/sbin"

PROTECTED: Final = frozenset(
    {"HOME", "PATH", "USER", "LOGNAME", "SHELL", "ARB_BOOT_DIR", "ARB_BOOT_ID_FILE", MARKER}
)
"""What an SSH client may not set."""


def login_name() -> str:
    """Return the name of the user who runs this process; the environment is not asked."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # a container's user without an entry
        return f"uid{os.getuid()}"


def shell() -> str:
    """Return the shell that runs commands: bash, as on the clouds' images, else sh."""
    return shutil.which("bash", path=SYSTEM_PATH) or "/bin/sh"


def node_environment(
    folder: Path, record: Mapping[str, Any], tools: Sequence[str] = ()
) -> dict[str, str]:
    """Return what every process of a machine starts with.

    Args:
        folder: The machine's folder.
        record: Its record: ``user``, ``environment`` and ``path`` are read.
        tools: Folders with commands that the system lacks; they come last.
    """
    system = SYSTEM_PATH if sys.platform != "darwin" else f"{_MAC_PATH}:{SYSTEM_PATH}"
    path = [str(folder / "bin"), *record["path"], system, *tools]
    return {
        "LANG": "C.UTF-8",
        "TERM": "dumb",
        **record["environment"],
        "HOME": str(folder / "home"),
        "PATH": ":".join(path),
        "USER": record["user"],
        "LOGNAME": record["user"],
        "SHELL": shell(),
        "ARB_BOOT_DIR": str(folder / "boot.d"),
        "ARB_BOOT_ID_FILE": str(folder / "run" / "boot_id"),
        MARKER: str(folder),
    }
