"""Entering hosts: keys, host keys, and hosts that do not answer."""

from __future__ import annotations

import base64
import contextlib
import os
import shutil
import signal
import socket
import subprocess
import threading
import time
from pathlib import Path

import pytest

from arb.errors import CredentialsError
from arb.nodes.keys import generate_key
from arb_ssh.access import Access
from arb_ssh.client import Connection, NoAnswer, WrongHostKey
from arb_ssh.entries import read_hosts
from arb_ssh.hostkeys import fingerprint
from arb_ssh.hosts import Host
from arb_ssh.limits import Limit
from arb_ssh.looks import ask
from arb_ssh.remote import look_script

OTHER_KEY = " ".join(generate_key().public.split()[:2])


class Door:
    """Entering one host of the team, from one computer."""

    def __init__(self, team, client):
        self.team, self.client = team, client

    def host(self, index=0, **more):
        (host,) = read_hosts([self.team.entry(index, **more)], "hosts", {})
        return host

    @property
    def access(self):
        home = self.client.folder / "home"
        return Access(self.client.context(), home / ".ssh" / "known_hosts")

    def know(self, text):
        path = self.client.folder / "home" / ".ssh"
        path.mkdir(exist_ok=True)
        (path / "known_hosts").write_text(text)

    def enter(self, access=None, limit_s=10, **more):
        host = more.pop("host", None) or self.host(**more)
        return ask(host, access or self.access, look_script(), Limit(limit_s))


@pytest.fixture
def door(team, client):
    return Door(team, client)


def key_file(folder, name="key", passphrase="", kind="ed25519"):
    path = folder / name
    subprocess.check_call(["ssh-keygen", "-qt", kind, "-N", passphrase, "-f", path])
    return path


needs_tools = pytest.mark.skipif(
    not all(map(shutil.which, ("ssh-keygen", "ssh-agent", "ssh-add"))), reason="no OpenSSH client"
)


# -- host keys ---------------------------------------------------------------------------------


def test_a_configured_key_is_what_the_host_must_show(door, team):
    assert door.enter(host_key=team.host_key_line).claim is None
    assert door.enter(host_key=fingerprint(team.host_key_line)).claim is None
    assert not door.access.is_pinned(door.host(host_key=team.host_key_line))


@pytest.mark.parametrize("told", [OTHER_KEY, fingerprint(OTHER_KEY)], ids=["line", "fingerprint"])
def test_another_key_than_the_configured_one_is_refused(door, team, told):
    with pytest.raises(WrongHostKey, match="not the one of the configuration") as caught:
        door.enter(host_key=told)
    assert fingerprint(team.host_key_line) in caught.value.summary
    assert "host_key" in caught.value.hint


def test_a_key_that_the_user_knows_is_trusted_and_not_pinned(door, team):
    door.know(team.known_hosts())
    assert door.enter().claim is None
    assert not door.access.is_pinned(door.host())
    assert list((door.client.data).glob("host_keys/*")) == []


def test_another_key_than_the_user_knows_is_refused(door, team):
    door.know(team.known_hosts().replace(team.host_key_line, OTHER_KEY))
    with pytest.raises(WrongHostKey, match=r"not the one of .*known_hosts"):
        door.enter()


def test_a_revoked_key_is_refused(door, team):
    door.know(f"@revoked * {team.host_key_line}\n")
    with pytest.raises(WrongHostKey, match="revoked"):
        door.enter()
    assert list((door.client.data).glob("host_keys/*")) == []


def test_a_key_that_nobody_knows_is_pinned_and_then_demanded(door, team):
    door.enter()
    assert door.access.is_pinned(door.host())
    pin = door.access.pins._path(door.host())
    assert pin.read_text() == team.host_key_line + "\n"
    pin.write_text(OTHER_KEY + "\n")
    with pytest.raises(WrongHostKey, match="not the one of the first connection"):
        door.enter()


def test_nothing_is_sent_to_a_host_with_another_key(door, team):
    log = team.folder / "sshd.log"
    before = log.stat().st_size
    with pytest.raises(WrongHostKey):
        door.enter(host_key=OTHER_KEY)
    said = log.read_text()[before:]
    assert "Accepted" not in said


# -- the user's keys ---------------------------------------------------------------------------


def test_a_key_that_the_host_does_not_know_is_refused_with_what_to_try(door, tmp_path):
    stranger = tmp_path / "stranger"
    stranger.write_text(generate_key().private)
    with pytest.raises(CredentialsError, match="gpu01 refused the key for user") as caught:
        door.enter(identity_file=str(stranger))
    assert f"ssh -i {stranger} -p {door.team.port}" in caught.value.hint


def test_a_key_below_the_home_folder_is_used_where_it_lies(door, team):
    home = door.client.folder / "home"
    (home / "keys").mkdir()
    (home / "keys" / "team").write_text(team.key.private)
    assert door.enter(identity_file="~/keys/team").claim is None
    secret = team.key.private.splitlines()[2]
    for path in door.client.folder.rglob("*"):
        if path.is_file() and path.parent.name != "keys":
            assert secret not in path.read_text()


@needs_tools
@pytest.mark.parametrize("kind", ["rsa", "ecdsa"])
def test_keys_of_other_types_work(door, team, tmp_path, kind):
    path = key_file(tmp_path, kind=kind)
    with (team[0].home / ".ssh" / "authorized_keys").open("a") as file:
        file.write(path.with_suffix(".pub").read_text())
    assert door.enter(identity_file=str(path)).claim is None


BAD_FILES = [
    (None, "cannot be read: No such file"),
    ("nonsense\n", "no private key that can be used"),
]


@pytest.mark.parametrize(("text", "told"), BAD_FILES, ids=["missing", "nonsense"])
def test_a_key_that_cannot_be_used_is_told(door, tmp_path, text, told):
    path = tmp_path / "key"
    if text is not None:
        path.write_text(text)
    with pytest.raises(CredentialsError, match=told) as caught:
        door.enter(identity_file=str(path))
    assert caught.value.code == "ssh-no-key"


def test_without_a_key_and_an_agent_it_is_said_what_is_missing(door):
    with pytest.raises(CredentialsError, match="no identity_file is configured") as caught:
        door.enter(identity_file=None)
    assert "ssh-add" in caught.value.hint


@pytest.fixture
def agent(door, tmp_path):
    """An ssh-agent of the test's own; yields a function that adds a key."""
    path = tmp_path / "agent"
    process = subprocess.Popen(["ssh-agent", "-D", "-a", path], stdout=subprocess.DEVNULL)
    limit = time.monotonic() + 10
    while not path.exists():
        assert time.monotonic() < limit
        time.sleep(0.01)
    door.client.env["SSH_AUTH_SOCK"] = str(path)

    def add(key):
        env = {**os.environ, "SSH_AUTH_SOCK": str(path)}
        subprocess.run(["ssh-add", "-q", key], env=env, check=True, stdin=subprocess.DEVNULL)

    yield add
    process.kill()
    process.wait()


@needs_tools
def test_what_the_agent_holds_is_tried_where_no_key_is_named(door, team, agent, tmp_path):
    agent(key_file(tmp_path, "other"))
    agent(team.identity)
    assert door.enter(identity_file=None).claim is None


@needs_tools
def test_a_key_with_a_passphrase_is_used_through_the_agent(door, team, agent, tmp_path):
    path = key_file(tmp_path)
    public = path.with_suffix(".pub").read_text()
    with (team[0].home / ".ssh" / "authorized_keys").open("a") as file:
        file.write(public)
    agent(path)
    subprocess.check_call(["ssh-keygen", "-qpN", "secret", "-P", "", "-f", path])
    assert door.enter(identity_file=str(path)).claim is None
    assert door.enter(identity_file=f"{path}.pub").claim is None


@needs_tools
def test_a_key_with_a_passphrase_that_the_agent_has_not_is_told(door, agent, tmp_path):
    path = key_file(tmp_path, passphrase="secret")
    with pytest.raises(CredentialsError, match="is encrypted, and ssh-agent has it not"):
        door.enter(identity_file=str(path))
    path.with_suffix(".pub").unlink()
    with pytest.raises(CredentialsError, match=r"public half .* is missing"):
        door.enter(identity_file=str(path))
    path.with_suffix(".pub").write_text("nonsense\n")
    with pytest.raises(CredentialsError, match="is no public key"):
        door.enter(identity_file=f"{path}.pub")


def test_an_agent_that_is_gone_is_none(door, tmp_path):
    door.client.env["SSH_AUTH_SOCK"] = str(tmp_path / "gone")
    with pytest.raises(CredentialsError, match="ssh-agent holds no key"):
        door.enter(identity_file=None)


# -- hosts that do not answer ------------------------------------------------------------------


def test_a_closed_port_is_told_at_once(door):
    host = Host(
        "gpu09", "lab", door.team[0].address, "me", port=1, identity_file=str(door.team.identity)
    )
    with pytest.raises(
        NoAnswer, match=r"gpu09 does not answer \(.* port 1: Connection refused\)"
    ) as caught:
        door.enter(host=host)
    assert not caught.value.sent


def test_a_name_that_only_the_users_ssh_knows_is_told_to_need_an_address(door):
    with pytest.raises(NoAnswer, match=r"gpu01 does not answer \(big-box.invalid port ") as caught:
        door.enter(address="big-box.invalid")
    assert "write its address into the list" in caught.value.hint


def test_a_name_that_is_none_is_told(door):
    host = Host("x", "lab", "no-such-host.invalid", "me", identity_file=str(door.team.identity))
    with pytest.raises(NoAnswer, match="x does not answer") as caught:
        door.enter(host=host, limit_s=5)
    assert not caught.value.sent


def greet(server, greeting):
    with server.accept()[0] as connection:
        connection.sendall(greeting)
        connection.recv(100)


@pytest.mark.parametrize("greeting", [b"", b"220 mail.example.org ESMTP\r\n"], ids=["none", "mail"])
def test_who_is_no_ssh_server_is_left_in_time(door, greeting):
    with socket.create_server(("127.0.0.1", 0)) as server:
        host = Host(
            "x",
            "lab",
            "127.0.0.1",
            "me",
            port=server.getsockname()[1],
            identity_file=str(door.team.identity),
        )
        if greeting:
            threading.Thread(target=greet, args=(server, greeting), daemon=True).start()
        begun = time.monotonic()
        with pytest.raises(NoAnswer, match="x does not answer as an SSH server") as caught:
            door.enter(host=host, limit_s=0.5)
        assert time.monotonic() - begun < 3
        assert not caught.value.sent


def test_a_command_that_hangs_is_left_in_time_and_may_have_run(door, team):
    team[0].let("hang")
    begun = time.monotonic()
    with pytest.raises(NoAnswer, match="gpu01 did not answer in time") as caught:
        door.enter(limit_s=1)
    assert time.monotonic() - begun < 3
    assert caught.value.sent


def test_a_connection_that_breaks_may_have_run_its_command(door, team):
    team[0].let("lose")
    with pytest.raises(NoAnswer, match="gpu01 broke the connection off") as caught:
        door.enter()
    assert caught.value.sent
    assert door.enter().claim is None


def test_a_server_that_stops_in_the_middle_is_left_in_time(door, team):
    """Stopped when the session is open: paramiko waits for some answers without any limit."""
    access, host = door.access, door.host()
    with Connection.open(host, access, Limit(10)) as connection:
        connection.run(look_script(), Limit(10))
        own = _descendants(team._process.pid)
        for pid in own:
            os.kill(pid, signal.SIGSTOP)
        begun = time.monotonic()
        try:
            with pytest.raises(NoAnswer):
                connection.run(look_script(), Limit(1))
        finally:
            for pid in own:
                os.kill(pid, signal.SIGCONT)
        assert time.monotonic() - begun < 5


def _descendants(pid):
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if int((entry / "stat").read_text().rpartition(")")[2].split()[1]) == pid:
                found += [int(entry.name), *_descendants(int(entry.name))]
    return found


def test_a_pinned_line_is_the_same_key_that_openssh_writes(door, team):
    door.enter()
    line = door.access.key_of(door.host())
    assert base64.b64decode(line.split()[1]) == base64.b64decode(team.host_key_line.split()[1])
