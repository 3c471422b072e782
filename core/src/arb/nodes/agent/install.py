"""Putting an agent on the node: ``~/.arb/agent/<digest>/``, compiled once, never changed after.

Several may lie beside each other. ``~/.arb/bin/arb-agent`` starts the newest.
"""

from __future__ import annotations

import os
import shlex
import sys

from . import VERSION, files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Sequence

AGENTS = "agent"
LAUNCHER = os.path.join("bin", "arb-agent")
FLAGS = ["-I", "-S"]
"""Of the interpreter: nothing of the user's Python set-up, and no site packages."""


def own_folder() -> str:
    """Return the folder that this code was unpacked into, or the zipapp that it is in."""
    return os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def digest() -> str:
    """Return the digest of the zipapp that this code came in."""
    return os.path.basename(own_folder()).partition(".")[0]


def command(*arguments: str) -> list[str]:
    """Return the command line that starts this agent with other arguments."""
    return start(sys.executable, own_folder(), *arguments)


def start(python: str, folder: str, *arguments: str) -> list[str]:
    """Return the command line that starts an unpacked agent.

    As a plain script: running the folder itself would import runpy, which costs 6 ms.
    """
    return [python, *FLAGS, os.path.join(folder, "__main__.py"), *arguments]


def number(version: str) -> tuple[int, ...]:
    """Return a version as numbers that compare."""
    return tuple(int(part) for part in version.split(".") if part.isdigit())


def unpack(archive: str, name: str) -> str:
    """Unpack and compile a zipapp, and return its folder; another one doing the same is fine.

    Args:
        archive: The zipapp.
        name: Its digest.
    """
    folder = os.path.abspath(os.path.join(AGENTS, name))
    if is_whole(folder):
        return folder
    import compileall
    import zipfile

    temporary = f"{folder}.{os.getpid()}.tmp"
    with zipfile.ZipFile(archive) as file:
        file.extractall(temporary)
    # Compiled under the final name, so that tracebacks tell the truth.
    compileall.compile_dir(temporary, ddir=folder, quiet=2, force=True)
    files.write(os.path.join(temporary, "python"), sys.executable + "\n")
    files.write(os.path.join(temporary, "ready"), name + "\n")
    _put(temporary, folder)
    return folder


def is_whole(folder: str) -> bool:
    """Return whether an agent can be started: a power cut leaves files empty that were not."""
    name = files.read(os.path.join(folder, "ready")).strip()
    python = files.read(os.path.join(folder, "python")).strip()
    return name == os.path.basename(folder) and os.access(python, os.X_OK)


def _put(temporary: str, folder: str) -> None:
    """Give an unpacked agent its name, unless somebody else was first."""
    import shutil

    aside = temporary + ".old"
    if os.path.exists(folder) and not is_whole(folder):
        os.rename(folder, aside)
    try:
        os.rename(temporary, folder)
    except OSError:
        if not is_whole(folder):
            raise
    for left in (temporary, aside):
        shutil.rmtree(left, ignore_errors=True)


def link() -> None:
    """Make ``bin/arb-agent`` start this agent, unless a newer one is linked."""
    os.makedirs(os.path.dirname(LAUNCHER), 0o700, exist_ok=True)
    words = files.read(LAUNCHER).rpartition("# version ")[2].split()
    if words and number(words[0]) > number(VERSION):
        return
    line = " ".join(shlex.quote(word) for word in command())
    text = f'#!/bin/sh\nexec {line} "$@"\n# version {VERSION}\n'
    if text != files.read(LAUNCHER):
        files.write(LAUNCHER, text, mode=0o700)


def launcher() -> str:
    """Return the path of what starts the newest agent of this home."""
    return os.path.join(files.home(), ".arb", LAUNCHER)


def main(archive: str, arguments: Sequence[str]) -> None:
    """Install the zipapp that runs, and go on as the installed one."""
    import hashlib

    with open(archive, "rb") as file:
        name = hashlib.sha256(file.read()).hexdigest()[:16]
    folder = unpack(archive, name)
    os.execv(sys.executable, start(sys.executable, folder, *arguments))
