"""Firewall rules: made for an attempt, named after its token, removed with its cluster."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from arb.errors import CredentialsError, ProviderUnavailable, QuotaError, Scope
from arb.types import Leftovers, parse_token
from arb_gcp.answers import ApiError, faults_of_operation, is_there_already
from arb_gcp.bodies import ports_body, request_id
from arb_gcp.client import Client
from arb_gcp.handles import Handle
from arb_gcp.machines import operation_name
from arb_gcp.threads import side_by_side

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from arb.types import ClusterRef, ProviderContext, Token
    from arb_gcp.answers import Fault

__all__ = [
    "cleanup",
    "list_leftovers",
    "make_rules",
    "open_ports",
    "refused_rule",
    "remove_rules",
]

_CONFLICT: Final = 409
_KINDS: Final = ("ssh", "ports", "peers")
_WAIT_S: Final = 0.3
_PATIENCE_S: Final = 20.0


def make_rules(client: Client, bodies: Sequence[Mapping[str, Any]]) -> list[str]:
    """Ask for rules, without waiting until they are in force. One that is there already stays.

    Each is asked for under a ``requestId``: an order that comes late, after it was sent again and the
    rule was removed, makes none anew.

    Returns:
        Names of the operations that make them, for ``refused_rule``.

    Raises:
        ApiError: Google refused one.
        ArbError: As ``Client.post``.
    """
    path = _rules_path(client, client.settings.network_project or client.project)

    def make(body: Mapping[str, Any]) -> str:
        try:
            asked = {"requestId": request_id(body["name"])}
            return operation_name(client.post(path, body, asked, is_known=True))
        except ApiError as error:
            if not error.is_there_already:
                raise
            return ""

    names = []
    for outcome in side_by_side(make, bodies):
        if isinstance(outcome, Exception):
            raise outcome
        names.append(outcome)
    return [name for name in names if name]


def refused_rule(client: Client, project: str, operations: Sequence[str]) -> Fault | None:
    """Return why a rule was not made in the end; None when none is known to have failed.

    Args:
        client: The way to the API.
        project: Of the rules.
        operations: Names, as ``make_rules`` returned them.

    Raises:
        ArbError: As ``Client.get``.
    """
    path = f"projects/{project}/global/operations"
    for outcome in side_by_side(lambda name: client.operation(f"{path}/{name}"), operations):
        if isinstance(outcome, Exception):
            raise outcome
        for fault in faults_of_operation(outcome):
            if not is_there_already(fault):
                return fault
    return None


def open_ports(context: ProviderContext, cluster: ClusterRef, ports: Sequence[str]) -> None:
    """Let the world reach more ports of a cluster's machines, beside those it may reach already.

    Purchases that failed on the way have no machines, and get no rule.

    Raises:
        QuotaError: No more rules.
        ProviderUnavailable: Not known to be in force; asked again.
        ArbError: As ``Client.get``.
    """
    client = Client.from_context(context)
    if not ports:
        return
    alive = [instance.token for instance in cluster.instances]
    for token, project in _homes(client, cluster):
        if alive and not any(name.startswith(token) for name in alive):
            continue
        try:
            _open(client, project, token, ports)
        except ApiError as error:
            if error.fault.metric:
                scope, summary = Scope.PROVIDER, error.summary
                raise QuotaError(summary, scope=scope, code="gcp-quota") from error
            raise


def cleanup(context: ProviderContext, cluster: ClusterRef) -> None:
    """Remove the rules of a cluster's attempts, and see them gone.

    An account that is refused made nothing, so there is nothing to remove either unless an attempt
    of the cluster was taken earlier.

    Raises:
        ProviderUnavailable: A rule is left; called again later.
        ArbError: As ``Client.get``.
    """
    try:
        client = Client.from_context(context)
        remove_rules(client, _homes(client, cluster))
    except CredentialsError:
        if cluster.account or any(cluster.handles):
            raise


def list_leftovers(context: ProviderContext, owner: str) -> Leftovers:
    """Return the tokens of an owner's purchases that have firewall rules.

    Looked at is where today's settings make them: who makes none looks at nothing, and needs no
    permission to. Disks go with their machines.

    Raises:
        ArbError: As ``Client.get``.
    """
    client = Client.from_context(context)
    if not client.settings.firewall:
        return Leftovers(frozenset(), account=client.project)
    path = _rules_path(client, client.settings.network_project or client.project)
    wanted = {"filter": f'name eq "arb-{owner}-.*"', "fields": "items/name,nextPageToken"}
    rules = (rule for page in client.pages(path, wanted) for rule in page.get("items") or ())
    tokens = (_attempt_of(str(rule.get("name"))) for rule in rules)
    ours = frozenset(token.attempt for token in tokens if token and token.owner == owner)
    return Leftovers(ours, account=client.project)


def _attempt_of(rule: str) -> Token | None:
    """Return whose rule it is by its name, ``<token>-<kind>``; None for one that is not ours."""
    name, _, kind = rule.rpartition("-")
    token = parse_token(name) if kind in _KINDS else None
    return token if token and token.rank is None else None


def remove_rules(client: Client, homes: Iterable[tuple[str, str]]) -> None:
    """Remove the rules of attempts; those that are not there are removed.

    Args:
        client: The way to the API.
        homes: Token of the attempt, and project of its rules.

    Raises:
        ProviderUnavailable: A rule is left.
        ArbError: As ``Client.get``.
    """
    doomed = [(project, f"{token}-{kind}") for token, project in homes for kind in _KINDS]
    for outcome in side_by_side(lambda item: _remove(client, *item), doomed):
        if isinstance(outcome, Exception):
            raise outcome


def _homes(client: Client, cluster: ClusterRef) -> list[tuple[str, str]]:
    """Return the token of each attempt that has rules, with the project where they are.

    Attempts may be of days with other settings, so the handle decides. One whose handle was lost is
    taken for one of today.
    """
    own, settings = cluster.account or client.project, client.settings
    handles = [*map(Handle.of, cluster.handles), *(Handle() for _ in cluster.tokens)]
    homes = []
    for token, handle in zip(cluster.tokens, handles, strict=False):
        is_known = handle.rules is not None
        has_rules = handle.rules if is_known else settings.firewall
        host = handle.network_project if is_known else settings.network_project
        if has_rules:
            homes.append((token, host or handle.project or own))
    return homes


def _open(client: Client, project: str, token: str, ports: Iterable[str]) -> None:
    path = _rules_path(client, project)
    body = ports_body(token, ports, client.settings)
    try:
        operation = client.post(path, body)
    except ApiError as error:
        if not error.is_there_already:
            raise
        there = client.get(f"{path}/{body['name']}")
        have = {port for rule in there.get("allowed") or () for port in rule.get("ports") or ()}
        if set(ports) <= have:
            return
        wider = ports_body(token, have | set(ports), client.settings)
        operation = client.patch(f"{path}/{body['name']}", {"allowed": wider["allowed"]})
    _await(client, project, operation)


def _remove(client: Client, project: str, name: str) -> None:
    """Remove one rule; one that is not there is removed.

    Raises:
        ProviderUnavailable: It is still there.
        ArbError: As ``Client.get``.
    """
    path = f"{_rules_path(client, project)}/{name}"
    try:
        operation = client.delete(path)
        if not _await(client, project, operation):
            client.get(path)
            raise ProviderUnavailable(
                f"gcp firewall rule {name} is still there", code="gcp-pending"
            )
    except ApiError as error:
        if not error.is_missing:
            raise


def _await(client: Client, project: str, operation: Mapping[str, Any]) -> bool:
    """Wait until a rule's operation ended well; False when it was forgotten before it told.

    Raises:
        ApiError: It ended with an error.
        ProviderUnavailable: It takes longer than we have.
    """
    name = operation_name(operation)
    limit = client.context.clock.monotonic() + min(_PATIENCE_S, client.context.remaining_s() - 3)
    while operation.get("status") != "DONE":
        if client.context.clock.monotonic() + _WAIT_S > limit:
            summary = f"gcp firewall operation {name} is not over yet"
            raise ProviderUnavailable(summary, code="gcp-pending")
        client.context.clock.sleep(_WAIT_S)
        operation = client.operation(f"projects/{project}/global/operations/{name}")
    for fault in faults_of_operation(operation):
        if re.search(r"not.?found", fault.code, re.IGNORECASE) is None:
            raise ApiError(f"operation {name}", _CONFLICT, fault)
    return bool(operation.get("name"))


def _rules_path(client: Client, project: str) -> str:
    return f"projects/{project or client.project}/global/firewalls"
