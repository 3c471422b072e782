"""How a node is reached, warned and ended; where its buckets are."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["NoticeProbe", "SelfTerminate", "SshEndpoint", "StoreRemote"]


@dataclass(frozen=True, slots=True)
class SshEndpoint:
    """Where the SSH server of an instance listens, and the user that ``authorized_key`` lets in.

    Attributes:
        host: Name or address.
        port: TCP.
        user: Who logs in.
        host_key: The key line that it must show (``ssh-ed25519 AAAA...``), where the provider knows
            it without ``USER_DATA``; empty: as the setup says, else it is trusted on first use.
    """

    host: str
    port: int = 22
    user: str = "ubuntu"
    host_key: str = ""


@dataclass(frozen=True, slots=True)
class SelfTerminate:
    """What a node runs to end its own billing.

    Attributes:
        command: Shell line, run as root where possible.
        needs_account_key: True when the account's key must be on the node for it; the user is
            asked once.
        leaves: What is still billed afterwards until the provider is told to terminate, for people:
            ``the boot disk``. Empty when the command ends everything.
    """

    command: str
    needs_account_key: bool = False
    leaves: str = ""


@dataclass(frozen=True, slots=True)
class NoticeProbe:
    """How a node learns that it will be preempted.

    Either ``url`` is polled every ``interval_s``, or ``path`` is a file that appears.

    Attributes:
        url: HTTP address inside the node.
        headers: Sent with it.
        token_url: When given, PUT first; the answer goes into header ``token_header``.
        token_header: See above.
        token_request_headers: Sent with the PUT, instead of ``headers``.
        match: A notice is an answer 200 whose body contains this text; empty: any 200.
        path: A file on the node; ``~`` is the home of the user who is logged in.
        interval_s: Time between polls.
    """

    url: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    token_url: str = ""
    token_header: str = ""
    token_request_headers: Mapping[str, str] = field(default_factory=dict)
    match: str = ""
    path: str = ""
    interval_s: float = 5


@dataclass(frozen=True, slots=True)
class StoreRemote:
    """One rclone remote: ``options`` as ``rclone config`` names them; ``secrets`` likewise."""

    type: str
    options: Mapping[str, str]
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    root: str = ""
