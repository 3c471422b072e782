"""What is left of purchases beside machines, in every region that is enabled."""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from arb.errors import ArbError, CredentialsError, ProviderUnavailable, RateLimited
from arb.types import Leftovers
from arb_aws.client import Client
from arb_aws.faults import is_closed
from arb_aws.regions import enabled_regions
from arb_aws.tags import OWNER, TOKEN
from arb_aws.threads import side_by_side

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from arb.types import ProviderContext

__all__ = ["list_leftovers", "worst"]

_TOKEN: Final = re.compile(r"(arb-[a-z2-7]{8}-[a-z2-7]{8}-[0-9a-z]{3})(?:-[0-9]{4})?")


def list_leftovers(context: ProviderContext, owner: str) -> Leftovers:
    """Return the tokens of an owner's purchases that have security groups or disks of their own.

    Disks that are attached go with their machines.

    Raises:
        CredentialsError, ProviderUnavailable, RateLimited: No region answered.
    """
    client = Client.from_context(context)
    account, regions = client.account(), enabled_regions(client)
    outcomes = side_by_side(partial(_of_region, client, owner), regions)
    found: set[str] = set()
    errors: dict[str, str] = {}
    for region, outcome in zip(regions, outcomes, strict=True):
        if is_closed(outcome):  # by the organization: we bought nothing there
            continue
        if isinstance(outcome, ArbError):
            errors[region] = outcome.summary
        elif isinstance(outcome, Exception):
            raise outcome
        else:
            found |= outcome
    if not any(isinstance(outcome, set) for outcome in outcomes):
        raise worst(outcomes)
    return Leftovers(frozenset(found), errors, account)


def worst(outcomes: Sequence[object]) -> Exception:
    """Return what a call raises when no region answered."""
    errors = [error for error in outcomes if isinstance(error, Exception)]
    for kind in (ProviderUnavailable, RateLimited, CredentialsError):
        chosen = next((error for error in errors if isinstance(error, kind)), None)
        if chosen is not None:
            return chosen
    return errors[0]


def _of_region(client: Client, owner: str, region: str) -> set[str]:
    """Return the tokens of one region. Raises as ``Client.call``."""
    wanted = [{"Name": f"tag:{OWNER}", "Values": [owner]}]
    unused = [*wanted, {"Name": "status", "Values": ["available"]}]
    groups = client.pages("ec2", "describe_security_groups", region, Filters=wanted)
    volumes = client.pages("ec2", "describe_volumes", region, Filters=unused)
    found = {_token(one) for page in groups for one in page["SecurityGroups"]}
    found |= {_token(one) for page in volumes for one in page["Volumes"]}
    return {token for token in found if token.startswith(f"arb-{owner}-")}


def _token(said: Mapping[str, Any]) -> str:
    """Return the token of the purchase that something was made for; empty without one."""
    values: Iterator[str] = (str(t["Value"]) for t in said.get("Tags") or () if t["Key"] == TOKEN)
    match = _TOKEN.fullmatch(next(values, ""))
    return match[1] if match else ""
