"""What is left of purchases beside machines, in every region that is enabled."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from arb.types import Leftovers, parse_token
from arb_aws.client import Client
from arb_aws.everywhere import ask_regions
from arb_aws.tags import OWNER, TOKEN, value_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from arb.types import ProviderContext

__all__ = ["list_leftovers"]


def list_leftovers(context: ProviderContext, owner: str) -> Leftovers:
    """Return the tokens of an owner's purchases that have security groups or disks of their own.

    Disks that are attached go with their machines.

    Raises:
        CredentialsError, ProviderUnavailable, RateLimited: No region answered.
    """
    client = Client.from_context(context)
    account = client.account()
    answers = ask_regions(client, partial(_of_region, owner))
    tokens = frozenset().union(*answers.found.values())
    return Leftovers(tokens, answers.errors, account)


def _of_region(owner: str, client: Client, region: str) -> set[str]:
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
    token = parse_token(value_of(said.get("Tags"), TOKEN))
    return token.attempt if token else ""
