"""All our machines of an account: every region is asked, and says for itself whether it answered."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final

from arb.types import Listing
from arb_aws.client import Client
from arb_aws.everywhere import ask_regions
from arb_aws.machines import instance_of
from arb_aws.tags import MOST_VALUES, OWNER, TOKEN
from arb_aws.zones import zone_ids

if TYPE_CHECKING:
    from arb.types import Instance, ListQuery, ProviderContext

__all__ = ["list_instances"]

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
    answers = ask_regions(client, partial(_of_region, query), query.regions)
    found = tuple(machine for each in answers.found.values() for machine in each)
    return Listing(found, frozenset(answers.found), answers.errors, account)


def _of_region(query: ListQuery, client: Client, region: str) -> list[Instance]:
    """Return our machines in one region; every page is read. Raises as ``Client.call``."""
    pages = client.pages(
        "ec2", "describe_instances", region, Filters=_filters(query), MaxResults=_PAGE
    )
    said = [i for page in pages for r in page["Reservations"] for i in r["Instances"]]
    if not said:
        return []
    zones = zone_ids(client, region)
    machines = (instance_of(client.context.provider, region, one, zones) for one in said)
    return [machine for machine in machines if query.wants(machine.token, machine.region)]


def _filters(query: ListQuery) -> list[dict[str, Any]]:
    """Return filters; of more tokens than one takes, what is not wanted is left out later."""
    if query.tokens and len(query.tokens) <= MOST_VALUES:
        return [{"Name": f"tag:{TOKEN}", "Values": sorted(query.tokens)}]
    if query.owner:
        return [{"Name": f"tag:{OWNER}", "Values": [query.owner]}]
    return [{"Name": "tag-key", "Values": [TOKEN]}]
