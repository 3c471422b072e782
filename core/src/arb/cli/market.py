"""The catalog as listings see it: read before where that is due, with what went wrong told."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from arb.cli import render

if TYPE_CHECKING:
    from collections.abc import Iterator

    from arb.catalog.refresh import RefreshReport
    from arb.catalog.store import CatalogStore
    from arb.clusters.session import Session

__all__ = ["Prices", "read_prices"]


class Prices(NamedTuple):
    """The catalog, and the time at which it was opened."""

    store: CatalogStore
    now: float


@contextmanager
def read_prices(provider: str = "") -> Iterator[Prices]:
    """Open the catalog of what is installed; providers that were never read are read first.

    Only the cache is made: no state, no keys.

    Args:
        provider: The one that counts; empty is all.

    Raises:
        UsageError: It is not installed.
    """
    from arb.catalog.refresh import fresh_catalog
    from arb.cli.progress import open_progress
    from arb.clusters.session import Session

    with Session(only_looks=True) as session:
        session.home.folder("cache")
        with open_progress() as progress:
            session.progress = progress
            _check_installed(session, provider)
            store, report = fresh_catalog(
                session.plugins,
                session.home.catalog_db,
                clock=session.clock,
                names=[provider] if provider else None,
                state=progress.state,
            )
        with store:
            now = session.clock.now()
            _warn(store, report, provider, now)
            yield Prices(store, now)


def _check_installed(session: Session, name: str) -> None:
    if name and name not in session.plugins.provider_names():
        session.plugins.provider(name)  # raises, and knows why


def _warn(store: CatalogStore, report: RefreshReport, provider: str, now: float) -> None:
    """Tell who failed, now or when its prices were last read."""
    from arb.catalog.refresh import Outcome
    from arb.errors import ArbError

    asked = {outcome.row.name for outcome in report.outcomes}
    earlier = [
        Outcome(row, ArbError(row.error, code=row.error_code))
        for row in store.providers()
        if row.error and row.name not in asked and provider in {"", row.name}
    ]
    for outcome in (*report.outcomes, *earlier):
        for line in outcome.warnings(render.age, now):
            render.warn(line)
