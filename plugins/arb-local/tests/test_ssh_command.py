from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from arb_local.room import tools
from arb_local.ssh_command import parse


@pytest.fixture
def own_ssh(tmp_path, client):
    """Run the stand-in as a node would: from its folder, with an environment made from nothing."""
    folder = tools.write_ssh(tmp_path / "tools")

    def run(machine, command, *extra, data=b"", stdin=None):
        line = client.command(machine, command, *extra)
        return subprocess.run(
            [str(folder / "ssh"), *line[1:]],
            **({"stdin": stdin} if stdin else {"input": data}),
            env={"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"},
            capture_output=True,
            timeout=60,
            check=False,
        )

    return run


def test_output_errors_and_status_come_through(make, own_ssh):
    result = own_ssh(make(), "echo out; echo err >&2; exit 5")
    assert (result.returncode, result.stdout, result.stderr) == (5, b"out\n", b"err\n")


def test_data_streams_both_ways(make, own_ssh):
    data = os.urandom(5_000_000)
    assert own_ssh(make(), "cat", data=data).stdout == data


def test_a_plain_file_and_nothing_can_be_the_input(make, own_ssh, tmp_path):
    machine = make()
    (tmp_path / "file").write_bytes(b"12345")
    with (tmp_path / "file").open("rb") as file:
        assert own_ssh(machine, "wc -c", stdin=file).stdout.strip() == b"5"
    assert own_ssh(machine, "wc -c", stdin=subprocess.DEVNULL).stdout.strip() == b"0"


def test_a_dialogue_line_by_line_does_not_wait_for_more(make, client, tmp_path):
    folder = tools.write_ssh(tmp_path / "tools")
    line = client.command(make(), "while read x; do echo got $x; done")
    with subprocess.Popen(
        [str(folder / "ssh"), *line[1:]], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        for word in (b"one", b"two"):
            process.stdin.write(word + b"\n")
            process.stdin.flush()
            assert process.stdout.readline() == b"got " + word + b"\n"
        process.stdin.close()
        assert process.wait(timeout=20) == 0


@pytest.mark.parametrize("name", ["empty", "missing"])
def test_an_unknown_host_key_is_refused(make, client, tmp_path, name):
    (tmp_path / "empty").touch()
    machine = make()
    known = ["-o", f"UserKnownHostsFile={tmp_path / name}", "-o", "StrictHostKeyChecking=yes"]
    where = [*known, "-i", str(client.private), "-p", str(machine.port)]
    command = tools.write_ssh(tmp_path / "tools") / "ssh"
    line = [command, *where, f"{machine.user}@{machine.address}", "echo no"]
    result = subprocess.run(line, capture_output=True, timeout=60, check=False)
    assert (result.returncode, result.stdout) == (255, b"")
    assert b"Host key" in result.stderr


def test_a_closed_port_is_status_255(make, room, own_ssh):
    machine = make()
    room.stop(machine.id)
    result = own_ssh(machine, "true")
    assert result.returncode == 255
    assert b"connect to host" in result.stderr


def test_a_lost_connection_is_status_255(make, room, client, tmp_path):
    folder = tools.write_ssh(tmp_path / "tools")
    machine = make()
    line = client.command(machine, "echo started; sleep 1000")
    with subprocess.Popen(
        [str(folder / "ssh"), *line[1:]], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout.readline() == b"started\n"
        room.terminate(machine.id)
        assert process.wait(timeout=20) == 255
        process.stderr.read()


def test_options_are_read_as_openssh_reads_them():
    order = parse(
        [
            "-T",
            "-i",
            "~/k",
            "-o",
            "BatchMode=yes",
            "-oStrictHostKeyChecking=no",
            "-l",
            "me",
            "host",
            "-p",
            "2222",
            "echo",
            "-n",
            "x",
        ]
    )
    assert (order.host, order.user, order.port) == ("host", "me", 2222)
    assert order.command == "echo -n x"
    assert order.keys == (os.path.expanduser("~/k"),)  # noqa: PTH111
    assert order.known_hosts is None
    assert parse(["-o", "User=a", "-o", "user=b", "h"]).user == "a"
    assert parse(["-l", "a", "c@h"]).user == "c"


@pytest.mark.parametrize(
    ("line", "why"),
    [("", "no host"), ("-Z host", "option -Z not recognized"), ("-p", "requires argument")],
    ids=["no-host", "unknown", "no-value"],
)
def test_a_wrong_command_line_is_refused(line, why):
    with pytest.raises(ValueError, match=why):
        parse(line.split())


def test_tools_stand_in_only_for_what_the_system_lacks(tmp_path, monkeypatch):
    monkeypatch.setattr(tools.shutil, "which", lambda name, path: None)
    folders = tools.tool_folders(tmp_path)
    names = sorted(p.name for f in folders for p in Path(f).iterdir())
    assert names == ["python3", "ssh"]
    monkeypatch.setattr(tools.shutil, "which", lambda name, path: f"/usr/bin/{name}")
    assert tools.tool_folders(tmp_path) == ()


def test_the_python_that_stands_in_runs(tmp_path):
    python = tools.write_python(tmp_path / "python") / "python3"
    tools.write_python(tmp_path / "python")
    code = "import sys; print(sys.version_info[:2])"
    output = subprocess.check_output([python, "-c", code], env={}, text=True)
    assert output.strip() == str(tuple(sys.version_info[:2]))
