"""The node agent: one process a node that queues, runs and watches jobs.

Shipped as the package ``arb_agent`` inside one zipapp (``arb.nodes.agent_build``). It runs on nodes
with Python 3.8 or newer and the standard library alone: relative imports only, and nothing that
makes the start of the front end slow.
"""

from __future__ import annotations

VERSION = "0.1.0"
"""Of the agent; a daemon hands over to a newer one when no job runs."""

PROTO = 1
"""Of the JSON lines between client and agent, see docs/agent-protocol.md."""
