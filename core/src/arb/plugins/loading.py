"""Importing what an entry point names, without trusting it."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from arb import __version__
from arb.errors import PluginError
from arb.plugins._surroundings import Surroundings
from arb.plugins.blame import describe
from arb.plugins.calls import call
from arb.types.provider import API_VERSION

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from arb.plugins.table import PluginEntry

__all__ = ["IMPORT_BUDGET_S", "SUPPORTED_API", "LoadedPlugin", "load", "load_command"]

SUPPORTED_API: Final = frozenset({API_VERSION})
"""Versions of the hook API that this core speaks."""
IMPORT_BUDGET_S: Final = 10.0

_surroundings: Final = Surroundings()
_VALUE: Final = re.compile(r"(?P<module>[\w.]+)\s*(?::\s*(?P<attribute>[\w.]+))?\s*(\[.*\])?$")
_NAME: Final = re.compile(r"[a-z][a-z0-9_-]{0,39}$")
_HOOK_GROUPS: Final = frozenset({"arb.providers", "arb.stores", "arb.plugins"})


@dataclass(frozen=True, slots=True)
class LoadedPlugin:
    """An imported plugin. ``plugin`` is a module or an object; ``api`` is 0 when it named none."""

    entry: PluginEntry
    plugin: Any
    api: int


def load(
    entry: PluginEntry,
    *,
    env: Mapping[str, str],
    warn: Callable[[PluginEntry, str, str], None],
    budget_s: float = IMPORT_BUDGET_S,
) -> LoadedPlugin:
    """Import a plugin in a daemon thread and check the hook API that it was written for.

    Args:
        entry: What to import.
        env: Used to keep secrets out of messages.
        warn: Called with the entry, a stage and a text when it is usable but misbehaved.
        budget_s: Seconds the import may take.

    Raises:
        PluginError: It cannot be used; the summary names the distribution and the reason.
    """
    if not _NAME.match(entry.name):
        raise _refused(entry, f"{entry.name!r} is not a valid name in {entry.group}", "plugin-name")
    _surroundings.enter(entry.origin)
    outcome = call(lambda: _imported(entry.value), budget_s=budget_s, name=f"import {entry.value}")
    if changed := _surroundings.leave(entry.origin):
        warn(entry, "surroundings", f"import of {entry.value} changed {changed}: put back")
    if not outcome.finished:
        text = f"import of {entry.value} did not end within {budget_s:g} s"
        raise _refused(entry, text, "plugin-hung")
    if outcome.value is None:
        error = outcome.error or ImportError()
        text = f"import of {entry.value} failed with {describe(error, env)}"
        raise _refused(entry, text, "plugin-import") from error
    if outcome.printed is not None:
        warn(entry, "import", f"import of {entry.value} printed to standard output")
    plugin, api = outcome.value
    return LoadedPlugin(entry, plugin, _checked_api(entry, api))


def load_command(entry: PluginEntry, *, env: Mapping[str, str] | None = None) -> Any:
    """Return the Typer app of a command plugin: the object named, or ``app`` of the module named.

    Args:
        entry: Out of the group ``arb.commands``.
        env: Used to keep secrets out of messages.

    Raises:
        PluginError: It cannot be imported, or holds no app.
    """
    found = load(entry, env=env or {}, warn=lambda *_: None).plugin
    app = getattr(found, "app", found)
    if not callable(app):
        text = f"{entry.value} is no Typer app and has none named app"
        raise _refused(entry, text, "plugin-type")
    return app


def _resolve(value: str) -> Any:
    """Import ``module`` or ``module:attribute``."""
    match = _VALUE.match(value)
    if match is None:
        message = f"{value!r} is not an object reference"
        raise ValueError(message)
    found: Any = import_module(match["module"])
    for part in (match["attribute"] or "").split("."):
        found = getattr(found, part) if part else found
    return found


def _imported(value: str) -> tuple[Any, object]:
    """Return what an object reference names, and the ARB_API of it or of its module."""
    plugin = _resolve(value)
    api = getattr(plugin, "ARB_API", None)
    if api is None:
        module = sys.modules.get(getattr(plugin, "__module__", "") or "")
        api = getattr(module, "ARB_API", None)
    return plugin, api


def _checked_api(entry: PluginEntry, api: object) -> int:
    """Return the plugin's API version.

    Raises:
        PluginError: It is missing in a group that has hooks, or this core does not speak it.
    """
    if api is None and entry.group not in _HOOK_GROUPS:
        return 0
    if not isinstance(api, int) or isinstance(api, bool):
        text = f"{entry.value} must set ARB_API = {API_VERSION}, not {_short(api)}"
        raise _refused(entry, text, "plugin-api", hint=_upgrade(entry.distribution))
    if api in SUPPORTED_API:
        return api
    outdated = "arb-core" if api > max(SUPPORTED_API) else entry.distribution
    spoken = ", ".join(str(version) for version in sorted(SUPPORTED_API))
    text = f"needs hook API {api}, arb-core {__version__} speaks {spoken}: upgrade {outdated}"
    raise _refused(entry, text, "plugin-api", hint=_upgrade(outdated))


def _short(value: object) -> str:
    return "nothing" if value is None else f"a {type(value).__name__}"


def _upgrade(distribution: str) -> str:
    return f"pip install --upgrade {distribution}"


def _refused(entry: PluginEntry, text: str, code: str, *, hint: str = "") -> PluginError:
    hint = hint or f"arb plugins shows it; pip uninstall {entry.distribution} removes it"
    return PluginError(f"{entry.origin}: {text}", code=code, hint=hint)
