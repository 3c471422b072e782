"""Tell network file systems from local ones."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Final, NamedTuple

__all__ = ["Mount", "find_mount", "is_network", "network_mount", "parse_bsd_mounts", "parse_mounts"]

# Several machines can see these at once, and SQLite's locks and shared memory do not reach across.
# Plain "9p" is left out: sandboxes use it for a root that only one kernel sees.
_NETWORK_TYPES: Final = frozenset({
    "afpfs", "afs", "beegfs", "ceph", "cifs", "davfs", "glusterfs", "gfs2", "gpfs", "lustre",
    "ncpfs", "nfs", "nfs3", "nfs4", "ocfs2", "orangefs", "pvfs2", "smb2", "smb3", "smbfs",
    "vboxsf", "webdav", "wekafs",
})  # fmt: skip
_FUSE_NETWORK: Final = re.compile(
    r"(ceph|glusterfs|sshfs|s3fs|s3ql|gcsfuse|goofys|geesefs|rclone|juicefs|davfs2?|mount-s3"
    r"|blobfuse2?|vmhgfs-fuse|moosefs|mfs|lizardfs|curlftpfs|smbnetfs|seaweedfs)"
)


class Mount(NamedTuple):
    """One mounted file system."""

    point: str
    type: str


def network_mount(path: str) -> Mount | None:
    """Return the network file system that a path of this machine is on, or None."""
    mount = find_mount(os.path.realpath(path), _mounts())
    return mount if mount is not None and is_network(mount.type) else None


def is_network(fstype: str) -> bool:
    """Say whether a file system of this type may be shared with other machines."""
    name = fstype.removeprefix("fuse.").removeprefix("fuse-").removeprefix("macfuse.")
    return name in _NETWORK_TYPES or _FUSE_NETWORK.fullmatch(name) is not None


def find_mount(path: str, mounts: list[Mount]) -> Mount | None:
    """Return the mount that holds an absolute path: the longest, and of equals the last."""
    best: Mount | None = None
    for mount in mounts:
        inside = path == mount.point or path.startswith(mount.point.rstrip("/") + "/")
        if inside and (best is None or len(mount.point) >= len(best.point)):
            best = mount
    return best


def parse_mounts(text: str) -> list[Mount]:
    """Read the text of ``/proc/mounts``, where odd characters are octal escapes."""
    fields = (line.split() for line in text.splitlines())
    return [Mount(_unescape(f[1]), f[2]) for f in fields if len(f) >= 3]  # noqa: PLR2004 - columns


def parse_bsd_mounts(text: str) -> list[Mount]:
    """Read what ``mount`` prints on macOS: ``source on /point (type, option, ...)``."""
    found = re.findall(r"^.*? on (/.*) \(([\w.]+)", text, flags=re.MULTILINE)
    return [Mount(point, fstype) for point, fstype in found]


def _mounts() -> list[Mount]:
    if sys.platform == "darwin":
        output = subprocess.run(["/sbin/mount"], capture_output=True, text=True, check=False)
        return parse_bsd_mounts(output.stdout)
    try:
        return parse_mounts(Path("/proc/mounts").read_text("utf-8", "surrogateescape"))
    except OSError:  # no /proc: nothing is known, and nothing is refused
        return []


def _unescape(text: str) -> str:
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), text)
