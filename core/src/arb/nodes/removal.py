"""Taking the agent, its jobs and its files off a machine that goes on without them."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Final

from arb.errors import NodeError, NodeUnreachable
from arb.nodes.agent_build import REMOVED, agent_payload

if TYPE_CHECKING:
    from arb.nodes.channel import SshChannel
    from arb.nodes.ssh import SshNode

__all__ = ["remove_agent"]

TIMEOUT_S: Final = 60.0


def remove_agent(node: SshNode, *, timeout_s: float = TIMEOUT_S) -> list[str]:
    """End all jobs and the agent of a node and remove what arb put there; repeating it is fine.

    It is done by the agent of this installation, which is brought there first where another
    version is; where there is none nothing is done.

    Args:
        node: Connected, or connected now.
        timeout_s: For all of it.

    Returns:
        What the node says is left, one line each, for people.

    Raises:
        NodeUnreachable, HostKeyError, NodeError: As ``SshNode.connect``.
        NodeError: Something of it still runs, or there is no Python any more (``not-removed``).
        NodeUnreachable: No end in time (``agent-silent``).
    """
    deadline = time.monotonic() + timeout_s
    with node.open_channel(agent_payload().removal) as channel:
        try:
            said = _talk(channel, deadline)
            status = channel.wait(max(0.0, deadline - time.monotonic()))
        except TimeoutError:
            summary = f"{node.name} did not let go of the agent within {timeout_s:g} s"
            raise NodeUnreachable(summary, code="agent-silent") from None
        told = [line.removeprefix("arb: ") for line in said if line.startswith("arb: ")]
        if status or REMOVED not in said:
            why = "; ".join(told) or channel.last_words()
            summary = f"the agent could not be taken off {node.name}: {why}"
            raise NodeError(summary, code="not-removed")
    return told


def _talk(channel: SshChannel, deadline: float) -> list[str]:
    """Send what is asked for, and return the lines that were said."""
    payload = agent_payload()
    need = json.dumps({"need": payload.digest}, separators=(",", ":")).encode()
    said, sent = b"", False
    _send(channel, payload.script, deadline)
    while data := channel.recv(65536, max(0.0, deadline - time.monotonic())):
        said += data
        if not sent and need in said:
            sent = True
            _send(channel, payload.data, deadline)
    return said.decode(errors="replace").splitlines()


def _send(channel: SshChannel, data: bytes, deadline: float) -> None:
    try:
        channel.send(data, max(0.0, deadline - time.monotonic()))
    except BrokenPipeError:
        return  # it has ended: its output and exit code say why
