"""The row of falling through: what we add to each refusal of a provider."""

from __future__ import annotations

import sqlite3
import sys
import time
import types
from functools import partial
from typing import TYPE_CHECKING, Final

from .harness import Kind, Limit, MeasureError, Measurement, Row, interleave

if TYPE_CHECKING:
    from pathlib import Path

    from arb.plugins import Plugins
    from arb.provision.order import Purchase
    from arb.provision.shop import Shop
    from arb.state.store import Store

    from .workbench import Workbench

__all__ = ["ROWS"]

_OFFERS: Final = 100

_REFUSING: Final = '''
"""A provider that has nothing, and says so at once."""

from arb.errors import CapacityError, Scope
from arb.hookspecs import hookimpl
from arb.types import (
    Capability, CheckResult, CheckStatus, Listing, ProviderInfo, SshEndpoint, Termination,
)

ARB_API = 1


@hookimpl
def arb_provider_info():
    capabilities = frozenset({Capability.ON_DEMAND, Capability.USER_DATA})
    return ProviderInfo("Refusing", capabilities, listing_lag_s=0)


@hookimpl
def arb_check(context):
    return CheckResult(CheckStatus.OK, "fine")


@hookimpl
def arb_catalog(context):
    raise NotImplementedError


@hookimpl
def arb_provision(context, request):
    raise CapacityError("refusing has none", scope=Scope.OFFER, code="refusing-none")


@hookimpl
def arb_list_instances(context, query):
    return Listing((), frozenset({Listing.EVERYWHERE}))


@hookimpl
def arb_terminate(context, instance):
    return Termination.GONE


@hookimpl
def arb_ssh_ports(context, instance):
    return SshEndpoint("192.0.2.1", 22, "nobody")
'''


def _fall_through(workbench: Workbench) -> Measurement:
    folder = workbench.folder / "walk"
    folder.mkdir()
    from arb.state.store import open_store

    with open_store(f"sqlite:///{folder}/state.db") as store:
        shop = _shop(folder, store)
        bare = _bare_database(folder)
        subject, yardstick = interleave(
            partial(_walk, shop), partial(_commits, bare), workbench.runs
        )
        bare.close()
    size = f"{_OFFERS} offers refused, each with a host key"
    return Measurement(subject, yardstick, size)


def _shop(folder: Path, store: Store) -> Shop:
    from arb.progress import SilentProgress
    from arb.provision.journal import Journal
    from arb.provision.shop import Shop
    from arb.state.vault import open_vault
    from arb.types import SystemClock

    vault = open_vault(folder / "vault", store, {})
    return Shop(Journal(store), _plugins(folder, store), vault, SystemClock(), SilentProgress())


def _plugins(folder: Path, store: Store) -> Plugins:
    from arb.plugins import Plugins, PluginSettings
    from arb.plugins.table import PluginEntry, PluginTable
    from arb.state.budgets import StoreRateLimiter

    module = types.ModuleType("arb_bench_refusing")
    exec(compile(_REFUSING, module.__name__, "exec"), vars(module))
    sys.modules[module.__name__] = module
    settings = PluginSettings(
        cache_dir=folder / "cache",
        data_dir=folder / "data",
        env={},
        home=folder,
        owner=store.owner,
        limiter=lambda provider, budgets: StoreRateLimiter(store, provider, budgets),
    )
    entry = PluginEntry("arb.providers", "refusing", module.__name__, "arb-refusing", "1.0")
    return Plugins(settings, warn=_fail, table=PluginTable([entry]))


def _fail(line: str) -> None:
    raise MeasureError(line)


def _walk(shop: Shop) -> float:
    """Return the seconds from one offer to the next."""
    from arb.errors import NoOfferError
    from arb.nodes.keys import generate_key
    from arb.provision.order import Order
    from arb.provision.walk import buy
    from arb.state.clusters import ClusterRecord, ClusterStatus, insert_cluster
    from arb.state.tokens import new_id
    from arb.types import Offer

    cluster = new_id()
    record = ClusterRecord(cluster, f"walk-{cluster}", ClusterStatus.INIT, shop.clock.now(), 1)
    with shop.journal.store.write() as tx:
        insert_cluster(tx, record)
    offers = tuple(
        Offer("refusing", f"{cluster}-{n}", "us-east", "h100_sxm_8", 21.6, accelerator="H100")
        for n in range(_OFFERS)
    )
    order = Order(record.name, cluster, offers, 1, generate_key().public)
    begun = time.perf_counter()
    try:
        buy(shop, order, _bring_up)
    except NoOfferError:
        return (time.perf_counter() - begun) / _OFFERS
    raise MeasureError("a provider that refuses everything sold something")


def _bring_up(purchase: Purchase) -> None:
    raise MeasureError(f"a provider that refuses everything sold {purchase.attempt}")


def _bare_database(folder: Path) -> sqlite3.Connection:
    bare = sqlite3.connect(folder / "bare.db", isolation_level=None)
    for statement in (
        "PRAGMA journal_mode = WAL",
        "PRAGMA synchronous = FULL",
        "CREATE TABLE attempts (id INTEGER PRIMARY KEY, text TEXT)",
    ):
        bare.execute(statement)
    return bare


def _commits(bare: sqlite3.Connection) -> float:
    """Return the seconds of two durable commits of a kilobyte each."""
    begun = time.perf_counter()
    for _ in range(2 * _OFFERS):
        bare.execute("BEGIN IMMEDIATE")
        bare.execute("INSERT INTO attempts (text) VALUES (?)", ("x" * 1000,))
        bare.execute("COMMIT")
    return (time.perf_counter() - begun) / _OFFERS


ROWS: Final = (
    Row(
        "fall-through",
        "to the next offer after a refusal, our own time with all commits",
        Limit(Kind.TOTAL, 0.005),
        "two bare SQLite commits, synchronous=FULL",
        _fall_through,
    ),
)
