from __future__ import annotations

import os
import shutil
import stat
import subprocess
import threading

import pytest

from arb.errors import StateError, UsageError
from arb.nodes.keys import generate_key
from arb.nodes.sshconfig import SshHost, add_include, remove_include, write_ssh_config
from arb.types import SshEndpoint

SSH = shutil.which("ssh")
needs_ssh = pytest.mark.skipif(SSH is None, reason="no ssh client")


@pytest.fixture(params=["plain", "with space and 100% [odd]"], ids=["plain", "odd"])
def folder(request, tmp_path):
    return tmp_path / request.param / "ssh"


@pytest.fixture
def generated(tmp_path):
    return write_ssh_config(tmp_path / "arb" / "ssh", generate_key(), list)


def _host(cluster="train", rank=0, key=None, endpoint=None) -> SshHost:
    endpoint = endpoint or SshEndpoint(f"10.0.0.{rank}", 22, "ubuntu")
    return SshHost(cluster, rank, endpoint, key or generate_key().public, f"arb-{cluster}-{rank}")


def _ssh(config, name, *command):
    return subprocess.run(
        [SSH, "-F", str(config), "-o", "BatchMode=yes", name, *command],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@needs_ssh
@pytest.mark.parametrize("name", ["train", "train-0"])
def test_plain_ssh_reaches_the_node_through_the_user_s_config(sshd, folder, tmp_path, name):
    host = _host(key=sshd.host.public, endpoint=sshd.endpoint)
    generated = write_ssh_config(folder, sshd.client, lambda: [host])
    user_config = tmp_path / "home" / ".ssh" / "config"
    user_config.parent.mkdir(parents=True)
    user_config.write_text("Host *\n  User nobody-of-this-name\n  Port 1\n")
    add_include(user_config, generated)
    result = _ssh(user_config, name, "echo in")
    assert (result.stdout, result.returncode) == ("in\n", 0), result.stderr


@needs_ssh
def test_plain_ssh_refuses_a_wrong_host_key_without_asking(sshd, folder):
    generated = write_ssh_config(folder, sshd.client, lambda: [_host(endpoint=sshd.endpoint)])
    result = _ssh(generated, "train", "echo in")
    assert result.returncode == 255
    assert "Host key verification failed" in result.stderr
    assert "in" not in result.stdout.split()


@needs_ssh
def test_cluster_whose_name_looks_like_a_rank_of_another_is_reached(generated, tmp_path):
    hosts = [_host("a", 0), _host("a", 1), _host("a-1", 0, endpoint=SshEndpoint("10.9.9.9"))]
    config = write_ssh_config(tmp_path / "x", generate_key(), lambda: hosts)
    shown = subprocess.check_output([SSH, "-F", config, "-G", "a-1"], text=True)
    assert "hostname 10.9.9.9" in shown


@needs_ssh
def test_address_with_a_zone_is_taken_as_it_is(folder):
    host = _host(endpoint=SshEndpoint("fe80::1%eth0"))
    config = write_ssh_config(folder, generate_key(), lambda: [host])
    shown = subprocess.check_output([SSH, "-F", config, "-G", "train"], text=True)
    assert "hostname fe80::1%eth0\n" in shown


def test_include_holds_nothing_that_newer_clients_fill_in(tmp_path):
    generated = write_ssh_config(tmp_path / "100% $HOME" / "ssh", generate_key(), list)
    add_include(tmp_path / "config", generated)
    line = (tmp_path / "config").read_text().splitlines()[1]
    assert line == f'Include "{tmp_path}/100? ?HOME/ssh/config"'


def test_private_key_and_folder_are_private(folder):
    pair = generate_key()
    write_ssh_config(folder, pair, list)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((folder / "id_ed25519").stat().st_mode) == 0o600
    assert (folder / "id_ed25519").read_text() == pair.private


def test_what_a_writer_that_was_killed_left_of_the_key_is_removed(folder):
    folder.mkdir(parents=True)
    (folder / ".id_ed25519.k3zq81ab").write_text("half a key")
    write_ssh_config(folder, generate_key(), list)
    left = {path.name for path in folder.iterdir()}
    assert left == {"config", "id_ed25519", "known_hosts", "lock"}


@pytest.mark.parametrize("name", ["a b", "*", "a\nHost *", "-oProxyCommand=x", "", "a#"])
def test_name_that_would_change_the_file_s_meaning_is_refused(folder, name):
    with pytest.raises(UsageError) as caught:
        write_ssh_config(folder, generate_key(), lambda: [_host(name)])
    assert caught.value.code == "bad-name"


ORIGINALS = {
    "nothing": b"",
    "normal": b"Host x\n  User y\n",
    "no-end-of-line": b"Host x",
    "crlf": b"Host x\r\n  User y\r\n",
    "bytes": b"# \xff\xfe\nHost x\n",
    "match": b"Match all\n  User y\n",
}


@pytest.mark.parametrize("original", ORIGINALS.values(), ids=ORIGINALS)
def test_include_goes_to_the_top_once_and_comes_out_without_a_trace(tmp_path, generated, original):
    config = tmp_path / "config"
    config.write_bytes(original)
    config.chmod(0o640)
    assert add_include(config, generated)
    added = config.read_bytes()
    assert added.endswith(original)
    assert added.splitlines()[1] == f'Include "{generated}"'.encode()
    assert not add_include(config, generated), "once is enough"
    assert config.read_bytes() == added
    assert stat.S_IMODE(config.stat().st_mode) == 0o640
    assert remove_include(config, generated)
    assert config.read_bytes() == original
    assert not remove_include(config, generated)


def test_line_ends_of_the_file_are_kept(tmp_path, generated):
    config = tmp_path / "config"
    config.write_bytes(b"Host x\r\n")
    add_include(config, generated)
    assert config.read_bytes().count(b"\r\n") == config.read_bytes().count(b"\n") == 3


def test_include_that_the_user_moved_is_left_where_it_is(tmp_path, generated):
    config = tmp_path / "config"
    config.write_text(f'Host x\n\nHost *\n  Include "{generated}"\n')
    assert not add_include(config, generated)


def test_missing_config_and_folder_are_made_private(tmp_path, generated):
    config = tmp_path / "home" / ".ssh" / "config"
    assert not remove_include(config, generated)
    assert add_include(config, generated)
    assert stat.S_IMODE(config.stat().st_mode) == 0o600
    assert stat.S_IMODE(config.parent.stat().st_mode) == 0o700


def test_linked_config_stays_a_link(tmp_path, generated):
    real = tmp_path / "dotfiles" / "ssh-config"
    real.parent.mkdir()
    real.write_text("Host x\n")
    config = tmp_path / "config"
    config.symlink_to(real)
    add_include(config, generated)
    assert config.is_symlink()
    assert real.read_text().endswith("Host x\n")
    assert "Include" in real.read_text()


@pytest.mark.parametrize("make", [os.mkdir, os.mkfifo], ids=["folder", "pipe"])
def test_config_that_is_no_file_is_left_alone(tmp_path, generated, make):
    config = tmp_path / "config"
    make(config)
    with pytest.raises(StateError, match="cannot change") as caught:
        add_include(config, generated)
    assert caught.value.code == "ssh-config"


def test_nothing_is_lost_when_writing_fails(tmp_path, generated, monkeypatch):
    config = tmp_path / "config"
    config.write_text("Host x\n")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StateError, match="No space left"):
        add_include(config, generated)
    assert config.read_text() == "Host x\n"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["arb", "config"]


def test_a_full_disk_is_told_and_leaves_the_generated_files_whole(tmp_path, monkeypatch):
    write_ssh_config(tmp_path / "ssh", generate_key(), lambda: [_host()])
    before = {path.name: path.read_bytes() for path in (tmp_path / "ssh").iterdir()}

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StateError, match="No space left") as caught:
        write_ssh_config(tmp_path / "ssh", generate_key(), list)
    assert caught.value.code == "ssh-config"
    assert {path.name: path.read_bytes() for path in (tmp_path / "ssh").iterdir()} == before


def test_edit_of_another_program_in_between_is_not_overwritten(tmp_path, generated, monkeypatch):
    config = tmp_path / "config"
    config.write_text("Host x\n")
    real, edits = os.fsync, []

    def meddle(handle: int) -> None:
        if not edits:
            edits.append(1)
            config.write_text("Host x\nHost added-meanwhile\n")
        real(handle)

    monkeypatch.setattr(os, "fsync", meddle)
    add_include(config, generated)
    assert "added-meanwhile" in config.read_text()
    assert "Include" in config.read_text()


def test_many_at_once_add_one_line(tmp_path, generated):
    config = tmp_path / "config"
    config.write_text("Host x\n")
    threads = [threading.Thread(target=add_include, args=(config, generated)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert config.read_text().count("Include") == 1


def test_later_writer_sees_what_the_earlier_one_saw(folder):
    """Both read their hosts under the lock, so the last file written is from the last reading."""
    state: list[SshHost] = []

    def launch(name: str) -> None:
        state.append(_host(name))
        write_ssh_config(folder, generate_key(), lambda: list(state))

    threads = [threading.Thread(target=launch, args=(f"c{n}",)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    text = (folder / "config").read_text()
    assert all(f"Host c{n}\n" in text for n in range(8))
