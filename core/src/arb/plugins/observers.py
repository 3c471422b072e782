"""Hooks that every plugin of the group ``arb.plugins`` may implement, each called by itself.

Plugins are called in the order of their names, and none sees another's failure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from arb.errors import ArbError
from arb.plugins.blame import describe
from arb.plugins.budgets import BUDGETS_S
from arb.plugins.calls import call
from arb.plugins.frames import check_adjusted
from arb.plugins.results import WrongResult, is_sound

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd

    from arb.plugins.validation import PluginHooks
    from arb.plugins.warnings import Warnings
    from arb.types import Event, TaskView

__all__ = ["Observers"]


class Observers:
    """Fans policy hooks out.

    Args:
        plugins: Checked plugins of the group ``arb.plugins``.
        warnings: Hears of what broke.
        env: Used to keep secrets out of messages.
    """

    def __init__(
        self, plugins: Sequence[PluginHooks], warnings: Warnings, env: Mapping[str, str]
    ) -> None:
        self._plugins: Final = sorted(plugins, key=lambda plugin: plugin.entry.name)
        self._warnings: Final = warnings
        self._env: Final = env

    def validate_task(self, task: TaskView) -> None:
        """Let every plugin refuse a task.

        Raises:
            ArbError: One did, with its reason.
        """
        for plugin in self._listening("arb_validate_task"):
            self._call(plugin, "arb_validate_task", {"task": task})

    def adjust_offers(self, offers: pd.DataFrame) -> pd.DataFrame:
        """Let every plugin change or remove candidates; return what is left.

        Raises:
            ArbError: One refuses the whole plan.
        """
        hook = "arb_adjust_offers"
        for plugin in self._listening(hook):
            # A copy: one that is given up, or broken, may have changed half of it.
            answered, adjusted = self._call(plugin, hook, {"offers": offers.copy()})
            if not answered:
                continue
            try:
                check_adjusted(offers, adjusted)
            except WrongResult as wrong:
                self._warn(plugin, hook, str(wrong))
            else:
                offers = adjusted
        return offers

    def event(self, event: Event) -> None:
        """Tell every plugin what happened. Never raises what a plugin raised."""
        for plugin in self._listening("arb_event"):
            try:
                self._call(plugin, "arb_event", {"event": event})
            except ArbError as error:
                self._warn(plugin, "arb_event", f"raised {describe(error, self._env)}")

    def _listening(self, hook: str) -> list[PluginHooks]:
        return [plugin for plugin in self._plugins if hook in plugin.found and not plugin.hung_in]

    def _call(
        self, plugin: PluginHooks, hook: str, arguments: Mapping[str, object]
    ) -> tuple[bool, Any]:
        """Call one plugin and return whether it answered, and what.

        Raises:
            ArbError: It raised one.
        """
        implementation = plugin.found[hook].function
        wanted = _accepted(implementation, arguments)
        budget_s = BUDGETS_S[hook]
        outcome = call(
            lambda: implementation(**wanted), budget_s=budget_s, name=f"{plugin.entry.name}.{hook}"
        )
        if outcome.printed is not None:
            self._warn(plugin, hook, "printed to standard output")
        if not outcome.finished:
            plugin.hung_in = hook
            self._warn(plugin, hook, f"gave no answer within {budget_s:g} s")
            return False, None
        if outcome.error is not None and is_sound(outcome.error):
            raise outcome.error
        if outcome.error is not None:
            self._warn(plugin, hook, f"raised {describe(outcome.error, self._env)}")
            return False, None
        return True, outcome.value

    def _warn(self, plugin: PluginHooks, hook: str, text: str) -> None:
        self._warnings.about(plugin.entry, hook, f"{hook} {text}")


def _accepted(function: Any, arguments: Mapping[str, object]) -> dict[str, object]:
    """Return the arguments that an implementation names: it may leave some out."""
    import inspect

    parameters = inspect.signature(function).parameters
    return {name: value for name, value in arguments.items() if name in parameters}
