"""Reading the catalog: live where there are credentials, else the price list of this package."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from arb.errors import ArbError, CredentialsError, ProviderUnavailable
from arb.types import Catalog
from arb_gcp.answers import ApiError, ServerError
from arb_gcp.catalog.bundled import bundled_catalog
from arb_gcp.catalog.cache import Kept, Read, is_kept, keep, kept_part, readable
from arb_gcp.catalog.compose import COLUMNS, rows
from arb_gcp.catalog.prices import Part, UnitPrices, read_skus
from arb_gcp.catalog.shapes import FAMILIES, Shape, guest_shapes, read_guests, read_shapes
from arb_gcp.client import Client
from arb_gcp.credentials import file_of, find_credentials
from arb_gcp.listing import silent_zones
from arb_gcp.machines import region_of
from arb_gcp.settings import Settings
from arb_gcp.threads import side_by_side

if TYPE_CHECKING:
    from collections.abc import Iterable

    from arb.types import ProviderContext

__all__ = ["NO_BILLING_API", "frame_of", "read_catalog", "read_unit_prices"]

_SHAPES_FRESH_S: Final = 24 * 3600.0
"""Machine types change a few times a year."""
NO_BILLING_API: Final = frozenset({"gcp-api-off", "gcp-forbidden"})
"""Codes of errors about prices that are about nothing else of the account."""
_SKUS: Final = "v1/services/6F81-5844-456A/skus"
_SKU_FIELDS: Final = (
    "skus(description,category(resourceGroup,usageType),serviceRegions,"
    "pricingInfo/pricingExpression(usageUnit,tieredRates)),nextPageToken"
)
_TYPE_FIELDS: Final = (
    "items/*(machineTypes(name,guestCpus,memoryMb,accelerators,architecture,deprecated,"
    "bundledLocalSsds),warning(code,message)),unreachables,warning(code,message),nextPageToken"
)
_NO_SUCH_CALL: Final = frozenset({404, 501})
_PRICES: Final = "prices"


def read_catalog(context: ProviderContext) -> Catalog:
    """Return every offer, one a machine type, zone and capacity class.

    Without credentials, while the Billing API is off, and until it answered once, it is the price
    list of this package, with the reason.

    Raises:
        CredentialsError: The account was refused.
        ProviderUnavailable, RateLimited: No answer about prices this time; or none about machine
            types, and none is kept of an earlier one.
    """
    settings = Settings.of(context.options)
    found = find_credentials(context, settings)
    catalog = _live(context, settings) if found else bundled_catalog(settings)
    return replace(catalog, files=(file_of(context, found),))


def _live(context: ProviderContext, settings: Settings) -> Catalog:
    """Return what an account sees. Raises as ``read_catalog``."""
    client = Client.from_context(context)
    calls = [partial(_read_family, client, number) for number in range(len(FAMILIES))]
    calls += [partial(_read_guests, client), partial(_read_prices, client)]
    *parts, priced = side_by_side(lambda call: call(), calls)
    fine = not any(isinstance(part, Exception) for part in parts)
    if fine and isinstance(priced, ArbError) and _has_no_prices(client, priced):
        return bundled_catalog(settings, why=_why(priced))
    kept = [_kept(part) for part in (*parts, priced)]
    *families, guests, unit_prices = kept
    shapes = [Shape(**plain) for part in families for plain in part.value]
    shapes = shapes or _without_filter(client)
    shapes += guest_shapes(shapes, ((zone, kind, most) for zone, kind, most in guests.value))
    wanted = (s for s in shapes if not settings.regions or region_of(s.zone) in settings.regions)
    prices = {Part(*key): price for key, price in unit_prices.value}
    return Catalog(frame_of(wanted, prices), "live", unit_prices.read_at)


def _has_no_prices(client: Client, error: ArbError) -> bool:
    """Say whether an error about prices leaves nothing better than the shipped list.

    Once they were read here the core has them, and keeps them when it hears of an error.
    """
    if isinstance(error, CredentialsError):
        return error.code in NO_BILLING_API
    return not is_kept(client.context, _PRICES)


def _why(error: ArbError) -> str:
    """Return the reason in one clause, with the first thing to do about it."""
    what_to_do = error.hint.partition(";")[0]
    return f"{error.summary} ({what_to_do})" if what_to_do else error.summary


def _kept(part: Kept | Exception) -> Kept:
    """Return a part, or raise why there is none."""
    if isinstance(part, Exception):
        raise part
    return part


def frame_of(shapes: Iterable[Shape], prices: UnitPrices) -> Any:
    """Return the offers as the frame of ``arb_catalog``."""
    import pandas as pd

    frame = pd.DataFrame(list(rows(shapes, prices)), columns=list(COLUMNS))
    return frame.astype(dict(COLUMNS))


def _read_family(client: Client, number: int) -> Kept:
    name = f"types-{client.project.replace(':', '-')}-{number}"
    read = partial(_types, client, FAMILIES[number])
    return kept_part(client.context, name, _SHAPES_FRESH_S, read)


def _types(client: Client, family: str) -> Read:
    """Read the machine types of a family; a server that does not filter is not believed to."""
    path = f"projects/{client.project}/aggregated/machineTypes"
    params = {"filter": f'name eq "{family}"', "fields": _TYPE_FIELDS}
    pages = list(client.aggregated(path, params))
    plain = [s.to_plain() for p in pages for s in read_shapes(p) if re.fullmatch(family, s.name)]
    return Read(plain, is_whole=not any(map(silent_zones, pages)))


def _without_filter(client: Client) -> list[Shape]:
    """Return the machine types that are sold out of all that there are.

    Raises:
        ProviderUnavailable: There is none of them.
        ArbError: As ``Client.get``.
    """
    path = f"projects/{client.project}/aggregated/machineTypes"
    wanted = re.compile("|".join(FAMILIES))
    everything = readable(
        "types", lambda: [s for p in client.aggregated(path) for s in read_shapes(p)]
    )
    shapes = [shape for shape in everything if wanted.fullmatch(shape.name)]
    if not shapes:
        raise ProviderUnavailable("gcp names no machine type at all", code="gcp-unreadable")
    return shapes


def _read_guests(client: Client) -> Kept:
    """Read the accelerators that can be added; a server that lists none adds none."""
    path = f"projects/{client.project}/aggregated/acceleratorTypes"

    def read() -> Read:
        try:
            pages = list(client.aggregated(path))
        except (ApiError, ServerError) as error:
            if error.status not in _NO_SUCH_CALL:
                raise
            return Read([])
        guests = [list(guest) for page in pages for guest in read_guests(page)]
        return Read(guests, is_whole=not any(map(silent_zones, pages)))

    name = f"accelerators-{client.project.replace(':', '-')}"
    return kept_part(client.context, name, _SHAPES_FRESH_S, read)


def _read_prices(client: Client) -> Kept:
    """Read the SKUs anew, always: the core keeps the last good offers, and says why they are old."""
    prices = read_unit_prices(client)
    kept = Kept([[list(part), price] for part, price in prices.items()], client.context.clock.now())
    keep(client.context, _PRICES, kept)
    return kept


def read_unit_prices(client: Client) -> UnitPrices:
    """Read every page of SKUs.

    Raises:
        ProviderUnavailable: There is no price among them.
        ArbError: As ``Client.get``.
    """
    params = {"pageSize": 5000, "currencyCode": "USD", "fields": _SKU_FIELDS}

    def read() -> UnitPrices:
        prices: UnitPrices = {}
        for page in client.pages(_SKUS, params, "cloudbilling"):
            prices |= read_skus(page.get("skus") or ())
        return prices

    prices = readable(_PRICES, read)
    if not prices:
        raise ProviderUnavailable("gcp: the Billing Catalog names no price", code="gcp-no-prices")
    return prices
