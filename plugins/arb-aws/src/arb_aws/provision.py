"""Buying: a security group, then one ``RunInstances`` for the whole gang, sent once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from arb.errors import (
    ArbError,
    CredentialsError,
    ProviderUnavailable,
    RateLimited,
    Refusal,
    RequestError,
    Scope,
)
from arb.types import ProvisionResult
from arb_aws.bodies import run_parameters
from arb_aws.client import Client
from arb_aws.faults import ApiError, Forbidden
from arb_aws.groups import NEW_GROUP, drop_group, ensure_group
from arb_aws.handles import Handle
from arb_aws.images import find_image
from arb_aws.machines import instance_of
from arb_aws.network import find_place
from arb_aws.refusals import refusal_of
from arb_aws.zones import zone_ids

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from arb.types import Instance, ProviderContext, ProvisionRequest

__all__ = ["in_rank_order", "provision"]

_ORDER_S: Final = 10.0
"""With less time left nothing is ordered: the answer might come too late."""
_SPOT_ROLE: Final = "aws iam create-service-linked-role --aws-service-name spot.amazonaws.com"


def provision(context: ProviderContext, request: ProvisionRequest) -> ProvisionResult:
    """Order ``request.count`` machines, all or none.

    The order's token is EC2's ``ClientToken``: sent again, the same order answers with the same
    machines. It is sent once by us and never by botocore, so that every refusal is heard.

    Raises:
        CapacityError, QuotaError, RequestError, CredentialsError, RateLimited, ProviderUnavailable:
            As ``arb_provision`` says.
    """
    client = Client.from_context(context)
    try:
        account = client.account()
    except (ProviderUnavailable, RateLimited) as error:
        error.never_sent = True
        raise
    try:
        zones = zone_ids(client, request.offer.region)
        place, image = find_place(client, request.offer), find_image(client, request)
        group = ensure_group(client, request, place.vpc)
    except ArbError as error:
        raise _before_order(error, request) from error
    try:
        parameters = run_parameters(request, client.settings, image, place, group)
        answer = _run(client, request, parameters, image.holds)
    except (Refusal, CredentialsError):
        drop_group(client, request.offer.region, group)
        raise
    offer, user = request.offer, "" if image.user == "ubuntu" else image.user
    machines = in_rank_order(
        answer["Instances"],
        lambda said: instance_of(context.provider, offer.region, said, zones),
    )
    handle = Handle(offer.region, offer.spot, user)
    return ProvisionResult(machines, handle.to_json(), account)


def in_rank_order(said: Iterable[Mapping[str, Any]], read: Any) -> tuple[Instance, ...]:
    """Return machines of one order in rank order: as EC2 numbers them, then by id."""
    order = sorted(said, key=lambda i: (int(i.get("AmiLaunchIndex") or 0), str(i["InstanceId"])))
    return tuple(map(read, order))


def _run(client: Client, request: ProvisionRequest, parameters: dict[str, Any], held: str) -> Any:
    """Send the order once; once more by the image's id where a parameter's name is not understood."""
    if client.context.remaining_s() < _ORDER_S:
        error = ProviderUnavailable("aws: no time left to order anything", code="aws-deadline")
        error.never_sent = True
        raise error
    try:
        return _send(client, request, parameters)
    except ApiError as error:
        if held and error.fault.code.startswith("InvalidAMIID"):
            return _run(client, request, {**parameters, "ImageId": held}, "")
        raise refusal_of(error, request.offer) from error
    except Forbidden as error:
        raise _in_region(error) from error


def _send(client: Client, request: ProvisionRequest, parameters: dict[str, Any]) -> Any:
    return client.call(
        "ec2",
        "run_instances",
        request.offer.region,
        repeat=False,
        passing=NEW_GROUP,  # nothing was made; and the token makes sending it again safe
        **parameters,
    )


def _before_order(error: ArbError, request: ProvisionRequest) -> ArbError:
    """Return what an error is that came before anything was ordered."""
    if isinstance(error, ApiError):
        error = refusal_of(error, request.offer)
    if isinstance(error, Forbidden):
        error = _in_region(error)
    if isinstance(error, ProviderUnavailable | RateLimited):
        error.never_sent = True
    if isinstance(error, ProviderUnavailable):
        error.scope = Scope.REGION  # each is a service of its own: others may answer
    return error


def _in_region(error: Forbidden) -> ArbError:
    """A policy of the organization mostly closes regions, a role that is missing spot: others may do."""
    hint = error.hint
    if error.is_of_spot:
        hint = f"run: {_SPOT_ROLE}; or {error.hint.removeprefix('run: ')}"
    elif not error.is_policy_of_region:
        return error
    return RequestError(error.summary, scope=Scope.REGION, code=error.code, hint=hint)
