"""The catalog as listings see it: read before where that is due, with what went wrong told."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from arb.catalog.store import CatalogStore
    from arb.clusters.session import Session

__all__ = ["Listed", "check_plot", "read_prices"]


class Listed(NamedTuple):
    """The catalog, and the time at which it was opened."""

    store: CatalogStore
    now: float


@contextmanager
def read_prices(provider: str = "") -> Iterator[Listed]:
    """Open the catalog of what is installed; providers that were never read are read first.

    Only the cache is made: no state, no keys.

    Args:
        provider: The one that counts; empty is all, the user's own machines too.

    Raises:
        UsageError: It is not installed.
    """
    from arb.cli.progress import open_progress
    from arb.clusters.prices import open_prices
    from arb.clusters.session import Session

    with Session(only_looks=True) as session:
        with open_progress() as progress:
            session.progress = progress
            names = _named(session, provider)
            prices = open_prices(session, names, others=False, buying=False)
        yield Listed(prices.catalog, session.clock.now())


def _named(session: Session, provider: str) -> tuple[str, ...]:
    usable = session.plugins.provider_names()
    if not provider:
        return usable
    if provider not in usable:
        session.plugins.provider(provider)  # raises, and knows why
    return (provider,)


def check_plot(path: Path | None) -> None:
    """Refuse a picture that could not be written, before any work is done for it.

    Raises:
        UsageError: As for ``check_plot_path``.
    """
    if path is not None:
        from arb.optimizer.plot import check_plot_path

        check_plot_path(path)
