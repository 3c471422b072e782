"""What ``arb plugins`` shows: every installed plugin, its state and why."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from arb.errors import ArbError, UsageError
from arb.plugins.calls import in_parallel

if TYPE_CHECKING:
    from collections.abc import Callable

    from arb.plugins.manager import Plugins
    from arb.plugins.table import PluginEntry

__all__ = ["PluginReport", "make_report"]

_LOADED_LATER: Final = {
    "arb.commands": "loaded when it runs",
    "arb.reconcilers": "loaded by the controller",
    "arb.policies": "loaded when chosen",
}


@dataclass(frozen=True, slots=True)
class PluginReport:
    """One line of ``arb plugins``.

    Attributes:
        name: Provider id, command, scheme, ...
        group: Entry-point group.
        distribution: Who brought it.
        version: Of the distribution.
        api: Version of the hook API; None when it is not known or there is none.
        capabilities: Of a provider, sorted.
        hooks: What it implements, sorted.
        state: ``ok``, ``installed`` (not loaded by this command), ``disabled``, ``misconfigured``
            or ``broken``.
        reason: Why it is not ``ok``.
    """

    name: str
    group: str
    distribution: str
    version: str
    state: str
    reason: str = ""
    api: int | None = None
    capabilities: tuple[str, ...] = ()
    hooks: tuple[str, ...] = ()


def make_report(plugins: Plugins) -> list[PluginReport]:
    """Load everything that has hooks, side by side, and describe it."""
    plugins.always_loaded()
    entries = plugins.table.all_entries()
    reports = in_parallel(lambda entry: _describe(plugins, entry), entries)
    unreadable = [
        PluginReport("", "", broken.distribution, "", "broken", broken.reason)
        for broken in plugins.table.broken
    ]
    return [*reports, *unreadable]


def _describe(plugins: Plugins, entry: PluginEntry) -> PluginReport:
    if plugins.settings.no_plugins:
        return _report(entry, "disabled", "--no-plugins")
    for duplicate in plugins.table.duplicates(entry.group):
        if entry in duplicate.refused:
            return _report(entry, "broken", duplicate.describe())
    if entry.group in _LOADED_LATER:
        return _report(entry, "installed", _LOADED_LATER[entry.group])
    describe: Callable[[Plugins, PluginEntry], PluginReport] = _DESCRIBERS[entry.group]
    try:
        return describe(plugins, entry)
    except UsageError as error:
        state = "disabled" if error.code == "provider-disabled" else "misconfigured"
        return _report(entry, state, error.summary)
    except ArbError as error:
        return _report(entry, "broken", error.summary.removeprefix(f"{entry.origin}: "))


def _describe_provider(plugins: Plugins, entry: PluginEntry) -> PluginReport:
    provider = plugins.provider(entry.name)
    capabilities = tuple(sorted(str(item) for item in provider.info.capabilities))
    report = _report(entry, "ok")
    return replace(report, api=provider.api, capabilities=capabilities, hooks=provider.hooks)


def _describe_store(plugins: Plugins, entry: PluginEntry) -> PluginReport:
    store = plugins.store(entry.name)
    return replace(_report(entry, "ok"), api=store.api, hooks=store.hooks)


def _describe_observer(plugins: Plugins, entry: PluginEntry) -> PluginReport:
    hooks = plugins.observer(entry)
    return replace(_report(entry, "ok"), api=hooks.api, hooks=tuple(sorted(hooks.found)))


_DESCRIBERS: Final = {
    "arb.providers": _describe_provider,
    "arb.stores": _describe_store,
    "arb.plugins": _describe_observer,
}


def _report(entry: PluginEntry, state: str, reason: str = "") -> PluginReport:
    return PluginReport(entry.name, entry.group, entry.distribution, entry.version, state, reason)
