"""Open the merged catalogs for a task: read again what is due, and report what went wrong."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from arb.catalog.refresh import Outcome, refresh
from arb.catalog.stale import stale
from arb.catalog.store import open_catalog
from arb.errors import ArbError
from arb.text import age

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from arb.catalog.overlay import OverlayMarket
    from arb.catalog.schema import ProviderRow
    from arb.catalog.store import CatalogStore
    from arb.clusters.session import Session

__all__ = ["Prices", "open_prices", "worth_going_on_with"]


@dataclass(frozen=True, slots=True)
class Prices:
    """What can be bought, as far as it is known.

    Attributes:
        market: The catalogs; closed with the session.
        catalog: The same without an overlay.
        failed: Provider -> why it did not tell its offers, now or when it was asked last.
    """

    market: CatalogStore | OverlayMarket
    catalog: CatalogStore
    failed: Mapping[str, ArbError] = field(default_factory=dict)

    @property
    def sellers(self) -> frozenset[str]:
        """Providers that have offers here."""
        return frozenset(group.provider for group in self.market.groups())


def open_prices(
    session: Session,
    named: Iterable[str],
    *,
    others: bool,
    buying: bool,
    overlay: Path | None = None,
) -> Prices:
    """Open the catalogs of what is installed.

    Before, providers are asked again: who was never asked, or would answer otherwise now; before
    buying also whose prices are older than their TTL. Nobody is asked who cannot be bought from.

    Args:
        session: This process.
        named: Providers that count for certain.
        others: Whether all others count too, but for the user's own machines.
        buying: Money is going to be spent.
        overlay: A price list that replaces the providers that it names.

    Raises:
        UsageError: The overlay is wrong.
        StateError: The catalog cannot be written.
    """
    session.home.folder("cache")
    named = frozenset(named)
    opened = _open(session, overlay)
    chosen = {*named, *(_sellers(session, opened.catalog) if others else ())}
    chosen.difference_update(opened.replaced)
    now = session.clock.now()
    due = stale(opened.catalog, session.plugins, now=now, buying=buying, names=chosen)
    outcomes: tuple[Outcome, ...] = ()
    if due:
        opened.market.close()
        outcomes = refresh(
            session.plugins,
            session.home.catalog_db,
            due,
            clock=session.clock,
            state=session.progress.state,
            enough=worth_going_on_with(named) if buying else None,
        ).outcomes
        opened = _open(session, overlay)
    session.close_later(opened.market)
    return Prices(
        opened.market, opened.catalog, _tell(session, opened.catalog, outcomes, sorted(chosen))
    )


def worth_going_on_with(named: Iterable[str]) -> Callable[[ProviderRow], bool]:
    """Return whether a buyer need not wait for others when a provider has told its offers."""
    return lambda row: bool(row.rows) and (not row.owned or row.name in named)


class _Opened(NamedTuple):
    """The market, the catalog in it, and the providers whose prices are not the catalog's."""

    market: CatalogStore | OverlayMarket
    catalog: CatalogStore
    replaced: tuple[str, ...] = ()


def _open(session: Session, overlay: Path | None) -> _Opened:
    catalog = open_catalog(session.home.catalog_db, session.plugins.provider_names())
    if overlay is None:
        return _Opened(catalog, catalog)
    from arb.catalog.overlay import read_overlay

    try:
        market = read_overlay(overlay, catalog)
    except BaseException:
        catalog.close()
        raise
    return _Opened(market, catalog, market.replaced)


def _sellers(session: Session, store: CatalogStore) -> list[str]:
    """Leave out the user's own machines, as far as they are known: they must be named."""
    own = {row.name for row in store.providers() if row.owned}
    return [name for name in session.plugins.provider_names() if name not in own]


def _tell(
    session: Session, store: CatalogStore, outcomes: Iterable[Outcome], chosen: Iterable[str]
) -> dict[str, ArbError]:
    """Warn of who failed, now or when its prices were last read; return why."""
    every = {outcome.row.name: outcome for outcome in outcomes}
    for row in store.providers():
        if row.error and row.name in chosen and row.name not in every:
            every[row.name] = Outcome(row, ArbError(row.error, code=row.error_code))
    now = session.clock.now()
    for _, outcome in sorted(every.items()):
        for line in outcome.warnings(age, now):
            session.progress.warn(line)
    return {name: o.error for name, o in sorted(every.items()) if o.error is not None}
