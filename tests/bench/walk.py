"""The rows of the walk: what we add to each refusal, and to asking for live prices."""

from __future__ import annotations

import sqlite3
import sys
import time
import types
from functools import partial
from typing import TYPE_CHECKING, Final

from .harness import Kind, Limit, MeasureError, Measurement, Row, interleave

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from arb.plugins import Plugins
    from arb.provision.order import Purchase
    from arb.provision.shop import Shop
    from arb.state.store import Store

    from .workbench import Workbench

__all__ = ["ROWS"]

_OFFERS: Final = 100
_SELLERS: Final = 4
_AHEAD: Final = 40

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

_TELLING: Final = """

@hookimpl
def arb_query_prices(context, offers):
    import pandas as pd

    rows = [(offer.offer_id, offer.spot, offer.price_usd_hour, True) for offer in offers]
    frame = pd.DataFrame(rows, columns=["offer_id", "spot", "price_usd_hour", "available"])
    return frame.astype({"available": "boolean"})
"""
"""What makes the provider tell live prices, also at once."""


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


def _live_prices(workbench: Workbench) -> Measurement:
    import pandas as pd

    from arb.state.store import open_store

    folder = workbench.folder / "prices"
    folder.mkdir()
    names = [f"refusing{n}" for n in range(_SELLERS)]
    with open_store(f"sqlite:///{folder}/state.db") as store:
        shop = _shop(folder, store, dict.fromkeys(names, _REFUSING + _TELLING))
        frame = [("offer", False, 1.0, True)] * (_AHEAD // _SELLERS)
        columns = ["offer_id", "spot", "price_usd_hour", "available"]
        subject, yardstick = interleave(
            partial(_ask, shop, names),
            partial(_frames, lambda: pd.DataFrame(frame, columns=columns)),
            workbench.runs,
        )
    size = f"{_AHEAD} offers of {_SELLERS} providers, which answer at once"
    return Measurement(subject, yardstick, size)


def _ask(shop: Shop, names: list[str]) -> float:
    """Return the seconds until the first offer may be tried at its live price."""
    from arb.provision.course import Course
    from arb.provision.order import Order
    from arb.provision.telling import Teller
    from arb.types import Offer

    offers = tuple(
        Offer(names[n % _SELLERS], f"o{n}", "us-east", "h100_sxm_8", 20 + n / 10)
        for n in range(2 * _AHEAD)
    )
    order = Order("walk", "aaaaaaaa", offers, 1, "")
    course = Course(shop, order, Teller(shop.progress, "walk", "aaaaaaaa"))
    begun = time.perf_counter()
    first = next(iter(course))
    took = time.perf_counter() - begun
    if first.source != "live":
        raise MeasureError("the first offer has no live price")
    return took


def _frames(make: Callable[[], object]) -> float:
    """Return the seconds that the providers themselves need for their frames."""
    begun = time.perf_counter()
    for _ in range(_SELLERS):
        make()
    return time.perf_counter() - begun


def _shop(folder: Path, store: Store, sources: dict[str, str] | None = None) -> Shop:
    from arb.progress import SilentProgress
    from arb.provision.journal import Journal
    from arb.provision.shop import Shop
    from arb.state.vault import open_vault
    from arb.types import SystemClock

    vault = open_vault(folder / "vault", store, {})
    plugins = _plugins(folder, store, sources or {"refusing": _REFUSING})
    return Shop(Journal(store), plugins, vault, SystemClock(), SilentProgress())


def _plugins(folder: Path, store: Store, sources: dict[str, str]) -> Plugins:
    from arb.plugins import Plugins, PluginSettings
    from arb.plugins.table import PluginEntry, PluginTable
    from arb.state.budgets import StoreRateLimiter

    entries = []
    for name, source in sources.items():
        module = types.ModuleType(f"arb_bench_{name}")
        exec(compile(source, module.__name__, "exec"), vars(module))
        sys.modules[module.__name__] = module
        entries.append(PluginEntry("arb.providers", name, module.__name__, f"arb-{name}", "1.0"))
    settings = PluginSettings(
        cache_dir=folder / "cache",
        data_dir=folder / "data",
        env={},
        home=folder,
        owner=store.owner,
        limiter=lambda provider, budgets: StoreRateLimiter(store, provider, budgets),
    )
    return Plugins(settings, warn=_fail, table=PluginTable(entries))


def _fail(line: str) -> None:
    raise MeasureError(line)


def _walk(shop: Shop) -> float:
    """Return the seconds from one offer to the next."""
    from arb.errors import NoOfferError
    from arb.nodes.keys import generate_key
    from arb.provision.order import Order
    from arb.provision.walk import buy
    from arb.state.clusters import ClusterRecord, ClusterStatus, insert_cluster
    from arb.types import Offer
    from arb.types.tokens import new_id

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
    Row(
        "live-prices",
        "asking for live prices before buying, beside the providers' own round trip",
        Limit(Kind.EXTRA, 0.020),
        "the providers' own frames",
        _live_prices,
    ),
)
