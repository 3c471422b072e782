"""A home folder of its own, a real OpenSSH server as the yardstick, and the ``arb`` to measure."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Self

from tests.core.nodes.conftest import SSHD, Sshd

from arb.nodes.keys import generate_key

__all__ = ["World"]


class World:
    """What the rows share. Leaving it takes every cluster down and removes the folder."""

    def __init__(self) -> None:
        self.root = Path(tempfile.mkdtemp(prefix="arb-bench-"))
        self.arb = Path(sys.executable).parent / "arb"
        self.env = {
            "HOME": str(self.root),
            "ARB_HOME": str(self.root / "arb"),
            "PATH": os.environ.get("PATH", os.defpath),
        }
        self._sshd: Sshd | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        down = [self.arb, "down", "--all", "--yes"]
        subprocess.run(down, env=self.env, capture_output=True, check=False)
        if self._sshd is not None:
            self._sshd.stop()
        shutil.rmtree(self.root)

    @property
    def has_openssh(self) -> bool:
        """Say whether the yardstick of the SSH rows can be had here."""
        return SSHD is not None and shutil.which("ssh") is not None

    def sshd(self) -> Sshd:
        """Return a running OpenSSH server on 127.0.0.1."""
        if self._sshd is None:
            if os.geteuid() == 0:
                Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
            folder = self.root / "sshd"
            folder.mkdir()
            self._sshd = Sshd(folder, generate_key())
            self._sshd.start()
        return self._sshd

    def openssh(self, command: str) -> list[str]:
        """Return the command line of a fresh OpenSSH connection that runs one command."""
        sshd = self.sshd()
        key = self.root / "sshd" / "client"
        if not key.exists():
            key.touch(mode=0o600)
            key.write_text(sshd.client.private)
        known = self.root / "sshd" / "known_hosts"
        known.write_text(f"[127.0.0.1]:{sshd.port} {sshd.host.public}\n")
        options = [f"UserKnownHostsFile={known}", "StrictHostKeyChecking=yes", "BatchMode=yes"]
        flags = [part for option in options for part in ("-o", option)]
        where = ["-p", str(sshd.port), f"{sshd.user}@127.0.0.1"]
        return ["ssh", "-F", "none", "-i", str(key), *flags, *where, command]
