"""A scriptable cloud behind the real facade, with a real store and a real vault."""

from __future__ import annotations

import sys
import types
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from support.fakecloud import FakeCloud

from arb.nodes.keys import generate_key
from arb.plugins import PluginEntry, Plugins, PluginSettings, PluginTable
from arb.provision.journal import Journal
from arb.provision.order import Order
from arb.provision.shop import Shop
from arb.provision.walk import buy
from arb.state.attempts import attempts_of_cluster
from arb.state.clusters import ClusterRecord, ClusterStatus, insert_cluster, update_cluster
from arb.state.machines import open_machines
from arb.state.store import open_store
from arb.state.vault import open_vault
from arb.testing import FakeClock
from arb.types.tokens import new_id

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from arb.provision.order import Purchase
    from arb.state.attempts import Attempt
    from arb.state.machines import Machine
    from arb.state.store import Store
    from arb.types import Offer, ProvisionRequest

VAULT_KEY = "cGFzc3dvcmRwYXNzd29yZHBhc3N3b3JkcGFzc3dvcmQ="


@dataclass
class Told:
    """A progress that keeps everything."""

    steps: list[str] = field(default_factory=list)
    states: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def step(self, text: str) -> None:
        self.steps.append(text)

    def state(self, text: str) -> None:
        self.states.append(text)

    def warn(self, text: str) -> None:
        self.warnings.append(text)


class World:
    """One owner's state, one or more clouds, and processes that come and go."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder = folder
        self.url = url
        self.clock = FakeClock()
        self.cloud = FakeCloud(self.clock)
        self.clouds = [self.cloud]
        self.wrappers: list[Any] = []
        self.told = Told()
        self.env: dict[str, str] = {}
        self.options: dict[str, dict[str, object]] = {}
        self.catalog_files: list[str] = []
        self._stores: list[Store] = []
        self._shop: Shop | None = None
        self.key = generate_key("test").public

    @property
    def shop(self) -> Shop:
        """The present process's means."""
        if self._shop is None:
            self._shop = self.new_process()
        return self._shop

    @property
    def store(self) -> Store:
        return self.shop.journal.store

    def new_process(self) -> Shop:
        """Open everything anew, as the next command does; it is the present one from now on."""
        store = open_store(self.url, clock=self.clock)
        self._stores.append(store)
        settings = PluginSettings(
            cache_dir=self.folder / "cache",
            data_dir=self.folder / "data",
            env=dict(self.env),
            options=self.options,
            home=self.folder,
            owner=store.owner,
            limiter=lambda *_: None,
            clock=self.clock,
        )
        table = PluginTable([*(cloud.entry() for cloud in self.clouds), *self.wrappers])
        plugins = Plugins(settings, warn=self.told.warn, table=table)
        vault = open_vault(self.folder / "vault", store, {"ARB_VAULT_KEY": VAULT_KEY})
        self._shop = Shop(
            Journal(store), plugins, vault, self.clock, self.told, lambda _: self.catalog_files
        )
        return self._shop

    def cluster(self, name: str = "train", *, count: int = 1) -> ClusterRecord:
        """Take a name, as a launch does."""
        record = ClusterRecord(
            id=new_id(),
            name=name,
            status=ClusterStatus.INIT,
            created_at=self.clock.now(),
            num_nodes=count,
        )
        with self.store.write() as tx:
            insert_cluster(tx, record)
        return record

    def buy(self, record: ClusterRecord, *offers: Offer, bring_up: Any = None) -> Purchase:
        """Walk over offers for a cluster."""
        order = Order(record.name, record.id, offers, record.num_nodes, self.key)
        return buy(self.shop, order, bring_up or (lambda _: None))

    def open_intent(self, record: ClusterRecord, wanted: Offer) -> ProvisionRequest:
        """Commit an intent as a process does that dies before its order is answered."""
        from arb.provision.attempt import request_for

        shop = self.shop
        order = Order(record.name, record.id, (wanted,), record.num_nodes, self.key)
        provider = shop.provider(wanted.provider)
        return shop.journal.open(
            record.id, wanted, lambda token: request_for(provider, order, wanted, token)
        )

    def place(self, record: ClusterRecord, wanted: Offer) -> ProvisionRequest:
        """The same, but the order was taken, and named no machine."""
        request = self.open_intent(record, wanted)
        self.shop.journal.placed(request, (), "operation-1", "")
        self.shop.keep_host_keys(request)
        return request

    def up(self, record: ClusterRecord) -> None:
        """Call a cluster up, as a launch does at its end."""
        with self.store.write() as tx:
            update_cluster(tx, record.id, status=ClusterStatus.UP)

    def attempts(self, record: ClusterRecord) -> list[Attempt]:
        return attempts_of_cluster(self.store, record.id)

    def states(self, record: ClusterRecord) -> list[str]:
        """Return the states of a cluster's attempts, first to last."""
        return [attempt.state.value for attempt in self.attempts(record)]

    def machines(self) -> list[Machine]:
        """Return the machines that state calls alive, oldest first."""
        return open_machines(self.store)

    def wrap(self, source: str) -> None:
        """Add a plugin that wraps hooks."""
        module = types.ModuleType(f"arb_fake_policy_{id(self)}")
        sys.modules[module.__name__] = module
        exec(compile(source, module.__name__, "exec"), vars(module))
        self.wrappers.append(
            PluginEntry("arb.plugins", "policy", module.__name__, "arb-policy", "1.0")
        )

    def billed(self) -> list[str]:
        """Return the ids of machines that state calls alive."""
        return [machine.instance_id for machine in open_machines(self.store)]

    def key_names(self) -> list[str]:
        """Return the names of what the vault holds for machines."""
        return [*self.shop.vault.names("host/"), *self.shop.vault.names("gang/")]

    def close(self) -> None:
        for store in self._stores:
            store.close()


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path, f"sqlite:///{tmp_path / 'home' / 'state.db'}")
    yield made
    made.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def any_world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    """The same on both databases."""
    url = f"sqlite:///{tmp_path / 'home' / 'state.db'}"
    if request.param == "postgresql":
        url = request.getfixturevalue("postgres_server").new_schema()
    made = World(tmp_path, url)
    yield made
    made.close()
