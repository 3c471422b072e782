"""One process's view of everything: settings, state, keys, plugins. Parts open on first use."""

from __future__ import annotations

import os
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, Self
from weakref import WeakSet

from arb.config import Config, read_config
from arb.home import Home
from arb.progress import SilentProgress
from arb.types.clock import SystemClock

if TYPE_CHECKING:
    from collections.abc import Mapping

    from arb.clusters.nodes import KeptNodes
    from arb.nodes.keys import KeyPair
    from arb.plugins import Plugins
    from arb.progress import Progress
    from arb.provision.journal import Journal
    from arb.provision.shop import Shop
    from arb.state.store import Store
    from arb.state.vault import Vault
    from arb.types import Clock, RateBudget, RateLimiter

__all__ = ["Closable", "Session"]


class Closable(Protocol):
    """What can be let go of, more than once."""

    def close(self) -> None:
        """Let go."""


class Session:
    """What commands work with.

    Args:
        env: The environment; the process's own when not given.
        progress: Hears what long work does.
        clock: Time.
        rescan: Read the installed plugins anew.
        only_looks: Make no state where there is none: hooks are told no owner then, and rate budgets
            hold in this process alone. For commands that show prices.
    """

    def __init__(
        self,
        env: Mapping[str, str] | None = None,
        *,
        progress: Progress | None = None,
        clock: Clock | None = None,
        rescan: bool = False,
        only_looks: bool = False,
    ) -> None:
        self.env = dict(os.environ if env is None else env)
        self.progress: Progress = progress or SilentProgress()
        self.clock: Clock = clock or SystemClock()
        self.home = Home.from_env(self.env)
        self._rescan = rescan
        self._only_looks = only_looks
        self._closables: WeakSet[Closable] = WeakSet()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of connections and the database; safe to call when there are none."""
        for resource in list(self._closables):
            resource.close()
        if "nodes" in self.__dict__:
            self.nodes.close()
        if "store" in self.__dict__:
            self.store.close()

    def close_later(self, resource: Closable) -> None:
        """Have something closed with the session, unless nobody holds it any more by then."""
        self._closables.add(resource)

    @cached_property
    def config(self) -> Config:
        """The user's settings."""
        self.home.shut_others_out()
        return read_config(self.home.config_file)

    @property
    def user_home(self) -> Path:
        """The user's home folder, where the clouds' own tools keep their files."""
        return Path(self.env.get("HOME") or Path.home())

    @cached_property
    def store(self) -> Store:
        """The state store."""
        from arb.state.store import open_store

        self.home.folder(".")
        url = self.env.get("ARB_DATABASE_URL") or self.home.database_url
        return open_store(url, clock=self.clock)

    @cached_property
    def vault(self) -> Vault:
        """Keys and secrets."""
        from arb.state.vault import open_vault

        return open_vault(self.home.folder("vault"), self.store, self.env)

    @cached_property
    def plugins(self) -> Plugins:
        """Installed plugins."""
        from arb.plugins import Plugins, PluginSettings
        from arb.plugins.settings import disabled_providers

        settings = PluginSettings(
            cache_dir=self.home.folder("cache"),
            data_dir=self.home.folder("data"),
            env=self.env,
            home=self.user_home,
            owner=lambda: self.store.owner() if self.has_state else "",
            limiter=self._limiter,
            options=self.config.provider_options,
            clock=self.clock,
            disabled=disabled_providers(self.env) | set(self.config.disabled_providers),
            no_plugins=bool(self.env.get("ARB_NO_PLUGINS")),
            rescan=self._rescan,
        )
        return Plugins(settings, warn=self.progress.warn)

    @cached_property
    def journal(self) -> Journal:
        """Intents and machines."""
        from arb.provision.journal import Journal

        return Journal(self.store)

    @cached_property
    def shop(self) -> Shop:
        """The means to buy and to give back."""
        from arb.provision.shop import Shop

        return Shop(
            self.journal, self.plugins, self.vault, self.clock, self.progress, self._catalog_files
        )

    @cached_property
    def nodes(self) -> KeptNodes:
        """Connections to nodes."""
        from arb.clusters.nodes import KeptNodes

        return KeptNodes(self)

    @cached_property
    def client_key(self) -> KeyPair:
        """The key that every node of this owner lets in."""
        from arb.nodes.keys import client_key

        return client_key(self.vault, self.store.owner())

    def _catalog_files(self, provider: str) -> tuple[str, ...]:
        """Return the files that a provider's offers were read from, as far as it named any."""
        from arb.catalog.store import open_catalog

        with open_catalog(self.home.catalog_db) as catalog:
            row = catalog.provider(provider)
        return tuple(path for path, _ in row.files) if row else ()

    @property
    def has_state(self) -> bool:
        """Whether the state store may be opened: it is made unless this session only looks."""
        url = self.env.get("ARB_DATABASE_URL")
        return bool(not self._only_looks or url or self.home.has_database())

    def _limiter(self, provider: str, budgets: Mapping[str, RateBudget]) -> RateLimiter:
        if not self.has_state:
            from arb.clusters.limits import ProcessRateLimiter

            return ProcessRateLimiter(self.clock, provider, budgets)
        from arb.state.budgets import StoreRateLimiter

        return StoreRateLimiter(self.store, provider, budgets)
