"""Commands that a machine needs and this system may not have: ``ssh`` and ``python3``."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from typing import TYPE_CHECKING

from arb_local.room.environment import SYSTEM_PATH
from arb_local.room.files import make_private, write_text
from arb_local.room.spawn import search_path

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["tool_folders", "write_python", "write_ssh"]

_SSH = """#!/bin/sh
# An SSH client for systems that have none. It knows the options that arb's agent uses.
exec {python} -S -E -c {code} "$@"
"""
_SSH_CODE = """import sys
sys.path[:] = {path!r}
from arb_local.ssh_command import main
sys.exit(main(sys.argv[1:]))
"""


def tool_folders(room: Path) -> tuple[str, ...]:
    """Return the folders with stand-ins for what the system lacks; usually none."""
    folders = []
    if shutil.which("ssh", path=SYSTEM_PATH) is None:
        folders.append(write_ssh(room / "tools" / "ssh"))
    if shutil.which("python3", path=SYSTEM_PATH) is None:
        folders.append(write_python(room / "tools" / "python"))
    return tuple(str(folder) for folder in folders)


def write_ssh(folder: Path) -> Path:
    """Write the ``ssh`` command into a folder and return it."""
    make_private(folder)
    code = _SSH_CODE.format(path=search_path())
    text = _SSH.format(python=shlex.quote(sys.executable), code=shlex.quote(code))
    write_text(folder / "ssh", text, mode=0o755)
    return folder


def write_python(folder: Path) -> Path:
    """Link ``python3`` to the interpreter under this one, virtual environments left aside."""
    make_private(folder)
    base = os.path.realpath(getattr(sys, "_base_executable", sys.executable))
    link = folder / "python3"
    if not link.is_symlink() or os.readlink(link) != base:  # noqa: PTH115 - a string is compared
        partial = folder / f".python3.{os.getpid()}"
        partial.symlink_to(base)
        partial.replace(link)
    return folder
