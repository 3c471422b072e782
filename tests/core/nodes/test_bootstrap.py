from __future__ import annotations

import pytest
from servers import SilentServer

from arb.errors import NodeError, NodeUnreachable
from arb.nodes.bootstrap import connect_agent
from arb.nodes.ssh import SshNode


@pytest.fixture
def home(tmp_path):
    folder = tmp_path / "home"
    folder.mkdir()
    return folder


@pytest.fixture
def agent_sshd(own_sshd, home):
    """An sshd whose sessions live in a home of their own; its agent is ended afterwards."""
    own_sshd.options = (f'ForceCommand HOME={home}; export HOME; eval "$SSH_ORIGINAL_COMMAND"',)
    own_sshd.start()
    yield own_sshd
    with own_sshd.node() as node:
        client = connect_agent(node)
        client.call("shutdown")
        client.close()


def test_agent_is_installed_started_and_asked(agent_sshd, home):
    with agent_sshd.node() as node:
        client = connect_agent(node)
        assert client.call("status")["jobs_active"] == 0
        client.close()
    assert list((home / ".arb/agent").iterdir())


def test_what_an_agent_refuses_is_told_with_the_nodes_name(agent_sshd):
    with agent_sshd.node(name="train rank 3") as node:
        client = connect_agent(node)
        with pytest.raises(NodeError, match=r"^train rank 3: there is no job 99$"):
            client.job(99)
        client.close()


def test_second_time_nothing_is_installed_and_the_same_daemon_answers(agent_sshd, monkeypatch):
    with agent_sshd.node() as node:
        first = connect_agent(node)
        pid = first.call("status")["pid"]
        first.close()
        sent: list[int] = []
        real = type(node).open_channel

        def counting(self, command):
            channel = real(self, command)
            send = channel.send
            channel.send = lambda data, timeout=None: (sent.append(len(data)), send(data, timeout))
            return channel

        monkeypatch.setattr(type(node), "open_channel", counting)
        second = connect_agent(node)
        assert second.call("status")["pid"] == pid
        assert sum(sent[:1]) < 8192, "the script, not the agent"
        assert len(sent) == 2, "the script and one request"
        second.close()


def test_noise_of_a_login_shell_is_skipped(own_sshd, home, agent_sshd):
    agent_sshd.stop()
    agent_sshd.options = (
        f"ForceCommand HOME={home}; export HOME; echo 'Welcome!'; eval \"$SSH_ORIGINAL_COMMAND\"",
    )
    agent_sshd.start()
    with agent_sshd.node() as node:
        client = connect_agent(node)
        assert client.call("status")["proto"] == 1
        client.close()


def test_node_without_python_says_so_in_one_line(own_sshd, home):
    own_sshd.options = ("ForceCommand echo 'arb: no Python 3.8 or newer on this node'; exit 127",)
    own_sshd.start()
    with pytest.raises(NodeError, match=r"no Python 3\.8 or newer") as caught:
        connect_agent(own_sshd.node())
    assert caught.value.code == "no-python"
    assert "arb:" not in caught.value.summary


def test_home_that_cannot_be_written_is_said(own_sshd, tmp_path):
    (tmp_path / "file").touch()
    own_sshd.options = (
        f'ForceCommand HOME={tmp_path}/file; export HOME; eval "$SSH_ORIGINAL_COMMAND"',
    )
    own_sshd.start()
    with pytest.raises(NodeError, match=r"cannot be put into ~/\.arb: Not a directory") as caught:
        connect_agent(own_sshd.node())
    assert caught.value.code == "agent-broken"


def test_node_that_says_something_else_without_end_is_given_up(own_sshd):
    own_sshd.options = ("ForceCommand yes no",)
    own_sshd.start()
    with pytest.raises(NodeError, match="talks too much at login: no"):
        connect_agent(own_sshd.node())


def test_agent_that_stays_silent_is_given_up(own_sshd):
    own_sshd.options = ("ForceCommand exec cat >/dev/null",)
    own_sshd.start()
    with pytest.raises(NodeUnreachable, match="did not answer") as caught:
        connect_agent(own_sshd.node(), timeout_s=0.2)
    assert caught.value.code == "agent-silent"


def test_unreachable_node_is_unreachable(client_pair):
    server = SilentServer()
    server.close()
    with pytest.raises(NodeUnreachable):
        connect_agent(SshNode(server.endpoint, client_pair, None))
