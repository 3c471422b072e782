"""Reaching a node, and what runs in it to end it or to be warned."""

from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING, Final

from arb.types import NoticeProbe, SelfTerminate, SshEndpoint
from arb_local.settings import room_path

if TYPE_CHECKING:
    from arb.types import Instance, InstanceRef, ProviderContext

__all__ = ["NOTICE_PATH", "notice_probe", "self_terminate", "ssh_endpoint"]

NOTICE_PATH: Final = "~/.arb-local/preemption-notice"
"""The file that appears in a node before it is preempted; JSON with ``action`` and ``at``."""


def ssh_endpoint(instance: Instance) -> SshEndpoint:
    """Return where a node's SSH server listens."""
    facts = json.loads(instance.payload)
    return SshEndpoint(instance.address, int(facts["port"]), str(facts["user"]))


def self_terminate(context: ProviderContext, instance: InstanceRef) -> SelfTerminate:
    """Return the node's own ``poweroff``, by its full path: never the computer's."""
    room = room_path(context.options, context.env, context.data_dir).resolve()
    command = room / "machines" / instance.id / "bin" / "poweroff"
    return SelfTerminate(shlex.quote(str(command)))


def notice_probe() -> NoticeProbe:
    """Return the file to watch; ``~`` is the node's home."""
    return NoticeProbe(path=NOTICE_PATH, interval_s=1)
