"""Providers that sell what a test says, side by side in one process."""

from __future__ import annotations

import sys
import types
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from arb.hookspecs import hookimpl
from arb.plugins.manager import Plugins
from arb.plugins.settings import PluginSettings
from arb.plugins.table import PluginEntry, PluginTable
from arb.testing import FakeClock
from arb.types import Capability, Catalog, CheckResult, CheckStatus, ProviderInfo

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable
    from pathlib import Path

__all__ = ["ROW", "Seller", "Street"]

ROW = {
    "offer_id": "a",
    "region": "r",
    "zone": "",
    "instance_type": "t",
    "accelerator": "H100",
    "accelerator_count": 8.0,
    "accelerator_gib": 80.0,
    "vcpus": 8.0,
    "memory_gib": 64.0,
    "spot": False,
    "price_usd_hour": 2.5,
}


@dataclass
class Seller:
    """A provider whose catalog is what a test says at the moment."""

    name: str
    answer: Callable[[Any], Catalog]
    info: ProviderInfo
    asked: int = 0

    def module(self) -> types.ModuleType:
        """Return a plugin; hooks that nobody calls here do nothing."""
        made = types.ModuleType(f"arb_test_seller_{self.name}_{id(self)}")
        made.ARB_API = 1

        def add(hook: Callable[..., Any]) -> None:
            hook.__module__ = made.__name__
            setattr(made, hook.__name__, hookimpl(hook))

        def arb_provider_info():
            return self.info

        def arb_check(context):
            return CheckResult(CheckStatus.OK, "fine")

        def arb_catalog(context):
            self.asked += 1
            return self.answer(context)

        def arb_provision(context, request):
            raise AssertionError

        def arb_list_instances(context, query):
            raise AssertionError

        def arb_terminate(context, instance):
            raise AssertionError

        def arb_ssh_ports(context, instance):
            raise AssertionError

        hooks = (arb_provider_info, arb_check, arb_catalog, arb_provision, arb_list_instances)
        for hook in (*hooks, arb_terminate, arb_ssh_ports):
            add(hook)
        return made


@dataclass
class Street:
    """Providers side by side, one catalog file, one clock."""

    folder: Path
    clock: FakeClock = field(default_factory=FakeClock)
    sellers: dict[str, Seller] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    options: dict[str, dict[str, object]] = field(default_factory=dict)
    disabled: frozenset[str] = frozenset()
    modules: list[str] = field(default_factory=list)
    warned: list[str] = field(default_factory=list)

    @property
    def path(self) -> Path:
        """The catalog file."""
        return self.folder / "catalog.db"

    def add(self, name: str, *rows: dict[str, Any], source="live", files=(), **info) -> Seller:
        """Add a provider that sells these rows; each needs only what differs from ``ROW``."""
        info.setdefault("capabilities", frozenset({Capability.ON_DEMAND}))
        made = Seller(name, lambda context: None, ProviderInfo(name.title(), **info))
        self.sellers[name] = made
        self.sell(name, *rows, source=source, files=files)
        return made

    def sell(self, name: str, *rows: dict[str, Any], source="live", files=(), as_of=None) -> None:
        """Change what a provider sells."""
        import pandas as pd

        frame = pd.DataFrame([{**ROW, **each} for each in rows], columns=_columns(rows))

        def answer(context):
            date = context.clock.now() if as_of is None else as_of
            return Catalog(frame.copy(), source, date, tuple(map(str, files)))

        self.sellers[name].answer = answer

    def fail(self, name: str, error: Exception) -> None:
        """Let a provider raise from now on."""

        def answer(context):
            raise error

        self.sellers[name].answer = answer

    def hang(self, name: str, gate: threading.Event) -> None:
        """Let a provider answer nothing before a gate opens."""

        def answer(context):
            gate.wait(30)
            raise AssertionError

        self.sellers[name].answer = answer

    @property
    def table(self) -> PluginTable:
        """What is installed, each as a module of its own."""
        entries = []
        for name, seller in self.sellers.items():
            module = seller.module()
            sys.modules[module.__name__] = module
            self.modules.append(module.__name__)
            version = self.versions.get(name, "1.0")
            entries.append(
                PluginEntry("arb.providers", name, module.__name__, f"arb-{name}", version)
            )
        return PluginTable(entries)

    @property
    def plugins(self) -> Plugins:
        """What a new process would find installed."""
        settings = PluginSettings(
            cache_dir=self.folder,
            data_dir=self.folder / "data",
            env={},
            home=self.folder,
            owner=lambda: "abcd2345",
            limiter=lambda name, budgets: None,
            options=self.options,
            clock=self.clock,
            disabled=self.disabled,
        )
        return Plugins(settings, warn=self.warned.append, table=self.table)

    def close(self) -> None:
        """Forget the modules."""
        for name in self.modules:
            sys.modules.pop(name, None)


def _columns(rows: tuple[dict[str, Any], ...]) -> list[str]:
    return list(dict.fromkeys([*ROW, *(name for row in rows for name in row)]))
