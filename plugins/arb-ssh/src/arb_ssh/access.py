"""How hosts are entered: with which key of the user, and which host key they must show."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from arb_ssh.hostkeys import Pins, Trust, known_keys, told_key
from arb_ssh.keys import Identities

if TYPE_CHECKING:
    from pathlib import Path

    from arb.types import ProviderContext
    from arb_ssh.hosts import Host

__all__ = ["Access"]


class Access:
    """What connections of one hook call need. Safe to use from several threads.

    Args:
        context: Of the call.
        known_hosts: The user's file of host keys.
    """

    def __init__(self, context: ProviderContext, known_hosts: Path) -> None:
        self.identities = Identities(context.env, context.home)
        self.pins = Pins(context.data_dir / "host_keys")
        self._known_hosts = known_hosts
        self._shown: dict[str, str] = {}
        self._lock = threading.Lock()

    def trust(self, host: Host) -> Trust:
        """Return what a host must show: what is configured, else known, else seen before."""
        if host.host_key:
            return Trust((told_key(host.host_key),), source="the configuration")
        known = known_keys(self._known_hosts, host)
        if known.keys:
            return known
        pinned = self.pins.get(host)
        keys = (pinned,) if pinned else ()
        return Trust(keys, known.revoked, "the first connection" if pinned else "")

    def accept(self, host: Host, line: str, trust: Trust) -> bool:
        """Say whether a host may show this key; the first one of a host is kept."""
        if not trust.keys and line not in trust.revoked:
            trust = Trust((self.pins.pin(host, line),), trust.revoked)
        with self._lock:
            self._shown[host.key] = line
        return trust.accepts(line)

    def key_of(self, host: Host) -> str:
        """Return the key line that a host showed in this call, or must show; empty when unknown."""
        shown = self._shown.get(host.key, "")
        return shown or next((key for key in self.trust(host).keys if " " in key), "")

    def is_pinned(self, host: Host) -> bool:
        """Say whether a host is trusted for no other reason than its first connection."""
        return self.trust(host).source == "the first connection"
