"""Reading the catalog: live where there are credentials, else the price list of this package."""

from __future__ import annotations

import hashlib
import re
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from arb.errors import ArbError, CredentialsError, ProviderUnavailable
from arb.types import Catalog
from arb_aws.catalog.bundled import bundled_catalog, bundled_prices
from arb_aws.catalog.compose import Price, RegionPart, frame_of
from arb_aws.catalog.kinds import Kind, read_kinds
from arb_aws.catalog.prices import read_prices
from arb_aws.catalog.spot import read_spot
from arb_aws.catalog.why import why_not_live
from arb_aws.client import Client
from arb_aws.faults import Forbidden
from arb_aws.keep import kept_part
from arb_aws.network import zones_with_subnets
from arb_aws.regions import wanted_regions
from arb_aws.settings import Settings
from arb_aws.threads import side_by_side

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from arb.types import ProviderContext

__all__ = ["read_catalog"]

_DAY_S: Final = 24 * 3600.0
_KINDS_FRESH_S: Final = 7 * _DAY_S
_RESERVE_S, _RESERVED = 15.0, 0.2
"""Time that is kept for putting a catalog together: seconds, and a share of the whole at most."""
_FIRST: Final = ("us-east-1", "us-east-2", "us-west-2", "eu-west-1", "eu-central-1")
"""The largest regions, read first when time is short."""
_ZONE: Final = re.compile(r"[a-z0-9]+-az\d+")
"""An ordinary zone: local ones have a town in their id, and no default subnet."""


def read_catalog(context: ProviderContext) -> Catalog:
    """Return every offer, one an instance type, zone and capacity class.

    Spot prices are always read; the price list and what is offered where are kept for a day, what a
    type is for a week. What does not answer is taken from an earlier reading, with its date.

    Raises:
        CredentialsError: The account was refused.
        ProviderUnavailable, RateLimited: No region answered, and nothing is kept of an earlier time.
    """
    settings = Settings.of(context.options)
    # What is read is put together afterwards: the network must not have all of the time.
    whole_s = context.remaining_s()
    hurried = replace(context, deadline=context.deadline - min(_RESERVE_S, whole_s * _RESERVED))
    client = Client(hurried, settings)
    try:
        client.credentials()
    except CredentialsError as error:
        if error.code == "aws-no-credentials":
            return bundled_catalog(settings)
        raise
    account = client.account()
    regions = sorted(wanted_regions(client), key=lambda r: (r not in _FIRST, r))
    calls: list[Any] = [partial(_read_kinds, client)]
    calls += [partial(_read_region, client, account, region) for region in regions]
    outcomes = side_by_side(lambda call: call(), calls)
    kinds, *parts = outcomes
    good = [part for part in parts if isinstance(part, RegionPart)]
    if not good or isinstance(kinds, Exception):
        raise next(outcome for outcome in outcomes if isinstance(outcome, Exception))
    known = _with_missing(client, kinds, good)
    whole = side_by_side(partial(_with_list_prices, client), good)
    priced = [part for part in whole if isinstance(part, RegionPart)]
    if len(priced) < len(whole):
        raise next(outcome for outcome in whole if isinstance(outcome, Exception))
    why = why_not_live(priced, dict(zip(regions, parts, strict=True)))
    frame = frame_of(priced, known)
    # As old as its oldest price, as listings of single offers say it, too.
    as_of = float(frame["as_of"].min()) if len(frame) else context.clock.now()
    return Catalog(frame, "live", as_of, why=why)


def _read_region(client: Client, account: str, region: str) -> RegionPart:
    """Read one region but for its list prices. Raises as ``Client.call`` where nothing is kept of it."""
    offered = kept_part(
        client.context, f"offered-{account}-{region}", _DAY_S, lambda: _read_offered(client, region)
    ).value
    if region in client.settings.subnets:
        usable = zones_with_subnets(client, region)
        offered = {k: [z for z in zones if z in usable] for k, zones in offered.items()}
    zones = {kind: tuple(zones) for kind, zones in offered.items()}
    spot, why = _spot_prices(client, account, region)
    return RegionPart(region, zones, spot=spot, missing={"spot": why} if why else {})


def _spot_prices(
    client: Client, account: str, region: str
) -> tuple[dict[tuple[str, str], Price], str]:
    """Return instance type and zone id -> spot price, and why they are not of now, where that is so.

    Raises:
        CredentialsError: The account was refused.
    """
    try:
        kept = kept_part(
            client.context, f"spot-{account}-{region}", 0, lambda: read_spot(client, region)
        )
    except ArbError as error:
        if isinstance(error, CredentialsError) and not isinstance(error, Forbidden):
            raise
        return {}, error.summary
    return {(kind, zone): Price(usd, kept.read_at) for kind, zone, usd in kept.value}, kept.why


def _with_list_prices(client: Client, part: RegionPart) -> RegionPart:
    """Add the prices on demand: live, kept, or from this package, each with its date.

    Raises:
        CredentialsError: The account was refused.
    """
    name = f"prices-{part.region}"
    try:
        kept = kept_part(client.context, name, _DAY_S, lambda: _read_list(client, part.region))
    except ArbError as error:
        is_forbidden = isinstance(error, Forbidden)
        if isinstance(error, CredentialsError) and not is_forbidden:
            raise
        note = error.summary if is_forbidden else f"not live: {error.code}"
        listed, why = _shipped(part.region, note), error.summary
    else:
        listed = {kind: Price(usd, kept.read_at) for kind, usd in kept.value.items()}
        why = kept.why
    missing = {**part.missing, **({"on-demand": why} if why else {})}
    return replace(part, listed=listed, missing=missing)


def _read_list(client: Client, region: str) -> dict[str, float]:
    """Return instance type -> price on demand.

    Raises:
        ProviderUnavailable: The list holds nothing of the region, as for one that is new.
        ArbError: As ``Client.call``.
    """
    found = read_prices(client, region)
    if not found:
        summary = f"aws: the price list holds no machine in {region}"
        raise ProviderUnavailable(summary, code="aws-no-prices")
    return found


def _read_offered(client: Client, region: str) -> dict[str, list[str]]:
    """Return instance type -> zone ids where it is offered."""
    pages = client.pages(
        "ec2", "describe_instance_type_offerings", region, LocationType="availability-zone-id"
    )
    found: dict[str, list[str]] = {}
    for page in pages:
        for said in page["InstanceTypeOfferings"]:
            if _ZONE.fullmatch(str(said["Location"])):
                found.setdefault(str(said["InstanceType"]), []).append(str(said["Location"]))
    return {kind: sorted(zones) for kind, zones in sorted(found.items())}


def _shipped(region: str, why: str) -> dict[str, Price]:
    return {kind: price for (where, kind), price in bundled_prices(why).items() if where == region}


def _read_kinds(client: Client) -> dict[str, Kind]:
    """Read what types are, in the region that has most of them; in another when that fails."""

    def read() -> Any:
        first, *others = [r for r in (*_FIRST, *wanted) if not wanted or r in wanted]
        try:
            found = read_kinds(client, first)
        except (Forbidden, ProviderUnavailable):
            if not others:
                raise
            found = read_kinds(client, others[0])
        return [kind.to_plain() for kind in found.values()]

    wanted = client.settings.regions
    kept = kept_part(client.context, "kinds", _KINDS_FRESH_S, read)
    return {plain["name"]: _kind(plain) for plain in kept.value}


def _with_missing(
    client: Client, kinds: Mapping[str, Kind], parts: Sequence[RegionPart]
) -> dict[str, Kind]:
    """Add the types that other regions offer; one that cannot be read is left out this time."""
    missing: dict[str, list[str]] = {}
    seen = set(kinds)
    for part in parts:
        more = sorted(part.zones.keys() - seen)
        seen |= part.zones.keys()
        if more:
            missing[part.region] = more
    found = dict(kinds)
    for region, names in missing.items():
        read = partial(_read_some, client, region, names)
        try:
            digest = hashlib.sha256(" ".join(names).encode()).hexdigest()[:12]
            kept = kept_part(client.context, f"kinds-{region}-{digest}", _KINDS_FRESH_S, read)
        except ArbError:
            continue
        found |= {plain["name"]: _kind(plain) for plain in kept.value}
    return found


def _read_some(client: Client, region: str, names: Sequence[str]) -> Any:
    return [kind.to_plain() for kind in read_kinds(client, region, names).values()]


def _kind(plain: Mapping[str, Any]) -> Kind:
    return Kind(**{**plain, "usage": tuple(plain["usage"])})
