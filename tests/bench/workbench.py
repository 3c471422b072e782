"""What rows share: a temporary folder, homes, servers. All of it ends with the ``with`` block."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Self

from .harness import Skipped
from .sshd import OpenSsh
from .timing import ARB, TIMEOUT_S, to_end

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Home", "Workbench"]


class Home:
    """One ARB_HOME with a user's home beside it."""

    def __init__(self, folder: Path, **env: str) -> None:
        self.folder = folder
        self.arb = folder / "arb"
        (folder / "user").mkdir(parents=True)
        self.env: Mapping[str, str] = {
            "PATH": os.environ["PATH"],
            "LANG": "C.UTF-8",
            "TERM": "dumb",
            "HOME": str(folder / "user"),
            "ARB_HOME": str(self.arb),
            **env,
        }

    def run(self, *arguments: str) -> float:
        """Run ``arb`` to its end; return the seconds."""
        return to_end([*ARB, *arguments], self.env)

    def launch(self, name: str) -> None:
        """Bring a cluster of one node of this machine up; wait for a job there."""
        self.run("launch", "--yes", "--cluster", name, "--infra", "local", "true")

    def end_clusters(self) -> None:
        """End every cluster, also after something went wrong."""
        subprocess.run(
            [*ARB, "down", "--yes", "--all"], env=self.env, stdin=subprocess.DEVNULL,
            capture_output=True, timeout=TIMEOUT_S, check=False,
        )  # fmt: skip


class Workbench:
    """The means of all rows of one run.

    Args:
        runs: How many samples a row takes.
    """

    def __init__(self, runs: int) -> None:
        self.runs = runs
        self.folder = Path(tempfile.mkdtemp(prefix="arb-bench-"))
        self._exits = ExitStack()
        self._exits.callback(shutil.rmtree, self.folder, ignore_errors=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._exits.close()

    @property
    def exits(self) -> ExitStack:
        """What is called when the run ends."""
        return self._exits

    def home(self, name: str, **env: str) -> Home:
        """Make a home for commands that only read."""
        return Home(self.folder / name, **env)

    def home_of_clusters(self, name: str) -> Home:
        """Make a home whose clusters end with the run."""
        home = self.home(name)
        self._exits.callback(home.end_clusters)
        return home

    @cached_property
    def local(self) -> Home:
        """The home that has an idle cluster ``bench`` of one node on this machine."""
        home = self.home_of_clusters("local")
        home.launch("bench")
        return home

    def open_ssh(self, name: str, ports: int = 1) -> OpenSsh:
        """Start real SSH servers.

        Raises:
            Skipped: There is no OpenSSH here.
        """
        from arb.nodes.keys import generate_key

        return self.open_ssh_for(name, generate_key(), ports)

    def open_ssh_for(self, name: str, client: object, ports: int = 1) -> OpenSsh:
        """Start real SSH servers that let a key pair in."""
        folder = self.folder / name
        folder.mkdir()
        servers = OpenSsh(folder, client, ports)  # type: ignore[arg-type]  # a KeyPair
        self._exits.callback(servers.close)
        return servers

    @cached_property
    def sshd(self) -> OpenSsh | None:
        """A real SSH server; None when there is none here."""
        try:
            return self.open_ssh("sshd")
        except Skipped:
            return None

    def bare_ssh(self, remote: str) -> tuple[list[str], Mapping[str, str], str]:
        """Return a plain SSH exec: command line, environment, and which server it reaches.

        Raises:
            Skipped: There is no OpenSSH client here.
        """
        if self.sshd is not None:
            return self.sshd.command(remote), self.local.env, "sshd"
        return self.local_ssh(remote), self.local.env, "an arb-local node, for want of sshd"

    def local_ssh(self, remote: str) -> list[str]:
        """Return the OpenSSH client's command line for an exec on the idle cluster's node."""
        ssh = shutil.which("ssh")
        if ssh is None:
            raise Skipped("needs an OpenSSH client (ssh)")
        return [ssh, "-F", str(self.local.arb / "ssh" / "config"), "bench", remote]
