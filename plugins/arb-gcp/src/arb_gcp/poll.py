"""How an order is doing: most refusals come in the operation, some time after it was taken."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from arb.types import GoneReason, Instance, InstanceState
from arb_gcp.answers import ApiError, faults_of_operation
from arb_gcp.bodies import ATTEMPT_LABEL
from arb_gcp.client import Client
from arb_gcp.firewalls import refused_rule
from arb_gcp.handles import Handle
from arb_gcp.machines import instance_of, ordered
from arb_gcp.oplog import read_ends
from arb_gcp.refusals import refusal
from arb_gcp.threads import side_by_side

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from arb.types import ProviderContext, ProvisionRequest

__all__ = ["poll"]


def poll(context: ProviderContext, request: ProvisionRequest, handle: str) -> Sequence[Instance]:
    """Return the machines of an attempt in rank order, as far as they exist.

    One list shows them all; only for those that do not run yet their operations are read too: until
    that is over a machine may show and vanish again, and costs nothing. Once all run, their firewall
    rules must have been made.

    Raises:
        CapacityError, QuotaError, RequestError: An order failed; ``made`` is the rest of the gang.
        ArbError: As ``Client.get``: asked again later.
    """
    client = Client.from_context(context)
    known = Handle.of(handle)
    project = known.project or client.project
    listed = _listed(client, project, request)
    unsettled = [
        setup.token
        for setup in request.setups
        if setup.token not in listed or listed[setup.token].state is not InstanceState.RUNNING
    ]
    looked = side_by_side(
        lambda token: _operation(client, project, request, known, token), unsettled
    )
    operations: dict[str, Mapping[str, Any]] = {}
    for token, operation in zip(unsettled, looked, strict=True):
        if isinstance(operation, Exception):
            raise operation
        operations[token] = operation
    _refuse_failed(client, project, request, listed, operations)
    if not unsettled:
        _refuse_unreachable(client, known, request, listed)
    made = [
        setup.token
        for setup in request.setups
        if setup.token not in operations or operations[setup.token].get("status") == "DONE"
    ]
    return [
        listed.get(token) or _unlisted(client, project, request, token, operations[token])
        for token in made
    ]


def _listed(client: Client, project: str, request: ProvisionRequest) -> dict[str, Instance]:
    path = f"projects/{project}/zones/{request.offer.zone}/instances"
    params = {"filter": f"labels.{ATTEMPT_LABEL}={request.token}"}
    provider = client.context.provider
    machines = (
        instance_of(provider, project, said, request.offer.zone)
        for page in client.pages(path, params)
        for said in page.get("items") or ()
    )
    return {machine.token: machine for machine in machines}


def _operation(
    client: Client, project: str, request: ProvisionRequest, known: Handle, token: str
) -> Mapping[str, Any]:
    """Return the insert operation of a machine; an empty one when nobody knows it (any more)."""
    name = known.operations.get(token)
    if not name:  # it was found by its name: whatever made it is long over
        return {"status": "DONE"} if known.project else {}
    zone = request.offer.zone
    return client.operation(f"projects/{project}/zones/{zone}/operations/{name}")


def _refuse_failed(
    client: Client,
    project: str,
    request: ProvisionRequest,
    listed: Mapping[str, Instance],
    operations: Mapping[str, Mapping[str, Any]],
) -> None:
    """Raise the first refusal. What is listed or still being made is left to be given back."""
    failed = {token: f for token, op in operations.items() if (f := faults_of_operation(op))}
    if not failed:
        return
    under_way = [
        ordered(client.context.provider, project, request, token, operation)
        for token, operation in operations.items()
        if token not in failed and token not in listed and operation.get("status") != "DONE"
    ]
    made = (*listed.values(), *under_way)
    raise refusal(next(iter(failed.values()))[0], request.offer, made)


def _refuse_unreachable(
    client: Client, known: Handle, request: ProvisionRequest, listed: Mapping[str, Instance]
) -> None:
    """Raise why a firewall rule was refused after it was taken; nobody would reach the machines."""
    home = known.network_project or known.project
    fault = refused_rule(client, home, known.rule_operations) if known.rule_operations else None
    if fault is not None:
        raise refusal(fault, request.offer, tuple(listed.values()))


def _unlisted(
    client: Client,
    project: str,
    request: ProvisionRequest,
    token: str,
    operation: Mapping[str, Any],
) -> Instance:
    """Return a machine that was made and that the list does not show: not yet, or no longer."""
    provider, zone = client.context.provider, request.offer.zone
    try:
        said = client.get(f"projects/{project}/zones/{zone}/instances/{token}")
        return instance_of(provider, project, said, zone)
    except ApiError as error:
        if not error.is_missing:
            raise
    end = read_ends(client, project, [zone]).get(token)
    return replace(
        ordered(provider, project, request, token, operation),
        state=InstanceState.GONE,
        reason=end.reason if end else GoneReason.UNKNOWN,
        detail=end.kind if end else "no longer there",
    )
