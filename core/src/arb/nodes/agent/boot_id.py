"""Which life of the machine this is: process ids mean nothing after a reboot."""

from __future__ import annotations

import os

from . import files


def current() -> str:
    """Return the kernel's boot id, or what the file named by ARB_BOOT_ID_FILE says.

    Nodes that share one kernel (simulated ones, containers) reboot on their own.
    """
    path = os.environ.get("ARB_BOOT_ID_FILE") or "/proc/sys/kernel/random/boot_id"
    return files.read(path).strip() or "unknown"
