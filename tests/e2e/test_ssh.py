"""``arb ssh`` and plain ``ssh NAME``: host keys verified, with and without an ssh client."""

from __future__ import annotations

import contextlib
import os
import pty
import shutil
import subprocess
from pathlib import Path

import pytest
from support.command import ARB, eventually

needs_ssh = pytest.mark.skipif(shutil.which("ssh") is None, reason="no ssh client here")


@pytest.fixture
def no_ssh(arb):
    """A PATH that has no ssh client, for the command and its nodes."""
    folder = arb.root / "bin"
    folder.mkdir()
    for tool in Path("/usr/bin").iterdir():
        if not tool.name.startswith(("ssh", "scp", "sftp", "slogin")):
            (folder / tool.name).symlink_to(tool)
    arb.env["PATH"] = str(folder)
    return arb


@needs_ssh
def test_plain_ssh_reaches_every_node(warm):
    config = warm.user_home / ".ssh" / "config"
    assert "Include" in config.read_text()
    for host, node in (("train", 0), ("train-1", 1)):
        done = subprocess.run(
            ["ssh", "-F", str(config), "-o", "BatchMode=yes", host, "echo $HOME"],
            capture_output=True,
            text=True,
            env={**os.environ, "HOME": str(warm.user_home)},
            check=True,
            timeout=20,
        )
        machine = warm.json("status")[0]["nodes"][node]["instance_id"]
        assert machine in done.stdout


@needs_ssh
def test_arb_ssh_runs_a_command_and_returns_its_code(warm):
    done = warm("ssh", "train", "echo out; echo err >&2; exit 5", code=5)
    assert (done.stdout, "err" in done.stderr) == ("out\n", True)


def test_without_a_client_our_own_connection_serves(no_ssh):
    no_ssh("launch", "-c", "x", "--infra", "local", "--num-nodes", "2", "echo gang of two")
    done = no_ssh("ssh", "--rank", "1", "x", "echo out; echo err >&2; exit 5", code=5)
    assert (done.stdout, "err" in done.stderr) == ("out\n", True)
    a_terminal_here_is_a_terminal_there(no_ssh)


def a_terminal_here_is_a_terminal_there(no_ssh):
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [*ARB, "ssh", "x"], stdin=theirs, stdout=theirs, stderr=theirs, env=no_ssh.env
    )
    os.close(theirs)
    os.write(ours, b"tty && echo is''-a-terminal; exit 3\n")
    os.set_blocking(ours, False)
    printed = b""

    def ended():
        nonlocal printed
        with contextlib.suppress(OSError):
            printed += os.read(ours, 4096)
        return process.poll() is not None

    eventually(ended, within_s=20)
    os.close(ours)
    assert process.returncode == 3
    assert b"/dev/pts/" in printed
    assert b"is-a-terminal" in printed


def test_a_node_with_another_host_key_is_refused(arb):
    arb("launch", "-c", "x", "--infra", "local", "true")
    swap_host_key(arb.home / "state.db")
    done = arb("exec", "x", "true", code=125)
    assert "host key" in done.stderr
    assert not list(arb.home.rglob("sky_workdir"))


def swap_host_key(database: Path) -> None:
    import sqlite3

    from arb.nodes.keys import generate_key

    with sqlite3.connect(database) as connection:
        connection.execute("UPDATE machines SET host_key = ?", (generate_key().public,))
    connection.close()
