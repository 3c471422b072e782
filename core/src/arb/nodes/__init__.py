"""Reaching nodes: SSH connections, keys, upload and download, and the agent that runs there."""
