"""Firewall rules: made for an attempt, named after its token, removed with its cluster."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from arb.errors import ProviderUnavailable, QuotaError, Scope
from arb_gcp.answers import ApiError, faults_of_operation
from arb_gcp.bodies import ports_body
from arb_gcp.client import Client
from arb_gcp.handles import Handle
from arb_gcp.machines import last_part
from arb_gcp.threads import side_by_side

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from arb.types import ClusterRef, ProviderContext

__all__ = ["cleanup", "make_rules", "open_ports"]

_NOT_FOUND: Final = 404
_CONFLICT: Final = 409
_KINDS: Final = ("ssh", "ports", "peers")
_WAIT_S: Final = 0.5
_PATIENCE_S: Final = 20.0


def make_rules(client: Client, bodies: Sequence[Mapping[str, Any]]) -> None:
    """Ask for rules, without waiting until they are in force. One that is there already stays.

    Raises:
        ApiError: Google refused one.
        ArbError: As ``Client.post``.
    """
    path = _rules_path(client, client.settings.network_project or client.project)

    def make(body: Mapping[str, Any]) -> None:
        try:
            client.post(path, body)
        except ApiError as error:
            if error.status != _CONFLICT:
                raise

    for outcome in side_by_side(make, bodies):
        if isinstance(outcome, Exception):
            raise outcome


def open_ports(context: ProviderContext, cluster: ClusterRef, ports: Sequence[str]) -> None:
    """Let the world reach more ports of a cluster's machines, beside those it may reach already.

    Raises:
        QuotaError: No more rules.
        ProviderUnavailable: Not known to be in force; asked again.
        ArbError: As ``Client.get``.
    """
    client = Client.from_context(context)
    if not ports:
        return
    for token, project in _homes(client, cluster):
        try:
            _open(client, project, token, ports)
        except ApiError as error:
            if error.fault.metric:
                scope, summary = Scope.PROVIDER, error.summary
                raise QuotaError(summary, scope=scope, code="gcp-quota") from error
            raise


def cleanup(context: ProviderContext, cluster: ClusterRef) -> None:
    """Remove the rules of a cluster's attempts, and see them gone.

    Raises:
        ProviderUnavailable: A rule is left; called again later.
        ArbError: As ``Client.get``.
    """
    client = Client.from_context(context)
    doomed = [
        (project, f"{token}-{kind}")
        for token, project in _homes(client, cluster)
        for kind in _KINDS
    ]
    left: list[Exception] = [
        outcome
        for outcome in side_by_side(lambda item: _remove(client, *item), doomed)
        if isinstance(outcome, Exception)
    ]
    if left:
        raise left[0]


def _homes(client: Client, cluster: ClusterRef) -> list[tuple[str, str]]:
    """Return the token of each attempt that has rules, with the project where they are.

    Attempts may be of days with other settings, so the handle decides. One without a handle was
    refused or lost: it is taken for one of today.
    """
    own = cluster.account or client.project
    handles = [Handle.of(text) for text in cluster.handles]
    handles += [Handle()] * (len(cluster.tokens) - len(handles))
    today = Handle(
        own, rules=client.settings.firewall, network_project=client.settings.network_project
    )
    found = [
        (token, h if h.project else today)
        for token, h in zip(cluster.tokens, handles, strict=False)
    ]
    return [(token, h.network_project or h.project) for token, h in found if h.rules]


def _open(client: Client, project: str, token: str, ports: Iterable[str]) -> None:
    path = _rules_path(client, project)
    body = ports_body(token, ports, client.settings)
    try:
        operation = client.post(path, body)
    except ApiError as error:
        if error.status != _CONFLICT:
            raise
        there = client.get(f"{path}/{body['name']}")
        have = {port for rule in there.get("allowed") or () for port in rule.get("ports") or ()}
        if set(ports) <= have:
            return
        wider = ports_body(token, have | set(ports), client.settings)
        operation = client.patch(f"{path}/{body['name']}", {"allowed": wider["allowed"]})
    _await(client, project, operation)


def _remove(client: Client, project: str, name: str) -> None:
    """Remove one rule; one that is not there is removed."""
    try:
        operation = client.delete(f"{_rules_path(client, project)}/{name}")
    except ApiError as error:
        if error.status == _NOT_FOUND:
            return
        raise
    _await(client, project, operation)


def _await(client: Client, project: str, operation: Mapping[str, Any]) -> None:
    """Wait until a rule's operation ended well.

    Raises:
        ApiError: It ended with an error.
        ProviderUnavailable: It takes longer than we have.
    """
    name = last_part(operation.get("selfLink")) or str(operation.get("name"))
    limit = client.context.clock.monotonic() + min(_PATIENCE_S, client.context.remaining_s() - 3)
    while operation.get("status") != "DONE":
        if client.context.clock.monotonic() + _WAIT_S > limit:
            summary = f"gcp firewall operation {name} is not over yet"
            raise ProviderUnavailable(summary, code="gcp-pending")
        client.context.clock.sleep(_WAIT_S)
        operation = client.get(f"projects/{project}/global/operations/{name}")
    for fault in faults_of_operation(operation):
        if re.search(r"not.?found", fault.code, re.IGNORECASE) is None:
            raise ApiError(f"operation {name}", _CONFLICT, fault)


def _rules_path(client: Client, project: str) -> str:
    return f"projects/{project or client.project}/global/firewalls"
