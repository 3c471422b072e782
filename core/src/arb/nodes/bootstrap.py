"""From a reachable node to a talking agent: one exchange when it is there already, two when not."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Final

from arb.errors import NodeError, NodeUnreachable
from arb.nodes.agent_build import agent_payload

if TYPE_CHECKING:
    from arb.nodes.agent_build import AgentPayload
    from arb.nodes.agent_client import AgentClient
    from arb.nodes.channel import SshChannel
    from arb.nodes.ssh import SshNode

__all__ = ["AgentChannel", "connect_agent", "open_agent"]

START_TIMEOUT_S: Final = 60.0
NO_PYTHON_STATUS: Final = 127
LONGEST_LINE_BYTES: Final = 64 * 1024


class AgentChannel:
    """The agent's front end on a node: bytes to and from it, what was read too early first."""

    def __init__(self, channel: SshChannel, unread: bytes) -> None:
        self._channel = channel
        self._unread = unread

    def send(self, data: bytes) -> None:
        """Send all of it.

        Raises:
            NodeUnreachable: The connection was lost.
            BrokenPipeError: The front end has ended.
        """
        self._channel.send(data)

    def recv(self, n: int, timeout: float | None = None) -> bytes:
        """Return up to ``n`` bytes, ``b""`` at the end.

        Raises:
            TimeoutError: Nothing came within ``timeout`` seconds.
            NodeUnreachable: The connection was lost.
        """
        if self._unread:
            data, self._unread = self._unread[:n], self._unread[n:]
            return data
        return self._channel.recv(n, timeout)

    def close(self) -> None:
        """End the front end; the agent's daemon and its jobs go on."""
        self._channel.close()


def connect_agent(node: SshNode, *, timeout_s: float = START_TIMEOUT_S) -> AgentClient:
    """Return a client of the node's agent, whose hello was checked; install it if need be.

    Args:
        node: Connected, or connected now.
        timeout_s: For the agent's first answer, installation included.

    Raises:
        NodeUnreachable, HostKeyError, NodeError: As ``SshNode.connect``.
        NodeError: As ``open_agent``; the agent speaks another protocol.
    """
    from arb.nodes.agent_client import AgentClient

    client = AgentClient(open_agent(node, timeout_s=timeout_s), where=node.name)
    client.hello()
    return client


def open_agent(node: SshNode, *, timeout_s: float = START_TIMEOUT_S) -> AgentChannel:
    """Start the agent's front end on a node and return its channel, nothing read from it yet.

    Args:
        node: Connected, or connected now.
        timeout_s: For the first answer, installation included.

    Raises:
        NodeUnreachable, HostKeyError, NodeError: As ``SshNode.connect``.
        NodeError: No Python there (``no-python``), it cannot be written to or the agent does not
            start (``agent-broken``); the summary is what the node said.
        NodeUnreachable: No answer in time (``agent-silent``).
    """
    payload = agent_payload()
    channel = node.open_channel(payload.command)
    try:
        return AgentChannel(channel, _first_lines(node, channel, payload, timeout_s))
    except BaseException:
        channel.close()
        raise


def _first_lines(
    node: SshNode, channel: SshChannel, payload: AgentPayload, timeout_s: float
) -> bytes:
    deadline = time.monotonic() + timeout_s
    try:
        channel.send(payload.script, timeout_s)
        first = _line(node, channel, b"", deadline)
        if not _is_need(first, payload):
            return first
        channel.send(payload.data, timeout_s)
        return _line(node, channel, first.partition(b"\n")[2], deadline)
    except BrokenPipeError:
        raise _failure(node, channel) from None
    except TimeoutError:
        raise NodeUnreachable(
            f"the agent on {node.name} did not answer within {timeout_s:g} s", code="agent-silent"
        ) from None


def _line(node: SshNode, channel: SshChannel, data: bytes, deadline: float) -> bytes:
    """Return at least one line. A login shell may have said something of its own before."""
    while True:
        noise, brace, rest = data.partition(b"{")
        if brace and b"\n" in rest and (not noise or noise.endswith(b"\n")):
            return brace + rest
        if len(data) > LONGEST_LINE_BYTES:
            raise NodeError(
                f"{node.name} prints something else than the agent's answer", code="agent-broken"
            )
        more = channel.recv(65536, max(0.0, deadline - time.monotonic()))
        if not more:
            raise _failure(node, channel)
        data += more


def _is_need(line: bytes, payload: AgentPayload) -> bool:
    try:
        return bool(json.loads(line.partition(b"\n")[0]) == {"need": payload.digest})
    except ValueError:
        return False


def _failure(node: SshNode, channel: SshChannel) -> NodeError:
    status = channel.wait(5)
    lines = channel.stderr_tail.decode(errors="replace").strip().splitlines()
    said = lines[-1].removeprefix("arb: ") if lines else f"exit code {status}"
    if status == NO_PYTHON_STATUS:
        return NodeError(
            f"{node.name}: {said}", code="no-python", hint="use an image that has Python 3.8+"
        )
    return NodeError(f"the agent on {node.name} did not start: {said}", code="agent-broken")
