"""Listing machines: one list for all regions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from arb.types import Listing
from arb_lambda.account import account_id
from arb_lambda.client import LambdaClient
from arb_lambda.instances import instance_of, token_of

if TYPE_CHECKING:
    from arb.types import Instance, ListQuery, ProviderContext

__all__ = ["list_instances", "read_instances"]


def list_instances(context: ProviderContext, query: ListQuery) -> Listing:
    """List machines that carry an arb token."""
    with LambdaClient.open(context) as client:
        found = read_instances(client)
        account = account_id(client)
    matching = tuple(one for one in found if query.wants(one.token, one.region))
    return Listing(matching, frozenset({Listing.EVERYWHERE}), account=account)


def read_instances(client: LambdaClient) -> list[Instance]:
    """Return every machine of the account that carries an arb token, whoever's.

    Raises:
        CredentialsError, RateLimited, ProviderUnavailable: Nothing is known.
    """
    rows = client.rows("/instances", "id", "status")
    return [instance_of(client.context.provider, row) for row in rows if token_of(row)]
