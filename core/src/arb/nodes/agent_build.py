"""Builds the node agent: one zipapp, the same bytes from the same sources."""

from __future__ import annotations

import functools
import hashlib
import io
import zipfile
from dataclasses import dataclass, field
from importlib import resources

from arb.nodes.agent import VERSION
from arb.nodes.remote import sh

__all__ = ["REMOVED", "AgentPayload", "agent_payload"]

_PACKAGE = "arb.nodes.agent"
_MAIN = """\
import sys

sys.path.insert(0, __file__.rpartition("/")[0])

from arb_agent.main import main

main()
"""
REMOVED = "arb-removed"
"""What is said once nothing of arb is left: a shell that runs nothing does not say it."""
_REMOVE = f'[ -e "$HOME/.arb" ] || {{ echo {REMOVED}; exit 0; }}; exec /bin/sh -s "$1" "$2" remove'
"""Where nothing of ours is, nothing is brought there to remove it."""
_EPOCH = (1980, 1, 1, 0, 0, 0)
_SHEBANG = b"#!/usr/bin/env python3\n"


@dataclass(frozen=True, slots=True)
class AgentPayload:
    """The agent as it is sent to a node.

    Attributes:
        data: The zipapp.
        digest: First 16 hexadecimal digits of its SHA-256; names its folder on the node.
        version: Of the agent.
        script: The POSIX shell text that installs and starts it; sent to ``command`` first.
    """

    data: bytes = field(repr=False)
    digest: str
    version: str
    script: bytes = field(repr=False)

    @property
    def command(self) -> str:
        """Return what to run on the node; ``script`` is its standard input."""
        return f"exec /bin/sh -s {self.digest} {len(self.data)}"

    @property
    def removal(self) -> str:
        """Return what to run on a node to take the agent off it; the rest is as for ``command``."""
        return sh(_REMOVE, self.digest, str(len(self.data)))


@functools.cache
def agent_payload() -> AgentPayload:
    """Return the agent of this installation, built once a process."""
    folder = resources.files(_PACKAGE)
    sources = {
        f"arb_agent/{entry.name}": entry.read_bytes()
        for entry in folder.iterdir()
        if entry.name.endswith(".py")
    }
    data = build_zipapp({**sources, "__main__.py": _MAIN.encode()})
    digest = hashlib.sha256(data).hexdigest()[:16]
    script = (folder / "bootstrap.sh").read_bytes()
    return AgentPayload(data=data, digest=digest, version=VERSION, script=script)


def build_zipapp(sources: dict[str, bytes]) -> bytes:
    """Return a zipapp of the files, independent of their order, dates and owners.

    Args:
        sources: Path in the archive to content.
    """
    buffer = io.BytesIO(_SHEBANG)
    buffer.seek(0, io.SEEK_END)
    with zipfile.ZipFile(buffer, "a", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted(sources):
            entry = zipfile.ZipInfo(name, date_time=_EPOCH)
            entry.external_attr = 0o644 << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, sources[name])
    return buffer.getvalue()
