"""All our machines of an account: every region is asked, and says for itself whether it answered."""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from arb.errors import ArbError
from arb.types import Listing
from arb_aws.client import Client
from arb_aws.faults import is_closed
from arb_aws.leftovers import worst
from arb_aws.machines import instance_of
from arb_aws.regions import enabled_regions
from arb_aws.tags import MOST_VALUES, OWNER, TOKEN
from arb_aws.threads import side_by_side
from arb_aws.zones import zone_ids

if TYPE_CHECKING:
    from arb.types import Instance, ListQuery, ProviderContext

__all__ = ["list_instances"]

_TOKEN: Final = re.compile(r"arb-[a-z2-7]{8}-[a-z2-7]{8}-[0-9a-z]{3}(-[0-9]{4})?")
_PAGE: Final = 500


def list_instances(context: ProviderContext, query: ListQuery) -> Listing:
    """List machines that carry an arb token, in the regions asked for or in all that are enabled.

    A region that was switched off for the account is not among those, and never called complete:
    machines there go on. The same holds for one that its organization closed, unless it is asked for.

    Raises:
        CredentialsError, ProviderUnavailable, RateLimited: No region answered.
    """
    client = Client.from_context(context)
    account = client.account()
    regions = tuple(sorted(query.regions)) or enabled_regions(client)
    outcomes = side_by_side(partial(_of_region, client, query), regions)
    found: list[Instance] = []
    complete: set[str] = set()
    errors: dict[str, str] = {}
    for region, outcome in zip(regions, outcomes, strict=True):
        if is_closed(outcome) and not query.regions:
            continue
        if isinstance(outcome, ArbError):
            errors[region] = outcome.summary
        elif isinstance(outcome, Exception):
            raise outcome
        else:
            found += outcome
            complete.add(region)
    if regions and not complete:
        raise worst(outcomes)
    return Listing(tuple(found), frozenset(complete), errors, account)


def _of_region(client: Client, query: ListQuery, region: str) -> list[Instance]:
    """Return our machines in one region; every page is read. Raises as ``Client.call``."""
    pages = client.pages(
        "ec2", "describe_instances", region, Filters=_filters(query), MaxResults=_PAGE
    )
    said = [i for page in pages for r in page["Reservations"] for i in r["Instances"]]
    if not said:
        return []
    zones = zone_ids(client, region)
    machines = (instance_of(client.context.provider, region, one, zones) for one in said)
    return [machine for machine in machines if _is_wanted(machine, query)]


def _filters(query: ListQuery) -> list[dict[str, Any]]:
    """Return filters; of more tokens than one takes, what is not wanted is left out later."""
    if query.tokens and len(query.tokens) <= MOST_VALUES:
        return [{"Name": f"tag:{TOKEN}", "Values": sorted(query.tokens)}]
    if query.owner:
        return [{"Name": f"tag:{OWNER}", "Values": [query.owner]}]
    return [{"Name": "tag-key", "Values": [TOKEN]}]


def _is_wanted(machine: Instance, query: ListQuery) -> bool:
    return (
        _TOKEN.fullmatch(machine.token) is not None
        and (not query.owner or machine.token.startswith(f"arb-{query.owner}-"))
        and (not query.tokens or machine.token in query.tokens)
    )
