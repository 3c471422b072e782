"""``Plugins``: everything that is installed, each thing loaded when a command needs it."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

from arb.errors import ArbError, PluginError, UsageError, closest
from arb.plugins.calls import in_parallel
from arb.plugins.loading import load, load_command
from arb.plugins.table import PluginTable
from arb.plugins.warnings import Warnings
from arb.text import install_command

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    import pandas as pd

    from arb.plugins.invoke import Invoker
    from arb.plugins.loading import LoadedPlugin
    from arb.plugins.observers import Observers
    from arb.plugins.provider import Provider
    from arb.plugins.report import PluginReport
    from arb.plugins.settings import PluginSettings
    from arb.plugins.store import Store
    from arb.plugins.table import PluginEntry
    from arb.plugins.validation import PluginHooks
    from arb.types import Event, TaskView

__all__ = ["Plugins", "Reply"]

T = TypeVar("T")
_PROVIDERS: Final = "arb.providers"
_KINDS: Final = {
    "arb.providers": "provider",
    "arb.commands": "command",
    "arb.stores": "store",
    "arb.reconcilers": "reconciler",
    "arb.policies": "policy",
}


@dataclass(frozen=True)
class Reply(Generic[T]):
    """What one of several providers answered: a value, or an error.

    Attributes:
        warned: The error was a warning line already.
    """

    provider: str
    value: T | None = None
    error: ArbError | None = None
    warned: bool = False


class Plugins:
    """The installed plugins of this process. Safe to use from several threads.

    Args:
        settings: Of the process.
        warn: Takes one warning line; a bad plugin costs one. Called from several threads, one at a
            time.
        table: What is installed; None reads it when it is first needed.
    """

    def __init__(
        self,
        settings: PluginSettings,
        *,
        warn: Callable[[str], None],
        table: PluginTable | None = None,
    ) -> None:
        self.settings: Final = settings
        self.warnings: Final = Warnings(warn)
        self._opened: Final[dict[tuple[str, str], Any]] = {}
        self._locks: Final[dict[tuple[str, str], threading.Lock]] = {}
        self._lock: Final = threading.Lock()
        self._made: Final[dict[str, Any]] = {} if table is None else {"table": table}
        self._making: Final = threading.RLock()

    @property
    def table(self) -> PluginTable:
        """What is installed, whether it may be used or not."""
        settings = self.settings
        return self._once(
            "table", lambda: PluginTable.load(settings.cache_dir, rescan=settings.rescan)
        )

    def provider_names(self) -> tuple[str, ...]:
        """Return the providers that may be used, sorted. Loads none of them."""
        self._warn_of_table(_PROVIDERS)
        names = () if self.settings.no_plugins else self.table.names(_PROVIDERS)
        return tuple(name for name in names if not self._is_disabled(name))

    def provider(self, name: str) -> Provider:
        """Return one provider, loading it when it is asked for the first time.

        Raises:
            UsageError: There is none of that name, it is switched off, or its options are wrong.
            PluginError: It cannot be used; the same error every time.
        """
        from arb.plugins.provider import Provider

        entry = self._entry(_PROVIDERS, name)
        return self._open_once(
            entry, lambda loaded: Provider.open(loaded, self._invoker, self.settings)
        )

    def let_in_again(self) -> None:
        """Give providers that hung another chance, where their calls have ended by now.

        For a command that goes on for days; within one walk who hung stays out.
        """
        from arb.plugins.provider import Provider

        for opened in list(self._opened.values()):
            if isinstance(opened, Provider):
                opened.let_in_again()

    def providers(self, names: Iterable[str] | None = None) -> list[Provider]:
        """Return several providers, loaded side by side, without those that cannot be used.

        Args:
            names: Which; None is all of ``provider_names()``.

        Raises:
            UsageError: As for ``provider``. A broken plugin is a warning here.
        """
        chosen = self.provider_names() if names is None else tuple(names)
        opened = in_parallel(self._open_or_warn, chosen)
        return [provider for provider in opened if provider is not None]

    def ask_all(
        self, question: Callable[[Provider], T], names: Iterable[str] | None = None
    ) -> list[Reply[T]]:
        """Put one question to several providers side by side; return replies in name order.

        A provider that cannot be loaded, broke the contract or did not answer costs a warning. Other
        errors are left to the caller: they are the provider's answer.

        Args:
            question: For instance ``lambda provider: provider.catalog()``.
            names: Which; None is all.

        Raises:
            UsageError: As for ``provider``.
        """
        providers = self.providers(names)
        return in_parallel(lambda provider: self._ask(provider, question), providers)

    def command(self, name: str) -> Any:
        """Return the Typer app of a command plugin.

        Raises:
            UsageError: There is none of that name.
            PluginError: It cannot be used.
        """
        return load_command(self._entry("arb.commands", name), env=self.settings.env)

    def store(self, scheme: str) -> Store:
        """Return the store for a URI scheme.

        Raises:
            UsageError: There is none.
            PluginError: It cannot be used.
        """
        from arb.plugins.store import Store

        entry = self._entry("arb.stores", scheme)
        return self._open_once(
            entry, lambda loaded: Store.open(loaded, self._invoker, self.settings)
        )

    def reconciler(self, name: str) -> Any:
        """Return what an entry of ``arb.reconcilers`` names. For the controller only.

        Raises:
            UsageError: There is none.
            PluginError: It cannot be used.
        """
        return self._open_once(self._entry("arb.reconcilers", name), _object)

    def policy(self, name: str) -> Any:
        """Return what an entry of ``arb.policies`` names.

        Raises:
            UsageError: There is none.
            PluginError: It cannot be used.
        """
        return self._open_once(self._entry("arb.policies", name), _object)

    def names(self, group: str) -> tuple[str, ...]:
        """Return the usable names of one group. Loads nothing."""
        if group == _PROVIDERS:
            return self.provider_names()
        self._warn_of_table(group)
        return () if self.settings.no_plugins else self.table.names(group)

    def validate_task(self, task: TaskView) -> None:
        """Let the always loaded plugins refuse a task.

        Raises:
            ArbError: One did.
        """
        self._observers.validate_task(task)

    def adjust_offers(self, offers: pd.DataFrame) -> pd.DataFrame:
        """Let the always loaded plugins change or remove candidate offers.

        Raises:
            ArbError: One refuses the whole plan.
        """
        return self._observers.adjust_offers(offers)

    def event(self, event: Event) -> None:
        """Tell the always loaded plugins what happened. Never raises."""
        self._observers.event(event)

    def report(self) -> list[PluginReport]:
        """Load everything that has hooks, side by side, and say what became of each plugin."""
        from arb.plugins.report import make_report

        return make_report(self)

    def always_loaded(self) -> Sequence[PluginHooks]:
        """Return the plugins of the group ``arb.plugins`` that can be used."""
        return self._once("always", self._load_always)

    def observer(self, entry: PluginEntry) -> PluginHooks:
        """Return one plugin of the group ``arb.plugins``.

        Raises:
            PluginError: It cannot be used.
        """
        from arb.plugins.validation import PluginHooks

        return self._open_once(entry, PluginHooks.of)

    def _entry(self, group: str, name: str) -> PluginEntry:
        """Find a usable entry, or say why there is none."""
        kind = _KINDS[group]
        if self.settings.no_plugins:
            text = f"{kind} {name!r} cannot be used: plugins are switched off"
            raise UsageError(text, code="no-plugins", hint="leave --no-plugins out")
        if group == _PROVIDERS and self._is_disabled(name):
            text = (
                f"provider {name!r} is switched off by ARB_DISABLE_PROVIDERS or disabled_providers"
            )
            hint = "change that variable, or that setting: arb config unset disabled_providers"
            raise UsageError(text, code="provider-disabled", hint=hint)
        for duplicate in self.table.duplicates(group):
            if duplicate.name == name and duplicate.kept is None:
                text = f"provider {name!r} cannot be used: {duplicate.describe()}"
                raise PluginError(text, code="plugin-duplicate", hint="pip uninstall one of them")
        entry = self.table.find(group, name)
        if entry is None:
            raise _unknown(kind, name, self.names(group))
        self._warn_of_table(group, name)
        return entry

    def _is_disabled(self, name: str) -> bool:
        return name in self.settings.disabled or "*" in self.settings.disabled

    def _open_once(self, entry: PluginEntry, opening: Callable[[LoadedPlugin], T]) -> T:
        """Import and open a plugin once; an error is remembered as a result is."""
        key = (entry.group, entry.name)
        with self._lock:
            lock = self._locks.setdefault(key, threading.Lock())
        with lock:
            if key not in self._opened:
                try:
                    self._opened[key] = opening(self._import(entry))
                except ArbError as error:
                    self._opened[key] = error
        found: T | ArbError = self._opened[key]
        if isinstance(found, ArbError):
            raise found
        return found

    def _import(self, entry: PluginEntry) -> LoadedPlugin:
        settings = self.settings
        return load(
            entry, env=settings.env, warn=self.warnings.about, budget_s=settings.import_budget_s
        )

    def _open_or_warn(self, name: str) -> Provider | None:
        try:
            return self.provider(name)
        except UsageError:
            raise
        except ArbError as error:
            self.warnings.error(name, "import", error)
            return None

    def _ask(self, provider: Provider, question: Callable[[Provider], T]) -> Reply[T]:
        try:
            return Reply(provider.name, value=question(provider))
        except ArbError as error:
            blamed = isinstance(error, PluginError) or error.code == "deadline"
            if blamed:
                place = "hung" if provider.hung_in else error.summary
                self.warnings.error(provider.distribution, place, error)
            return Reply(provider.name, error=error, warned=blamed)

    def _once(self, name: str, make: Callable[[], T]) -> T:
        """Make a part of this object when it is first needed, in one thread only.

        Threads that open single plugins hold no lock that making a part needs.
        """
        with self._making:
            if name not in self._made:
                self._made[name] = make()
            found: T = self._made[name]
            return found

    @property
    def _invoker(self) -> Invoker:
        return self._once("invoker", self._make_invoker)

    @property
    def _observers(self) -> Observers:
        return self._once("observers", self._make_observers)

    def _make_invoker(self) -> Invoker:
        from arb.plugins.invoke import Invoker
        from arb.plugins.registry import Wrappers

        return Invoker(Wrappers(self.always_loaded()), self.warnings, self.settings.env)

    def _make_observers(self) -> Observers:
        from arb.plugins.observers import Observers

        return Observers(self.always_loaded(), self.warnings, self.settings.env)

    def _load_always(self) -> Sequence[PluginHooks]:
        """Load the group ``arb.plugins``; what is broken there costs a warning."""
        if self.settings.no_plugins:
            return ()
        self._warn_of_table("arb.plugins")
        opened = in_parallel(self._hooks_or_warn, self.table.entries("arb.plugins"))
        return [hooks for hooks in opened if hooks is not None]

    def _hooks_or_warn(self, entry: PluginEntry) -> PluginHooks | None:
        try:
            return self.observer(entry)
        except ArbError as error:
            self.warnings.error(entry.distribution, "import", error)
            return None

    def _warn_of_table(self, group: str, name: str = "") -> None:
        """Warn of names that several claim, and of distributions that cannot be read."""
        if self.settings.no_plugins:
            return
        for duplicate in self.table.duplicates(group):
            if name in ("", duplicate.name):
                self.warnings.tell(f"{group}:{duplicate.name}", "table", duplicate.describe())
        for broken in self.table.broken:
            line = f"{broken.distribution}: {broken.reason}"
            self.warnings.tell(broken.distribution, "table", line)


def _object(loaded: LoadedPlugin) -> Any:
    return loaded.plugin


def _unknown(kind: str, name: str, known: Iterable[str]) -> UsageError:
    hint = "arb plugins lists what is installed"
    if kind in {"provider", "command"} and (how := install_command(name)):
        hint = f"{hint}; if there is such a {kind}: {how}"
    return UsageError(closest(name, known, what=kind), code=f"unknown-{kind}", hint=hint)
