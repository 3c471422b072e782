"""The plugins that see every provider: wrappers around its hooks, kept in pluggy's hands."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from arb.plugins.specs import new_manager

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from arb.plugins.validation import PluginHooks

__all__ = ["Wrappers"]


class Wrappers:
    """Wrappers of the group ``arb.plugins``, the first name outermost.

    One pluggy manager holds the wrappers alone; the provider's function joins for one call
    (``call_extra``). So no provider can see another's calls, and loading one changes nothing that a
    call in another thread is using.

    Args:
        plugins: Checked plugins of the group.
    """

    def __init__(self, plugins: Sequence[PluginHooks]) -> None:
        self._manager: Final = new_manager()
        self._plugins: Final = {
            plugin.entry.name: plugin
            for plugin in sorted(plugins, key=lambda p: p.entry.name, reverse=True)
            if any(found.is_wrapper for found in plugin.found.values())
        }
        for name, plugin in self._plugins.items():  # pluggy calls the last registered first
            self._manager.register(plugin.plugin, name=name)

    def around(self, hook: str) -> dict[str, PluginHooks]:
        """Return the plugins that wrap a hook, by name."""
        return {name: p for name, p in self._plugins.items() if hook in p.found}

    def call(
        self,
        hook: str,
        function: Callable[..., Any],
        arguments: Mapping[str, object],
        skipped: frozenset[str],
    ) -> Any:
        """Call a provider's function through every wrapper that is not skipped."""
        caller = self._manager.subset_hook_caller(
            hook, [self._plugins[name].plugin for name in skipped if name in self._plugins]
        )
        return caller.call_extra([function], arguments)
