"""What the user configured: where the room is, what is simulated, what nodes see."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

from arb.errors import UsageError
from arb_local.room import Room
from arb_local.simulated import read_simulated
from arb_local.simulated_file import simulated_path

if TYPE_CHECKING:
    from collections.abc import Mapping

    from arb.types import ProviderContext
    from arb_local.simulated import SimulatedType

__all__ = [
    "OPTIONS",
    "ROOM_VARIABLE",
    "node_path",
    "open_room",
    "room_path",
    "simulated_file",
    "simulated_types",
]

ROOM_VARIABLE: Final = "ARB_LOCAL_ROOM"

OPTIONS: Final[Mapping[str, str]] = {
    "room": "Folder of the machine room; default: ARB_LOCAL_ROOM, else below ARB_HOME.",
    "simulated": "Simulated instance types: a list of maps, or a YAML or CSV file with them.",
    "path": "Folders put before the PATH of every node: a list, or text with colons.",
}


def room_path(options: Mapping[str, object], env: Mapping[str, str], data_dir: Path) -> Path:
    """Return the room's folder: the option, else the variable, else ``data_dir``/room."""
    configured = options.get("room") or env.get(ROOM_VARIABLE) or ""
    if not isinstance(configured, str):
        raise _wrong("room", "must be a path")
    return Path(configured).expanduser() if configured else data_dir / "room"


def open_room(context: ProviderContext) -> Room:
    """Open the machine room of a hook call."""
    return Room(room_path(context.options, context.env, context.data_dir), now=context.clock.now)


def simulated_file(context: ProviderContext) -> Path | None:
    """Return the file of the simulated instance types; None when they are in the settings.

    Raises:
        UsageError: The option is wrong.
    """
    option = context.options.get("simulated")
    return simulated_path(option, context.home) if isinstance(option, str) and option else None


def simulated_types(context: ProviderContext) -> tuple[SimulatedType, ...]:
    """Read the simulated instance types.

    Raises:
        UsageError: The option is wrong.
    """
    return read_simulated(context.options.get("simulated"), context.home)


def node_path(context: ProviderContext) -> tuple[str, ...]:
    """Return the folders that every node's PATH begins with.

    Raises:
        UsageError: The option is wrong.
    """
    option = context.options.get("path") or ()
    folders = option.split(":") if isinstance(option, str) else option
    if not isinstance(folders, list | tuple) or not all(isinstance(f, str) for f in folders):
        raise _wrong("path", "must be a list of folders")
    home = str(context.home)
    expanded = [home + f[1:] if f == "~" or f.startswith("~/") else f for f in folders if f]
    if not all(os.path.isabs(folder) for folder in expanded):  # noqa: PTH117 - plain texts
        raise _wrong("path", "must name absolute folders")
    return tuple(expanded)


def _wrong(name: str, what: str) -> UsageError:
    return UsageError(f"provider_options.local.{name} {what}", code="local-option-invalid")
