"""Plugins: found by entry point, loaded when needed, and kept from harming each other.

``table`` reads names without importing anything, ``manager`` hands out what they stand for, and
``provider`` is the face every provider shows to the core. Names are resolved on first use, so that
``arb --help``, which needs the table alone, does not pay for pluggy.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from arb.plugins.loading import load_command
    from arb.plugins.manager import Plugins
    from arb.plugins.provider import Provider
    from arb.plugins.settings import PluginSettings
    from arb.plugins.store import Store
    from arb.plugins.table import PluginEntry, PluginTable

__all__ = [
    "PluginEntry",
    "PluginSettings",
    "PluginTable",
    "Plugins",
    "Provider",
    "Store",
    "load_command",
]

_HOMES: Final = {
    "PluginEntry": "table",
    "PluginSettings": "settings",
    "PluginTable": "table",
    "Plugins": "manager",
    "Provider": "provider",
    "Store": "store",
    "load_command": "loading",
}


def __getattr__(name: str) -> object:
    """Import the module behind a public name when it is first asked for."""
    if name not in _HOMES:
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
