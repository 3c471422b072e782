"""The installed command, run as people run it: a process of its own, with its own ARB_HOME."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["Arb", "eventually", "processes_with", "read_until"]

ARB = [sys.executable, "-m", "arb"]
TIMEOUT_S = 60
CLOUDS = "aws,gcp,lambda,spheron"
"""Providers of the internet: no test asks them unless it says where a simulated one is."""


class Arb:
    """The command line with one home.

    Args:
        root: A folder of its own.
        command: What stands for ``arb``.
    """

    def __init__(self, root: Path, command: Sequence[str] = ARB) -> None:
        self.root = root
        self.command = list(command)
        self.home = root / "arb"
        self.user_home = root / "user"
        self.user_home.mkdir()
        self._started: list[subprocess.Popen[str]] = []
        self.env = {
            "HOME": str(self.user_home),
            "ARB_HOME": str(self.home),
            "PATH": os.environ["PATH"],
            "LANG": "C.UTF-8",
            "TERM": "dumb",
            "ARB_DISABLE_PROVIDERS": CLOUDS,
        }

    def __call__(
        self,
        *arguments: str,
        code: int = 0,
        env: dict[str, str] | None = None,
        cwd: Path | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Run one command; fail unless it ends with this exit code."""
        done = subprocess.run(
            [*self.command, *arguments],
            env={**self.env, **(env or {})},
            cwd=cwd or self.root,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )
        told = f"arb {' '.join(arguments)}\n{done.stdout}\n{done.stderr}"
        assert done.returncode == code, f"exit code {done.returncode}: {told}"
        return done

    def json(self, *arguments: str, code: int = 0) -> Any:
        """Run one command with ``--json`` and return the document."""
        return json.loads(self(*arguments, "--json", code=code).stdout)

    def start(self, *arguments: str, env: dict[str, str] | None = None) -> subprocess.Popen[str]:
        """Start one command, in a session of its own as a shell job has it."""
        process = subprocess.Popen(
            [*self.command, *arguments],
            env={**self.env, **(env or {})},
            cwd=self.root,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self._started.append(process)
        return process

    def close(self) -> None:
        """End what was started and is not ended yet."""
        for process in self._started:
            process.kill()
            process.wait()
            process.stdout.close()

    def write(self, name: str, text: str) -> str:
        """Write a file beside the home and return its path."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return str(path)

    def machine_folders(self) -> list[Path]:
        """Return the folders of arb-local's machines."""
        folder = self.home / "data" / "local" / "room" / "machines"
        return sorted(folder.iterdir()) if folder.exists() else []

    def node_processes(self) -> list[int]:
        """Return processes that run on nodes of this home, or for them."""
        return processes_with(str(self.home).encode() + b"/data/local/room", me=os.getpid())


def processes_with(text: bytes, *, me: int) -> list[int]:
    """Return processes whose environment or arguments hold a text."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            about = (entry / "environ").read_bytes() + (entry / "cmdline").read_bytes()
            state = (entry / "stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            continue
        if text in about and state != "Z" and int(entry.name) != me:
            found.append(int(entry.name))
    return found


def read_until(process: subprocess.Popen[str], text: str) -> str:
    """Return what a process prints until a line holds a text; fail when it ends before that."""
    read = ""
    while text not in read:
        line = process.stdout.readline()
        assert line, f"it ended without {text!r}:\n{read}"
        read += line
    return read


def eventually(
    claim: Callable[[], Any], *, within_s: float = 15, what: str = "", every_s: float = 0.05
) -> Any:
    """Return the first true value of a claim, or fail. What a claim costs is paid ``every_s``."""
    limit = time.monotonic() + within_s
    while time.monotonic() < limit:
        if value := claim():
            return value
        time.sleep(every_s)
    raise AssertionError(f"not within {within_s} s: {what or claim}")
