"""From a reachable node to a talking agent: one exchange when it is there already, two when not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from arb.nodes.agent_build import agent_payload

if TYPE_CHECKING:
    from arb.nodes.agent_client import AgentClient
    from arb.nodes.ssh import SshNode

__all__ = ["connect_agent"]

START_TIMEOUT_S = 60.0


def connect_agent(node: SshNode, *, timeout_s: float = START_TIMEOUT_S) -> AgentClient:
    """Return a client of the node's agent, whose hello was checked; install it if need be.

    Args:
        node: Connected, or connected now.
        timeout_s: For the agent's first answer, installation included.

    Raises:
        NodeUnreachable, HostKeyError, NodeError: As ``SshNode.connect`` and ``AgentClient.hello``.
    """
    from arb.nodes.agent_client import AgentClient

    payload = agent_payload()
    client = AgentClient(node.open_channel(payload.command), payload=payload, where=node.name)
    try:
        client.hello(timeout_s)
    except BaseException:
        client.close()
        raise
    return client
