"""The face of an object store plugin, group ``arb.stores``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from arb.plugins.budgets import BUDGETS_S
from arb.plugins.contexts import ContextMaker
from arb.plugins.origin import Origin
from arb.plugins.validation import PluginHooks

if TYPE_CHECKING:
    from arb.plugins.invoke import Invoker
    from arb.plugins.loading import LoadedPlugin
    from arb.plugins.settings import PluginSettings
    from arb.types import StoreRemote

__all__ = ["Store"]

_HOOK: Final = "arb_store_config"


class Store(Origin):
    """One usable object store.

    Attributes:
        scheme: Of its addresses, for instance ``s3``.
    """

    def __init__(self, hooks: PluginHooks, invoker: Invoker, settings: PluginSettings) -> None:
        self.scheme: Final = hooks.entry.name
        super().__init__(hooks)
        self._invoker: Final = invoker
        self._contexts: Final = ContextMaker(settings, self.scheme, {})

    @classmethod
    def open(cls, loaded: LoadedPlugin, invoker: Invoker, settings: PluginSettings) -> Store:
        """Check an imported plugin and return its facade.

        Raises:
            PluginError: It cannot be used.
        """
        return cls(PluginHooks.of(loaded), invoker, settings)

    def config(self, uri: str) -> StoreRemote:
        """Return the rclone remote for a bucket address.

        Raises:
            CredentialsError: None are there, or they were refused.
            UsageError: The address is not one of this store.
            ProviderUnavailable: No answer; with the code ``deadline`` it is not called again.
            PluginError: The plugin broke the contract.
        """
        budget_s = BUDGETS_S[_HOOK]
        remote: StoreRemote = self._invoker.invoke(
            self._hooks,
            _HOOK,
            lambda: {"context": self._contexts.make(budget_s), "uri": uri},
            budget_s,
        )
        return remote
