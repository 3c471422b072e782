from __future__ import annotations

import base64
import hashlib
import json
import os
import socket
import subprocess
import time
from pathlib import Path

import pytest

from arb_local.room import MachineSpec, MachineState, Room


@pytest.fixture(scope="module")
def machine(tmp_path_factory, client):
    """A machine for all tests that only log in."""
    room = Room(tmp_path_factory.mktemp("sessions") / "room")
    made = room.make(MachineSpec(token="one", authorized_keys=(client.public,)))
    yield room.wait(made.id, MachineState.RUNNING)
    assert room.terminate(made.id)


def test_exit_status_and_both_outputs_arrive(machine, ssh):
    result = ssh.run(machine, "echo out; echo err >&2; exit 7")
    assert (result.returncode, result.stdout, result.stderr) == (7, b"out\n", b"err\n")


def test_a_command_killed_by_a_signal_is_told_as_such(machine, client):
    with _paramiko(client, machine) as connection:
        channel = connection.get_transport().open_session()
        channel.exec_command("kill -TERM $$")
        assert channel.recv_exit_status() == -1  # paramiko's word for "no status": a signal


def test_the_environment_is_made_from_nothing(machine, ssh, monkeypatch):
    monkeypatch.setenv("ARB_SECRET_OF_THE_CLIENT", "leaked")
    lines = ssh.text(machine, "env").splitlines()
    names = {line.partition("=")[0] for line in lines}
    assert names - {"_", "SHLVL", "PWD"} == {
        *("HOME", "PATH", "USER", "LOGNAME", "SHELL", "LANG", "TERM"),
        *("ARB_BOOT_DIR", "ARB_BOOT_ID_FILE", "ARB_LOCAL_NODE", "SSH_CONNECTION", "SSH_CLIENT"),
    }
    assert f"HOME={machine.home}" in lines


def test_a_command_starts_in_the_home_of_the_machine(machine, ssh):
    assert ssh.text(machine, "pwd").strip() == str(machine.home)


def test_variables_of_the_client_arrive_but_not_those_that_the_machine_sets(machine, client):
    with _paramiko(client, machine) as connection:
        _, stdout, _ = connection.exec_command(
            "echo $LC_TEST; echo $HOME", environment={"LC_TEST": "kept", "HOME": "/nowhere"}
        )
        assert stdout.read().decode().split() == ["kept", str(machine.home)]


@pytest.mark.parametrize("size", [0, 1, 20_000_000], ids=["nothing", "a-byte", "20-MB"])
def test_data_goes_both_ways_unchanged(machine, ssh, size):
    data = os.urandom(size)
    result = ssh.run(machine, "cat", data=data)
    assert hashlib.sha256(result.stdout).digest() == hashlib.sha256(data).digest()


def test_a_closed_input_ends_the_command_that_reads_it(machine, ssh):
    assert ssh.run(machine, "wc -c; echo after", data=b"12345").stdout.split() == [b"5", b"after"]


def test_a_command_that_ignores_a_large_input_ends_all_the_same(machine, ssh):
    result = ssh.run(machine, "echo done; exit 4", data=b"x" * 5_000_000)
    assert (result.returncode, result.stdout) == (4, b"done\n")


def test_a_command_that_closes_its_output_may_still_read(machine, ssh):
    result = ssh.run(machine, "exec >&- 2>&-; cat > got", data=b"z" * 300_000)
    assert result.returncode == 0
    assert (machine.home / "got").stat().st_size == 300_000


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from /proc")
def test_a_reader_that_stops_reading_slows_the_command_instead_of_filling_memory(make, ssh):
    machine = make()
    command = "head -c 200000000 /dev/zero; echo written > written"
    with subprocess.Popen(ssh.command(machine, command), stdout=subprocess.PIPE) as process:
        total = len(process.stdout.read(100))
        assert not (machine.home / "written").exists()
        while chunk := process.stdout.read(1 << 20):
            total += len(chunk)
    assert (total, process.returncode) == (200_000_000, 0)
    assert _resident_kib(machine) < 100_000


def test_a_terminal_is_one(machine, ssh):
    output = ssh.run(machine, "tty; echo $TERM; stty size", "-tt").stdout.decode()
    assert "/dev/" in output
    assert "not a tty" not in output


def test_a_client_without_a_terminal_type_gets_a_terminal_all_the_same(machine, ssh, monkeypatch):
    monkeypatch.delenv("TERM", raising=False)
    assert "/dev/" in ssh.run(machine, "tty", "-tt").stdout.decode()


def test_exit_status_comes_through_a_terminal(machine, ssh):
    assert ssh.run(machine, "exit 9", "-tt").returncode == 9


def test_the_window_size_follows_the_client(machine, client):
    with _paramiko(client, machine) as connection:
        channel = connection.invoke_shell(width=91, height=33)
        channel.sendall(b"stty size\n")
        _read_until(channel, b"33 91")
        channel.resize_pty(width=120, height=40)
        channel.sendall(b"stty size; exit\n")
        _read_until(channel, b"40 120")


def test_a_shell_without_a_command_reads_its_input(machine, client):
    with _paramiko(client, machine) as connection:
        channel = connection.get_transport().open_session()
        channel.invoke_shell()
        channel.sendall(b"echo $((6*7))\nexit 3\n")
        channel.shutdown_write()
        assert (_read_all(channel).strip(), channel.recv_exit_status()) == (b"42", 3)


def test_a_signal_reaches_the_command(machine, client):
    assert _with_asyncssh(client, machine, _send_term) == 42


def test_a_background_command_survives_its_session(machine, ssh):
    ssh.text(machine, "(sleep 0.3; echo late > file) >/dev/null 2>&1 </dev/null &")
    _wait_for((machine.home / "file").exists)


def test_hundred_sessions_over_one_connection(machine, client):
    with _paramiko(client, machine) as connection:
        connection.get_transport().sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        answers = {
            connection.exec_command(f"echo {i}")[1].read().decode().strip() for i in range(100)
        }
    assert answers == {str(i) for i in range(100)}


def test_a_forwarded_port_reaches_the_machine(machine, client):
    with _paramiko(client, machine) as connection:
        where = (machine.address, machine.port)
        channel = connection.get_transport().open_channel("direct-tcpip", where, ("127.0.0.1", 1))
        assert channel.recv(4) == b"SSH-"


def test_files_go_over_sftp_below_the_home(machine, client):
    with _paramiko(client, machine) as connection, connection.open_sftp() as sftp:
        with sftp.file("new", "w") as file:
            file.write("text")
        assert sftp.normalize(".") == str(machine.home)
    assert (machine.home / "new").read_text() == "text"


def test_a_machine_may_offer_no_file_transfer(make, client):
    import paramiko

    with (
        _paramiko(client, make(sftp=False)) as connection,
        pytest.raises(paramiko.SSHException),
    ):
        connection.open_sftp()


def test_a_foreign_key_is_refused(machine, client, tmp_path):
    import paramiko

    with pytest.raises(paramiko.AuthenticationException):
        _paramiko(client, machine, key=paramiko.RSAKey.generate(1024))


def test_another_user_is_refused(machine, client):
    import paramiko

    with pytest.raises(paramiko.AuthenticationException):
        _paramiko(client, machine, user="somebody-else")


def test_a_key_that_is_added_later_is_let_in_with_its_forced_command(make, client, ssh):
    import paramiko

    machine = make()
    key = paramiko.ECDSAKey.generate()
    line = f'restrict,command="echo forced" ecdsa-sha2-nistp256 {key.get_base64()}\n'
    with (machine.home / ".ssh" / "authorized_keys").open("a") as file:
        file.write(line)
    with _paramiko(client, machine, key=key) as connection:
        assert connection.exec_command("echo asked")[1].read() == b"forced\n"
        with pytest.raises(paramiko.ChannelException):
            connection.get_transport().open_channel(
                "direct-tcpip", (machine.address, machine.port), ("127.0.0.1", 1)
            )
        channel = connection.get_transport().open_session()
        with pytest.raises(paramiko.SSHException):
            channel.get_pty()


def test_a_killed_server_is_started_again(make, room, ssh):
    machine = make()
    ssh.run(machine, "kill -9 $PPID")
    assert ssh.text(machine, "echo back").strip() == "back"


def _paramiko(client, machine, *, key=None, user=None):
    import paramiko

    connection = paramiko.SSHClient()
    connection.get_host_keys().add(
        f"[{machine.address}]:{machine.port}",
        "ssh-ed25519",
        paramiko.Ed25519Key(data=base64.b64decode(machine.host_key.split()[1])),
    )
    try:
        connection.connect(
            machine.address,
            machine.port,
            user or machine.user,
            pkey=key or paramiko.Ed25519Key.from_private_key_file(str(client.private)),
            allow_agent=False,
            look_for_keys=False,
        )
    except BaseException:
        connection.close()
        raise
    return connection


def _with_asyncssh(client, machine, coroutine):
    import asyncio

    import asyncssh

    async def main():
        async with asyncssh.connect(
            machine.address,
            machine.port,
            username=machine.user,
            client_keys=[str(client.private)],
            known_hosts=None,
            config=None,
        ) as connection:
            return await coroutine(connection)

    return asyncio.run(main())


async def _send_term(connection):
    process = await connection.create_process(
        "trap 'exit 42' TERM; echo ready; while :; do sleep 0.05; done"
    )
    await process.stdout.readline()
    process.terminate()
    return (await process.wait()).exit_status


def _read_until(channel, wanted, timeout_s=10):
    channel.settimeout(timeout_s)
    text = b""
    while wanted not in text:
        chunk = channel.recv(4096)
        assert chunk, text
        text += chunk


def _read_all(channel):
    text = b""
    while chunk := channel.recv(4096):
        text += chunk
    return text


def _wait_for(condition, timeout_s=10):
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def _resident_kib(machine):
    init = json.loads((machine.folder / "run" / "init.json").read_text())["pid"]
    server = Path(f"/proc/{init}/task/{init}/children").read_text().split()[0]
    status = Path(f"/proc/{server}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0])
