"""Firewall rule sets: one for each purchase, attached at launch, gone with it.

A machine gets its rule sets when it is launched and never after, so every purchase has one, also when it
wants no ports: rules can then be added to it. The account's own rules are never changed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from arb.errors import ProviderUnavailable, QuotaError, RequestError, Scope
from arb.types import Leftovers, parse_token
from arb_lambda.account import account_id, check_account
from arb_lambda.bodies import firewall_rules, merged
from arb_lambda.client import LambdaClient, path_of
from arb_lambda.errors import IN_USE, INVALID, MISSING, QUOTA, presentable
from arb_lambda.regions import NO_FIREWALL

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from arb.types import ClusterRef, ProviderContext, ProvisionRequest
    from arb_lambda.errors import Reply

__all__ = [
    "clean_up",
    "has_firewall",
    "list_leftovers",
    "make_ruleset",
    "open_ports",
    "remove_ruleset",
]

_SETS: Final = "/firewall-rulesets"


def has_firewall(client: LambdaClient, region: str) -> bool:
    """Say whether machines of a region get a rule set."""
    return client.settings.firewall and region not in NO_FIREWALL


def make_ruleset(client: LambdaClient, request: ProvisionRequest) -> str:
    """Return the id of a purchase's rule set, made unless an earlier call made it.

    Raises:
        QuotaError: The account may not have more.
        RequestError: Lambda does not like the rules.
        CredentialsError, RateLimited, ProviderUnavailable: As ever; it may have been made.
    """
    region = request.offer.region
    for row in _own_sets(client, {request.token}):
        if _region(row) == region:
            return str(row["id"])
    rules = firewall_rules(request.ports, client.settings)
    body = {"name": request.token, "region": region, "rules": rules}
    reply = client.change("POST", _SETS, body)
    _check_made(client, reply, region)
    made = client.data(reply, "a firewall rule set")
    if not isinstance(made, dict) or not made.get("id"):
        summary = "lambda made a firewall rule set and did not name it"
        raise ProviderUnavailable(summary, code="lambda-no-id")
    return str(made["id"])


def remove_ruleset(client: LambdaClient, id_: str) -> None:
    """Remove a rule set that no machine uses; one that is gone is no error.

    Raises:
        CredentialsError, RateLimited, ProviderUnavailable: It is still there, or in use.
    """
    reply = client.change("DELETE", path_of(_SETS, id_))
    if reply.code == MISSING:
        return
    if reply.code == IN_USE:
        summary = "lambda: a firewall rule set is still in use"
        raise ProviderUnavailable(summary, code="lambda-ruleset-in-use")
    if not reply.is_ok:
        client.data(reply, "the removal of a firewall rule set")


def clean_up(context: ProviderContext, cluster: ClusterRef) -> None:
    """Remove the rule sets of a cluster's purchases. Our SSH key is the owner's, and stays.

    Raises:
        CredentialsError: The key was refused, or is of another account.
        RateLimited, ProviderUnavailable: Something is left, or still in use.
    """
    with LambdaClient.open(context) as client:
        check_account(client, cluster.account)
        for row in _own_sets(client, cluster.tokens):
            remove_ruleset(client, row["id"])


def list_leftovers(context: ProviderContext, owner: str) -> Leftovers:
    """Return the tokens of an owner's purchases that have rule sets.

    Who makes none, by today's settings, looks at none.

    Raises:
        CredentialsError, RateLimited, ProviderUnavailable: Nothing is known.
    """
    with LambdaClient.open(context) as client:
        if not client.settings.firewall:
            return Leftovers(frozenset())
        named = [parse_token(str(row["name"])) for row in client.rows(_SETS, "id", "name")]
        ours = {t.attempt for t in named if t and t.owner == owner and t.rank is None}
        return Leftovers(frozenset(ours), account=account_id(client))


def open_ports(context: ProviderContext, cluster: ClusterRef, ports: Sequence[str]) -> None:
    """Let the world reach more TCP ports of a cluster; nothing to do where all are open.

    Raises:
        CredentialsError: The key was refused, or is of another account.
        QuotaError: The rule set cannot have more rules.
        RateLimited, ProviderUnavailable: As ever, or the rule set is gone.
    """
    with LambdaClient.open(context) as client:
        regions = {instance.region for instance in cluster.instances} or cluster.regions
        wanted = {region for region in regions if has_firewall(client, region)}
        if not wanted:
            return
        check_account(client, cluster.account)
        found = [row for row in _own_sets(client, cluster.tokens) if _region(row) in wanted]
        if missing := wanted - {_region(row) for row in found}:
            summary = f"lambda: {cluster.name} has no firewall rule set in {min(missing)}"
            hint = "launch it anew, or open the ports in the account's global rules"
            raise ProviderUnavailable(summary, code="lambda-no-ruleset", hint=hint)
        for row in found:
            _add_ports(client, row, ports)


def _add_ports(client: LambdaClient, row: dict[str, Any], ports: Sequence[str]) -> None:
    known = row.get("rules")
    before = [rule for rule in known if isinstance(rule, dict)] if isinstance(known, list) else []
    rules = merged(before, ports)
    if len(rules) == len(before):
        return
    reply = client.change("PATCH", path_of(_SETS, row["id"]), {"rules": rules})
    _check_made(client, reply, _region(row))
    client.data(reply, "a firewall rule set")


def _own_sets(client: LambdaClient, tokens: Collection[str]) -> list[dict[str, Any]]:
    rows = client.rows(_SETS, "id", "name")
    return [row for row in rows if row["name"] in tokens]


def _region(row: dict[str, Any]) -> str:
    region = row.get("region")
    return str(region.get("name")) if isinstance(region, dict) else ""


def _check_made(client: LambdaClient, reply: Reply, region: str) -> None:
    hint = "remove some at https://cloud.lambda.ai, or set provider_options.lambda.firewall: false"
    if reply.code == QUOTA:
        summary = "lambda: the account may have no more firewall rules or rule sets"
        raise QuotaError(summary, scope=Scope.PROVIDER, code="lambda-quota", hint=hint)
    if reply.code == INVALID:
        said = presentable(reply.text(), (client.key.text,))
        summary = f"lambda refused a firewall rule set in {region}"
        raise RequestError(
            f"{summary}: {said}" if said else summary, scope=Scope.REGION, code="lambda-ruleset"
        )
