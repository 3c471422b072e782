"""Hooks that answer what can be bought and for how much."""

from __future__ import annotations

from typing import TYPE_CHECKING

from arb.hookspecs._markers import hookspec

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from arb.types import Catalog, Offer, ProviderContext

__all__ = ["arb_catalog", "arb_query_prices"]


@hookspec(firstresult=True)
def arb_catalog(context: ProviderContext) -> Catalog:  # type: ignore[empty-body]
    """Return every offer the provider sells, one row each.

    Called at most once a command, in a worker thread, never for ``--help``. Required.
    Budget: 20 s; when it runs out the last good catalog is used and its age is shown.
    Reads only: must not create, change or bill anything. Safe to call twice.

    Args:
        context: Settings, cache folder, clock and deadline. Credentials may be missing: then
            return the public price list.

    Returns:
        ``Catalog(frame, source, as_of, files, why)``: where the rows come from (``live`` or
        ``bundled``), their date, files (a configuration, a list of hosts) whose change makes
        them stale, and why live prices could not be had, where that was tried. ``frame`` is a
        pandas DataFrame of ``n >= 0`` rows. Required columns, any order:

        ==================  ========  ====  ==================================================
        column              dtype     unit  meaning
        ==================  ========  ====  ==================================================
        offer_id            str             the provider's own key; unique together with ``spot``
        region              category        the provider's spelling
        zone                category        empty string when the provider has no zones
        instance_type       category        the provider's spelling
        accelerator         category        canonical name, empty for CPU-only offers
        accelerator_count   float32         0 for CPU-only offers; fractions are allowed
        accelerator_gib     float32   GiB   memory of **one** accelerator
        vcpus               float32
        memory_gib          float32   GiB
        spot                bool
        price_usd_hour      float64   USD   whole instance, per hour, no taxes; 0 only if owned
        ==================  ========  ====  ==================================================

        Optional ones and their defaults: ``arch`` "x86_64", ``interconnect`` "", ``fabric`` "",
        ``quota_family`` "" (name of the quota that offers count against together; several are
        separated by spaces), ``disk_gib`` 0, ``minimum_s`` the provider's (billing floor),
        ``as_of`` that of the catalog (date of this price), ``available`` NA,
        ``capacity`` NA (how many machines can be had at once, where that is known and small),
        ``user_data`` NA (False where this offer cannot do what the capability ``USER_DATA``
        promises), ``latitude`` and ``longitude`` NA (degrees, of the region), ``note`` "" (shown
        wherever the offer is, for instance ``simulated``), ``payload`` "{}" (JSON that
        ``arb_provision`` gets back). Unknown columns are dropped with a warning. Accelerators may
        be spelled in any way that ``arb gpus`` understands. Rows that cannot be believed are
        refused, those too that contradict others: prices in cents or for one accelerator of several.

    Raises:
        CredentialsError: The account is configured but was refused.
        ProviderUnavailable: No answer in time; retried once.
    """


@hookspec(firstresult=True)
def arb_query_prices(context: ProviderContext, offers: Sequence[Offer]) -> pd.DataFrame:  # type: ignore[empty-body]
    """Return the live price and availability of just these offers.

    Called right before buying, with the few offers at the top of the ranking, and by commands that
    show live prices. Optional: without it the catalog's price is what is bought, and its age is
    shown.
    Budget: 5 s; when it runs out the catalog's price is used, and that is said.
    Reads only. Safe to call twice.

    Args:
        context: As for ``arb_catalog``.
        offers: Between 1 and 50 offers of this provider.

    Returns:
        A frame with the columns ``offer_id`` (str), ``spot`` (bool), ``price_usd_hour`` (float64,
        whole instance) and ``available`` (boolean, NA when unknown). Offers left out are taken
        for not available; rows that were not asked for are ignored.

    Raises:
        CredentialsError: The account was refused: the walk drops the provider.
        ProviderUnavailable: No answer; the catalog's price is used.
        RateLimited: As before; the wait is kept.
    """
