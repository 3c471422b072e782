"""The local provider: nodes on this machine."""
