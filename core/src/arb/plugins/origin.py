"""Who brought a loaded plugin, and what it implements."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from arb.plugins.validation import PluginHooks

__all__ = ["Origin"]


class Origin:
    """What every facade over a loaded plugin can tell of it."""

    def __init__(self, hooks: PluginHooks) -> None:
        self._hooks: Final = hooks

    @property
    def distribution(self) -> str:
        """The distribution that brought it."""
        return self._hooks.entry.distribution

    @property
    def version(self) -> str:
        """The distribution's version."""
        return self._hooks.entry.version

    @property
    def api(self) -> int:
        """The version of the hook API it was written for."""
        return self._hooks.api

    @property
    def hooks(self) -> tuple[str, ...]:
        """The hooks that it implements, sorted."""
        return tuple(sorted(self._hooks.found))
