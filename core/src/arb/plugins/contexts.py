"""Contexts for hook calls: what is the same for all, and the folders of each plugin."""

from __future__ import annotations

import atexit
import shutil
import tempfile
import threading
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Final

from arb.errors import StateError
from arb.plugins.throttle import CallLimiter
from arb.types import ProviderContext

if TYPE_CHECKING:
    from collections.abc import Mapping

    from arb.plugins.settings import PluginSettings
    from arb.types import RateBudget, RateLimiter

__all__ = ["ContextMaker"]


class ContextMaker:
    """Makes the contexts of one provider or store.

    The state store (owner, limiter) and the folders are touched when a hook first needs a context,
    not when the plugin is loaded: listing plugins works without any of them.

    Args:
        settings: Of the process.
        name: Provider id or store scheme.
        budgets: The rate budgets it names.
    """

    def __init__(
        self, settings: PluginSettings, name: str, budgets: Mapping[str, RateBudget]
    ) -> None:
        self._settings: Final = settings
        self._name: Final = name
        self._budgets: Final = budgets
        self._lock: Final = threading.Lock()

    def make(self, budget_s: float) -> ProviderContext:
        """Return a context whose deadline is ``budget_s`` seconds from now.

        Raises:
            StateError: The data folder cannot be made.
        """
        settings = self._settings
        with self._lock:  # cached properties are not safe by themselves
            owner, limiter = self._owner, self._limiter
            cache_dir, data_dir = self._cache_dir, self._data_dir
        return ProviderContext(
            provider=self._name,
            owner=owner,
            options=dict(settings.options.get(self._name, {})),
            cache_dir=cache_dir,
            data_dir=data_dir,
            env=settings.env,
            home=settings.home,
            clock=settings.clock,
            limiter=CallLimiter(limiter),
            deadline=settings.clock.monotonic() + budget_s,
        )

    @cached_property
    def _owner(self) -> str:
        return self._settings.owner()

    @cached_property
    def _limiter(self) -> RateLimiter:
        return self._settings.limiter(self._name, self._budgets)

    @cached_property
    def _cache_dir(self) -> Path:
        folder = self._settings.cache_dir / "providers" / self._name
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError:  # a read-only cache is as good as one that was just lost
            return _passing_folder(f"arb-cache-{self._name}-")
        return folder

    @cached_property
    def _data_dir(self) -> Path:
        folder = self._settings.data_dir / self._name
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            text = f"the folder {folder} cannot be made: {error.strerror}"
            raise StateError(
                text, code="data-folder", hint="free its path, or set ARB_HOME"
            ) from error
        return folder


def _passing_folder(prefix: str) -> Path:
    """Make a folder that is removed when this process ends."""
    folder = tempfile.mkdtemp(prefix=prefix)
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Path(folder)
