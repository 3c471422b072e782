from __future__ import annotations

import os

import pytest

from arb.errors import StateError
from arb.state import filesystems, sqlite
from arb.state.filesystems import Mount, find_mount, is_network, parse_bsd_mounts, parse_mounts

MOUNTS = """\
/dev/sda1 / ext4 rw,relatime 0 0
tmpfs /run tmpfs rw 0 0
server:/homes /home nfs4 rw,vers=4.2 0 0
/dev/sdb1 /home/local ext4 rw 0 0
//nas/share /mnt/my\\040share cifs rw 0 0
user@host:/x /mnt/ssh fuse.sshfs rw 0 0
overlay /var/lib/o overlay rw 0 0
broken
"""


@pytest.mark.parametrize(
    ("path", "fstype"),
    [
        ("/home/ann/.arb/state.db", "nfs4"),
        ("/home", "nfs4"),
        ("/homework/state.db", None),
        ("/home/local/ann/state.db", None),
        ("/mnt/my share/state.db", "cifs"),
        ("/mnt/ssh/a/b", "fuse.sshfs"),
        ("/var/lib/o/state.db", None),
        ("/run/state.db", None),
        ("/srv/.arb/state.db", None),
    ],
)
def test_the_innermost_mount_decides(path: str, fstype: str | None) -> None:
    mount = find_mount(path, parse_mounts(MOUNTS))

    assert mount is not None
    assert (mount.type if is_network(mount.type) else None) == fstype


def test_a_later_mount_covers_an_earlier_at_the_same_place() -> None:
    mounts = [Mount("/", "ext4"), Mount("/home", "ext4"), Mount("/home", "nfs")]

    assert find_mount("/home/x", mounts) == Mount("/home", "nfs")


def test_no_mounts_know_nothing() -> None:
    assert find_mount("/home/x", parse_mounts("")) is None


def test_the_list_of_macos_is_read() -> None:
    text = """\
/dev/disk3s1s1 on / (apfs, sealed, local, read-only, journaled)
//guest@nas/data on /Volumes/my data (smbfs, nodev, nosuid, mounted by ann)
map auto_home on /System/Volumes/Data/home (autofs, automounted, nobrowse)
"""
    mounts = parse_bsd_mounts(text)

    assert [mount.type for mount in mounts] == ["apfs", "smbfs", "autofs"]
    assert find_mount("/Volumes/my data/x", mounts) == Mount("/Volumes/my data", "smbfs")


@pytest.mark.parametrize("fstype", ["nfs", "nfs4", "cifs", "smb3", "lustre", "ceph", "fuse.s3fs"])
def test_shared_types_are_network(fstype: str) -> None:
    assert is_network(fstype)


@pytest.mark.parametrize(
    "fstype", ["ext4", "xfs", "btrfs", "zfs", "overlay", "tmpfs", "apfs", "fuseblk"]
)
def test_local_types_are_not(fstype: str) -> None:
    assert not is_network(fstype)


def test_the_system_tells_about_this_machine() -> None:
    assert filesystems.network_mount("/proc/self/status") is None


def test_a_store_on_a_network_file_system_is_refused_with_a_hint(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(filesystems, "_mounts", lambda: [Mount("/", "nfs4")])

    with pytest.raises(StateError) as caught:
        sqlite._refuse_network(sqlite_url.removeprefix("sqlite:///"), os.makedev(0, 44))
    assert caught.value.code == "state-network"
    assert "nfs4 at /" in caught.value.summary
    assert "ARB_DATABASE_URL" in caught.value.hint


def test_a_block_device_needs_no_look_at_the_mounts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(filesystems, "_mounts", lambda: pytest.fail("looked"))

    sqlite._refuse_network("/state.db", os.makedev(8, 1))
