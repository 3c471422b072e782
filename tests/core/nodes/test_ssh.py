from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest
from servers import AsyncsshServer, RecordingServer, SilentServer, Wire

from arb.errors import HostKeyError, NodeError, NodeUnreachable
from arb.nodes.fanout import fan_out
from arb.nodes.keys import generate_key
from arb.nodes.ready import wait_ready
from arb.nodes.ssh import SshNode
from arb.types import SystemClock

SERVICE_REQUEST, FIRST_AUTH_MESSAGE = 5, 50


def test_exec_returns_both_outputs_and_the_exit_code(node):
    result = node.exec("echo out; echo err >&2; exit 3")
    assert (result.stdout, result.stderr, result.exit_status) == (b"out\n", b"err\n", 3)
    assert not result.ok


def test_signal_that_ends_a_command_is_named(node):
    result = node.exec("kill -TERM $$")
    assert (result.exit_status, result.signal) == (128 + signal.SIGTERM, "TERM")


def test_check_says_how_a_command_failed(node):
    with pytest.raises(NodeError, match="look failed: exit code 2: no such thing") as caught:
        node.exec("echo no such thing >&2; exit 2").check("look")
    assert caught.value.code == "remote-command-failed"


def test_outputs_larger_than_the_window_do_not_block_each_other(node):
    size = 20_000_000
    result = node.exec(f"head -c {size} /dev/zero >&2; head -c {size} /dev/zero", timeout_s=60)
    assert (len(result.stdout), len(result.stderr)) == (size, size)


def test_large_input_comes_back_while_it_is_still_being_sent(node):
    data = os.urandom(1 << 16) * 200
    assert node.exec("cat", stdin=data, timeout_s=60).stdout == data


def test_command_that_does_not_read_its_input_ends_all_the_same(node):
    assert node.exec("exit 4", stdin=bytes(20_000_000), timeout_s=60).exit_status == 4


def test_command_that_closes_its_outputs_is_waited_for(node):
    assert node.exec("exec >&- 2>&-; sleep 0.2; exit 5").exit_status == 5


def test_command_that_takes_too_long_is_an_error_and_the_connection_is_kept(node):
    with pytest.raises(NodeError, match=r"within 0\.2 s") as caught:
        node.exec("sleep 30", timeout_s=0.2)
    assert caught.value.code == "exec-timeout"
    assert node.exec("echo on").text == "on"


@pytest.mark.parametrize("kind", ["ecdsa", "rsa"])
def test_of_several_host_keys_the_expected_one_is_asked_for(own_sshd, tmp_path, kind):
    key = tmp_path / kind
    subprocess.check_call(["ssh-keygen", "-qt", kind, "-N", "", "-f", key])
    own_sshd.options = (f"HostKey {key}",)
    own_sshd.start()
    expected = " ".join(key.with_suffix(".pub").read_text().split()[:2])
    assert own_sshd.node(expected_host_key=expected).exec("echo on").text == "on"
    assert own_sshd.node().exec("echo on").text == "on"
    with pytest.raises(NodeUnreachable, match="does not show its own host key yet"):
        own_sshd.node(expected_host_key=expected[:-8] + "AAAAAAA=").connect()


def test_one_connection_serves_many_commands(sshd):
    wire = Wire(sshd.port)
    with SshNode(wire.endpoint(sshd.user), sshd.client, sshd.host.public) as node:
        for _ in range(5):
            node.exec("true")
        assert wire.accepted == 1
    wire.close()


def test_channel_talks_both_ways_until_the_end(node):
    with node.open_channel("cat; echo bye >&2; exit 7") as channel:
        channel.send(b"hello")
        assert channel.recv(100, 10) == b"hello"
        with pytest.raises(TimeoutError):
            channel.recv(100, 0.01)
        channel.send_eof()
        assert channel.recv(100, 10) == b""
        assert channel.wait(10) == 7
        assert channel.stderr_tail == b"bye\n"


def test_closing_a_channel_ends_a_command_that_reads(node):
    channel = node.open_channel("echo $$; exec cat")
    pid = int(channel.recv(100, 10))
    channel.close()
    until = "for i in 1 2 3 4 5 6 7 8 9; do kill -0 {0} 2>/dev/null || exit 0; sleep 0.1; done; kill {0}; exit 1"
    assert node.exec(until.format(pid)).ok


def test_sockets_have_no_delay_and_give_up_on_a_vanished_peer(node):
    node.connect()
    sock = node._transport.sock
    assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 60_000


@pytest.mark.skipif(not hasattr(socket, "TCP_QUICKACK"), reason="Linux only")
def test_first_session_does_not_wait_for_a_delayed_acknowledgement(sshd):
    def opening() -> float:
        with sshd.node() as node:
            node.connect()
            started = time.monotonic()
            node.open_channel("true").close()
            return time.monotonic() - started

    assert min(opening() for _ in range(8)) < 0.035, "it is 0.045 s with it, 0.002 s without"


def test_neither_compression_nor_weak_algorithms_are_used(node):
    node.connect()
    transport = node._transport
    assert transport.local_compression == transport.remote_compression == "none"
    assert transport.local_cipher == transport.remote_cipher == "aes128-gcm@openssh.com"


def test_wrong_host_key_before_ours_was_seen_is_not_ready(sshd):
    node = sshd.node(expected_host_key=generate_key().public)
    with pytest.raises(NodeUnreachable, match="own host key yet") as caught:
        node.connect()
    assert caught.value.code == "host-key-not-yet"
    assert not node.host_key_seen


def test_wrong_host_key_after_ours_was_seen_is_an_error(sshd):
    node = sshd.node(expected_host_key=generate_key().public, host_key_seen=True)
    with pytest.raises(HostKeyError) as caught:
        node.connect()
    assert caught.value.code == "host-key-changed"


def test_changed_host_key_is_refused_within_one_process(own_sshd):
    own_sshd.start()
    node = own_sshd.node()
    node.exec("true")
    own_sshd.stop()
    node.close()
    own_sshd.host = generate_key()
    own_sshd.start()
    with pytest.raises(HostKeyError):
        node.exec("true")


def test_nothing_is_sent_to_a_wrong_host_key():
    server = RecordingServer(generate_key())
    node = SshNode(server.endpoint, generate_key(), generate_key().public)
    with pytest.raises(NodeUnreachable):
        node.connect()
    assert server.ended.wait(10)
    assert server.messages, "the key exchange was seen"
    assert SERVICE_REQUEST not in server.messages
    assert max(server.messages) < FIRST_AUTH_MESSAGE
    server.close()


def test_recording_server_would_see_an_authentication():
    host = generate_key()
    server = RecordingServer(host)
    with pytest.raises(NodeError):
        SshNode(server.endpoint, generate_key(), host.public).connect()
    assert FIRST_AUTH_MESSAGE in server.messages
    server.close()


def test_server_with_another_type_of_key_only_is_not_ready(own_sshd, tmp_path):
    key = tmp_path / "rsa"
    subprocess.run(["ssh-keygen", "-q", "-t", "ecdsa", "-N", "", "-f", key], check=True)
    own_sshd.host = type(own_sshd.host)(public=own_sshd.host.public, private=key.read_text())
    own_sshd.start()
    with pytest.raises(NodeUnreachable) as caught:
        own_sshd.node().connect()
    assert caught.value.code == "host-key-not-yet"


def test_without_an_expected_key_the_first_one_is_pinned(sshd):
    node = sshd.node(expected_host_key=None)
    assert node.pinned_on_first_use
    assert node.host_key is None
    node.connect()
    assert node.host_key == sshd.host.public
    assert node.host_key_seen


def test_key_is_pinned_only_once_the_log_in_works(sshd):
    node = SshNode(sshd.endpoint, generate_key(), None)
    with pytest.raises(NodeError):
        node.connect()
    assert node.host_key is None


def test_key_that_is_not_let_in_is_named_as_such(sshd):
    with pytest.raises(NodeError, match="refused the key of arb") as caught:
        SshNode(sshd.endpoint, generate_key(), sshd.host.public).connect()
    assert caught.value.code == "login-refused"


def test_no_key_of_the_user_is_tried(sshd, tmp_path, monkeypatch):
    folder = tmp_path / ".ssh"
    folder.mkdir()
    (folder / "id_ed25519").write_text(sshd.client.private)
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(NodeError, match="refused the key"):
        SshNode(sshd.endpoint, generate_key(), sshd.host.public).connect()


def test_server_that_never_answers_times_out():
    server = SilentServer()
    node = SshNode(server.endpoint, generate_key(), None, connect_timeout_s=0.3)
    with pytest.raises(NodeUnreachable, match=r"no answer within 0\.3 s|banner") as caught:
        node.connect()
    assert caught.value.code == "ssh-handshake"
    server.close()


def test_closed_port_is_unreachable():
    server = SilentServer()
    server.close()
    with pytest.raises(NodeUnreachable, match="Connection refused") as caught:
        SshNode(server.endpoint, generate_key(), None).connect()
    assert caught.value.code == "unreachable"


def test_node_that_freezes_is_given_up(own_sshd):
    own_sshd.start()
    node = own_sshd.node(connect_timeout_s=0.5)
    session = int(node.exec("echo $PPID").text)
    pids = [own_sshd.process.pid, session]
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        with pytest.raises(NodeUnreachable):
            node.exec("true")
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


def test_connection_lost_while_a_command_runs_is_said_and_the_next_one_reconnects(sshd):
    wire = Wire(sshd.port)
    node = SshNode(wire.endpoint(sshd.user), sshd.client, sshd.host.public)
    node.connect()
    threading.Timer(0.2, wire.cut).start()
    with pytest.raises(NodeUnreachable, match="lost while a command ran") as caught:
        node.exec("sleep 30", stdin=bytes(30_000_000))
    assert caught.value.code == "connection-lost"
    assert node.exec("echo again").text == "again"
    node.close()
    wire.close()


def test_connection_that_broke_in_between_is_reopened_unnoticed(sshd):
    wire = Wire(sshd.port)
    with SshNode(wire.endpoint(sshd.user), sshd.client, sshd.host.public) as node:
        node.exec("true")
        wire.cut()
        assert node.exec("echo on").text == "on"
    wire.close()


def test_sessions_beyond_the_server_s_limit_are_refused_by_name(own_sshd):
    own_sshd.options = ("MaxSessions 2",)
    own_sshd.start()
    with own_sshd.node() as node, node.open_channel("cat"), node.open_channel("cat"):
        with pytest.raises(NodeError, match="refused to run one more command") as caught:
            node.exec("true")
        assert caught.value.code == "session-refused"
        assert node.is_connected


def test_wait_ready_outlasts_no_server_and_a_wrong_key(own_sshd):
    right = own_sshd.host
    node = own_sshd.node()
    seen: list[str] = []

    def step(error: NodeError) -> None:
        if error.code not in seen:
            seen.append(error.code)
            own_sshd.stop()
            own_sshd.host = generate_key() if len(seen) == 1 else right
            own_sshd.start()

    clock = SystemClock()
    wait_ready(node, clock.monotonic() + 30, on_wait=step)
    assert seen == ["unreachable", "host-key-not-yet"]
    assert node.exec("echo in").text == "in"
    node.close()


def test_wait_ready_stops_at_its_deadline_with_the_last_reason(sshd, fake_clock):
    node = sshd.node(expected_host_key=generate_key().public)
    with pytest.raises(NodeUnreachable, match="own host key yet") as caught:
        wait_ready(node, fake_clock.monotonic() + 10, fake_clock)
    assert caught.value.code == "not-ready"


def test_wait_ready_tells_the_same_kind_of_reason_once(sshd, fake_clock):
    told: list[str] = []
    node = sshd.node(expected_host_key=generate_key().public)
    with pytest.raises(NodeUnreachable):
        wait_ready(
            node, fake_clock.monotonic() + 10, fake_clock, on_wait=lambda e: told.append(e.code)
        )
    assert told == ["host-key-not-yet"]


def test_wait_ready_ends_at_once_on_a_changed_key(sshd, fake_clock):
    node = sshd.node(expected_host_key=generate_key().public, host_key_seen=True)
    with pytest.raises(HostKeyError):
        wait_ready(node, fake_clock.monotonic() + 10, fake_clock)


def test_what_the_progress_callback_raises_ends_the_wait(sshd, fake_clock):
    def gone(error: NodeError) -> None:
        raise LookupError

    node = sshd.node(expected_host_key=generate_key().public)
    with pytest.raises(LookupError):
        wait_ready(node, fake_clock.monotonic() + 10, fake_clock, on_wait=gone)


def test_what_the_check_after_each_attempt_raises_ends_the_wait(sshd, fake_clock):
    checks = iter([None, None, LookupError])

    def check() -> None:
        if error := next(checks):
            raise error

    node = sshd.node(expected_host_key=generate_key().public)
    with pytest.raises(LookupError):
        wait_ready(node, fake_clock.monotonic() + 10, fake_clock, check=check)


def test_32_nodes_at_once(sshd):
    nodes = [sshd.node() for _ in range(32)]
    answers = fan_out(lambda pair: pair[1].exec(f"echo {pair[0]}").text, list(enumerate(nodes)))
    assert answers == [str(index) for index in range(32)]
    for node in nodes:
        node.close()


def test_importing_the_ssh_layer_is_light_and_connecting_leaves_invoke_out(sshd):
    code = (
        "import sys, arb.nodes.ssh, arb.nodes.bootstrap, arb.nodes.upload, arb.nodes.sshconfig\n"
        "assert not {'paramiko', 'cryptography'} & set(sys.modules), 'heavy'\n"
        "from arb.nodes.transport import _transport_class\n"
        "_transport_class()\n"
        "assert 'paramiko' in sys.modules\n"
        "assert 'invoke.context' not in sys.modules, 'invoke was loaded'\n"
        "import invoke; assert invoke.Context, 'it loads when it is used'\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_nothing_is_printed_when_a_server_hangs_up(capfd, tmp_path):
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    threading.Thread(target=_hang_up, args=(listener,), daemon=True).start()
    code = (
        "from arb.nodes.ssh import SshNode; from arb.nodes.keys import generate_key\n"
        "from arb.types import SshEndpoint; from arb.errors import NodeUnreachable\n"
        f"node = SshNode(SshEndpoint('127.0.0.1', {port}, 'x'), generate_key(), None)\n"
        "try: node.connect()\n"
        "except NodeUnreachable: pass\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    listener.close()
    assert capfd.readouterr() == ("", "")


def _hang_up(listener: socket.socket) -> None:
    listener.accept()[0].close()


async def _asyncssh_handler(process) -> None:
    command = process.command.decode() if isinstance(process.command, bytes) else process.command
    if command == "signal":
        process.exit_with_signal("KILL")
    elif command == "drop":
        process.channel.get_connection().abort()
    elif command == "echo":
        while data := await process.stdin.read(65536):
            process.stdout.write(data)
            await process.stdout.drain()
        process.exit(0)
    elif command == "both":
        for _ in range(100):
            process.stdout.write(bytes(200_000))
            process.stderr.write(bytes(200_000))
            await process.stdout.drain()
            await process.stderr.drain()
        process.exit(9)
    else:
        process.channel.close()


@pytest.fixture(scope="module")
def asyncssh_node(client_pair):
    host = generate_key()
    server = AsyncsshServer(host, client_pair, _asyncssh_handler)
    node = SshNode(server.endpoint, client_pair, host.public)
    yield node
    node.close()
    server.close()


def test_asyncssh_exit_signal(asyncssh_node):
    result = asyncssh_node.exec("signal")
    assert (result.exit_status, result.signal) == (137, "KILL")


def test_asyncssh_large_outputs(asyncssh_node):
    result = asyncssh_node.exec("both", timeout_s=60)
    assert (len(result.stdout), len(result.stderr), result.exit_status) == (
        20_000_000,
        20_000_000,
        9,
    )


def test_asyncssh_large_input(asyncssh_node):
    data = os.urandom(10_000_000)
    assert asyncssh_node.exec("echo", stdin=data, timeout_s=60).stdout == data


def test_asyncssh_drop_in_the_middle(asyncssh_node):
    with pytest.raises(NodeUnreachable) as caught:
        asyncssh_node.exec("drop")
    assert caught.value.code == "connection-lost"


def test_server_that_hides_how_a_command_ended_is_named(asyncssh_node):
    with pytest.raises(NodeError, match="did not say how") as caught:
        asyncssh_node.exec("close")
    assert caught.value.code == "no-exit-status"
