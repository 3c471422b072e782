"""Nodes that nobody can log in to: whatever is written down about them is written all the same."""

from __future__ import annotations

from typing import Any, Self

__all__ = ["no_power", "no_ssh"]


class _Agent:
    """Takes everything."""

    def call(self, *_: object, **__: object) -> dict[str, Any]:
        """Return nothing."""
        return {}

    def close(self) -> None:
        """Do nothing."""


class _Channel:
    """A command that ended well and said nothing."""

    stderr_tail = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Do nothing."""

    def recv(self, *_: object) -> bytes:
        """Return nothing."""
        return b""

    def wait(self, *_: object) -> int:
        """Return an exit code."""
        return 0


def no_ssh() -> None:
    """Let every node of this process be up at once, with an agent that takes everything."""
    from arb.clusters import bringup, nodes
    from arb.nodes.ssh import SshNode

    bringup.wait_ready = lambda *_, **__: None  # type: ignore[assignment]
    nodes.connect_agent = lambda _: _Agent()  # type: ignore[assignment]
    SshNode.open_channel = lambda *_: _Channel()  # type: ignore[assignment,method-assign,return-value]
    SshNode.close = lambda _: None  # type: ignore[method-assign]


def no_power() -> None:
    """Let machines of arb-local's room be folders and lines in its ledger, without a process."""
    from arb_local.room import power, room
    from arb_local.room.files import try_lock
    from arb_local.room.launcher import announce
    from arb_local.room.records import Folder

    def launch(path: Any, locks: Any) -> None:
        for machine_id in locks:
            announce(Folder(path, machine_id))

    room.start_launcher = launch
    power.start_launcher = launch
    power._cut_power = lambda folder, *_: try_lock(folder.power_lock)
    Folder.has_power = lambda _: True  # type: ignore[method-assign]
