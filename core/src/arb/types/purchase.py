"""What is asked of a provider."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from arb.types.offers import Offer

__all__ = ["HostKey", "NodeFile", "NodeSetup", "ProvisionRequest"]


@dataclass(frozen=True, slots=True)
class HostKey:
    """An SSH host key that the core made for one node.

    Attributes:
        public: One line, ``ssh-ed25519 AAAA...``.
        private: OpenSSH PEM text. Goes into the node's user data and nowhere else.
    """

    public: str
    private: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class NodeFile:
    """A file that must exist before the first SSH connection. ``content`` may be secret."""

    path: str
    content: str = field(repr=False)
    mode: str = "0600"
    owner: str = "root:root"


@dataclass(frozen=True, slots=True)
class NodeSetup:
    """What one machine is given at creation.

    A provider with ``USER_DATA`` puts ``files`` in place and runs ``commands`` as root at the first
    boot, in order; ``user_data()`` is the same as one cloud-init document. Every provider lets
    ``authorized_key`` in.

    Attributes:
        token: The machine's name and idempotency token, 30 characters ``[a-z0-9-]``.
        rank: 0 for the head; None in a batch call, where all machines share one setup.
        authorized_key: Public key line of the core's client key.
        host_key: What the machine must show; None without ``USER_DATA``.
        files: In place before sshd starts.
        commands: Shell lines, run once as root.
    """

    token: str
    rank: int | None
    authorized_key: str
    host_key: HostKey | None = None
    files: tuple[NodeFile, ...] = ()
    commands: tuple[str, ...] = ()

    def user_data(self) -> str:
        """Return a ``#cloud-config`` document. It holds the private host key: never log it."""
        document = {
            "ssh_authorized_keys": [self.authorized_key],
            "write_files": [
                {"path": f.path, "content": f.content, "permissions": f.mode, "owner": f.owner}
                for f in self.files
            ],
            "runcmd": [["sh", "-c", command] for command in self.commands],
        }
        return "#cloud-config\n" + json.dumps(document)  # JSON is YAML


@dataclass(frozen=True, slots=True)
class ProvisionRequest:
    """One attempt to buy ``count`` machines of one offer.

    Attributes:
        cluster: The user's name for the cluster: for labels, not for identity.
        token: The attempt's token without a rank; the idempotency token of a batch call.
        offer: What to buy; ``offer.payload`` is what the provider put into its catalog.
        count: How many machines, all or none.
        setups: One for each machine in rank order; exactly one with ``Capability.BATCH``.
        ports: TCP ports and ranges that the task wants reachable, for instance ``8000-8010``.
        labels: The user's labels; the provider adds its own.
        disk_gib: Size of the boot disk; 0 takes the provider's default.
        image: The user's ``image_id`` for this provider and region; empty takes the default.
        bringup_timeout_s: After it the machine ends itself unless an agent disarmed the timer.
    """

    cluster: str
    token: str
    offer: Offer
    count: int
    setups: tuple[NodeSetup, ...]
    ports: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    disk_gib: float = 0
    image: str = ""
    bringup_timeout_s: float = 1800
