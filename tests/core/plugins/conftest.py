from __future__ import annotations

import sys
import textwrap
import threading
import types
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from arb.plugins.manager import Plugins
from arb.plugins.settings import PluginSettings
from arb.plugins.table import PluginEntry, PluginTable

if TYPE_CHECKING:
    from pathlib import Path

GOOD_PROVIDER = textwrap.dedent(
    '''
    """A provider that does what the contract says."""

    from __future__ import annotations

    import json

    from arb.hookspecs import hookimpl
    from arb.types import (
        Capability, Catalog, CheckResult, CheckStatus, Instance, InstanceState, Listing,
        ProviderInfo, ProvisionResult, SshEndpoint, Termination,
    )

    ARB_API = 1
    CALLS = []


    @hookimpl
    def arb_provider_info():
        return ProviderInfo("Good", frozenset({Capability.ON_DEMAND}), options={"room": "A folder."})


    @hookimpl
    def arb_check(context):
        return CheckResult(CheckStatus.OK, "fine")


    @hookimpl
    def arb_catalog(context):
        import pandas as pd

        row = {
            "offer_id": "a", "region": "r", "zone": "", "instance_type": "t", "accelerator": "H100",
            "accelerator_count": 1.0, "accelerator_gib": 80.0, "vcpus": 8.0, "memory_gib": 64.0,
            "spot": False, "price_usd_hour": 2.5,
        }
        return Catalog(pd.DataFrame([row]), "bundled", 0.0)


    @hookimpl
    def arb_provision(context, request):
        CALLS.append("provision")
        machine = Instance("someone-else", "i-1", "r", InstanceState.PENDING, token="t-0")
        return ProvisionResult((machine,), "handle")


    @hookimpl
    def arb_list_instances(context, query):
        return Listing((Instance("x", "i-1", "r", InstanceState.RUNNING),), frozenset({"*"}))


    @hookimpl
    def arb_terminate(context, instance):
        CALLS.append("terminate")
        return Termination.PENDING


    @hookimpl
    def arb_ssh_ports(context, instance):
        return SshEndpoint("127.0.0.1", 2222, "me")
    '''
)
AUDIT_HEADER = textwrap.dedent(
    """
    import time
    from arb.errors import ArbError, UsageError, CapacityError, Scope
    from arb.hookspecs import hookimpl

    ARB_API = 1
    SEEN = []
    """
)


@dataclass
class Site:
    """A folder on ``sys.path`` with distributions as pip would have left them."""

    folder: Path

    def install(
        self,
        distribution: str,
        source: str,
        *,
        module: str = "",
        name: str = "",
        group: str = "arb.providers",
        version: str = "1.0",
        summary: str = "A plugin",
        value: str = "",
    ) -> str:
        """Write one module and its metadata; return the module's name."""
        module = module or distribution.replace("-", "_")
        (self.folder / f"{module}.py").write_text(textwrap.dedent(source))
        name = name or distribution.removeprefix("arb-")
        info = self.folder / f"{distribution.replace('-', '_')}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\nSummary: {summary}\n"
        )
        (info / "entry_points.txt").write_text(f"[{group}]\n{name} = {value or module}\n")
        return module


@dataclass
class World:
    """Plugins made of source texts, in this process."""

    tmp_path: Path
    entries: list[PluginEntry] = field(default_factory=list)
    warned: list[str] = field(default_factory=list)
    modules: dict[str, types.ModuleType] = field(default_factory=dict)
    changes: dict[str, object] = field(default_factory=dict)
    _plugins: Plugins | None = None

    def add(self, name, source=GOOD_PROVIDER, *, group="arb.providers", extra=""):
        """Add a plugin ``name`` of the distribution ``dist-NAME`` made from source."""
        full = f"arb_test_{id(self)}_{group.removeprefix('arb.')}_{name}"
        module = types.ModuleType(full)
        exec(compile(textwrap.dedent(source) + textwrap.dedent(extra), full, "exec"), vars(module))
        self.modules[full] = sys.modules[full] = module
        self.entries.append(PluginEntry(group, name, full, f"dist-{name}", "1.0"))
        return module

    def add_wrapper(self, name, source):
        """Add a plugin to the group of the always loaded ones."""
        return self.add(name, AUDIT_HEADER, group="arb.plugins", extra=source)

    @property
    def plugins(self) -> Plugins:
        """Return the plugins added so far."""
        if self._plugins is None:
            self._plugins = Plugins(
                make_settings(self.tmp_path, **self.changes),
                warn=self.warned.append,
                table=PluginTable(self.entries),
            )
        return self._plugins


def make_settings(tmp_path: Path, **changes: object) -> PluginSettings:
    """Return settings with every folder under ``tmp_path``."""
    values = {
        "cache_dir": tmp_path / "cache",
        "data_dir": tmp_path / "data",
        "env": {"MY_API_KEY": "hunter2hunter2"},
        "home": tmp_path,
        "owner": lambda: "abcd2345",
        "limiter": lambda name, budgets: (name, dict(budgets)),
    }
    return PluginSettings(**(values | changes))


@pytest.fixture
def site(tmp_path) -> Site:
    folder = tmp_path / "site"
    folder.mkdir()
    return Site(folder)


@pytest.fixture
def world(tmp_path):
    made = World(tmp_path)
    yield made
    for name in made.modules:
        sys.modules.pop(name, None)


@pytest.fixture
def short_budgets(monkeypatch):
    """Make hooks that hang give up soon; the thread itself is let go at the end of the test."""
    from arb.plugins.budgets import BUDGETS_S

    for hook in set(BUDGETS_S) - {"arb_provider_info"}:  # opening a provider stays patient
        monkeypatch.setitem(BUDGETS_S, hook, 0.3)


class Gate(threading.Event):
    """What hanging plugins wait for."""

    def open(self) -> None:
        """Let them go on, and wait until none is left."""
        self.set()
        for thread in threading.enumerate():
            if thread.name.startswith("arb-plugin:"):
                thread.join(10)


@pytest.fixture
def gate(monkeypatch):
    """Hanging plugins wait for ``threading.arb_test_gate``; the end of the test opens it."""
    made = Gate()
    monkeypatch.setattr(threading, "arb_test_gate", made, raising=False)
    yield made
    made.open()


@pytest.fixture
def good_provider() -> str:
    """Return the source of a provider that does what the contract says."""
    return GOOD_PROVIDER
