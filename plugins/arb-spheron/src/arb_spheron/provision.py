"""Ordering machines: one call each, all or none, never twice under one name."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from arb.errors import (
    CapacityError,
    CredentialsError,
    ProviderUnavailable,
    RateLimited,
    Refusal,
    RequestError,
    Scope,
)
from arb.types import ProvisionResult
from arb_spheron.account import forget_team, team_id
from arb_spheron.client import SpheronClient
from arb_spheron.deployments import has_ended, instance_of, token_of
from arb_spheron.errors import order_error
from arb_spheron.info import LAUNCH
from arb_spheron.listing import read_deployments

if TYPE_CHECKING:
    from collections.abc import Mapping

    from arb.errors import ArbError
    from arb.types import Instance, NodeSetup, Offer, ProviderContext, ProvisionRequest

__all__ = ["order_body", "provision"]

_ORDER_S: Final = 240.0
"""How long the answer to an order may take: some take minutes."""
_BLOCK_S: Final = 60.0
_GB_A_GIB: Final = 1.08
"""Sizes are told in GB, and a GiB is as good as one."""
_AROUND: Final = ("deployment", "data")
_TELLING: Final = 12
"""So many characters of a secret's line are enough to know it by."""


def provision(context: ProviderContext, request: ProvisionRequest) -> ProvisionResult:
    """Buy the machines of one attempt.

    There is no idempotency key, so what carries our names already is taken and not ordered again.
    """
    payload = _payload(request.offer)
    _check_disk(request)
    with SpheronClient.open(context) as client:
        team, made = _look_before(client, request)
        for setup in request.setups:
            if setup.token not in made:
                body = order_body(request, payload, setup, team)
                made[setup.token] = _order(client, request, setup, body, tuple(made.values()))
    instances = tuple(made[setup.token] for setup in request.setups)
    return ProvisionResult(instances, account=team)


def order_body(
    request: ProvisionRequest, payload: Mapping[str, Any], setup: NodeSetup, team: str
) -> dict[str, Any]:
    """Return what is sent for one machine: a function of the request, and of who pays."""
    body = {
        "provider": payload["provider"],
        "offerId": request.offer.instance_type,
        "gpuCount": payload["gpuCount"],
        "region": request.offer.region,
        "operatingSystem": request.image or payload["operatingSystem"],
        "instanceType": payload["instanceType"],
        "ssh_public_key": setup.authorized_key.strip(),
        "name": setup.token,
        "teamId": team,
    }
    if payload.get("gpuType"):
        body["gpuType"] = payload["gpuType"]
    if setup.files or setup.commands:
        body["cloudInit"] = _cloud_init(setup)
    return body


def _cloud_init(setup: NodeSetup) -> dict[str, Any]:
    files = [
        {"path": f.path, "content": f.content, "owner": f.owner, "permissions": f.mode}
        for f in setup.files
    ]
    return {"writeFiles": files, "runcmd": list(setup.commands)}


def _payload(offer: Offer) -> dict[str, Any]:
    """Return what the catalog kept for the order.

    Raises:
        RequestError: The offer is out of the shipped price list, which is to be looked at only.
    """
    payload: dict[str, Any] = json.loads(offer.payload or "{}")
    if payload.keys() >= {"provider", "gpuCount", "operatingSystem", "instanceType"}:
        return payload
    raise RequestError(
        f"spheron: {offer.instance_type} is out of the shipped price list, which is too old to buy from",
        scope=Scope.PROVIDER,
        block_s=_BLOCK_S,
        code="spheron-bundled-offer",
        hint="read the live offers first: arb refresh spheron",
    )


def _check_disk(request: ProvisionRequest) -> None:
    """Refuse a disk that the offer does not have: none can be resized.

    Raises:
        RequestError: The offer's disk is smaller than what is asked for.
    """
    has_gib = request.offer.disk_gib * _GB_A_GIB
    if 0 < has_gib < request.disk_gib:
        summary = (
            f"spheron: the disk of {request.offer.instance_type} has {has_gib:.0f} GiB, "
            f"{request.disk_gib:.0f} are asked for"
        )
        hint = "leave disk_size out, or ask for less"
        raise RequestError(summary, scope=Scope.OFFER, code="spheron-disk", hint=hint)


def _look_before(
    client: SpheronClient, request: ProvisionRequest
) -> tuple[str, dict[str, Instance]]:
    """Return who pays, and what an earlier call of the same request made, by token.

    Raises:
        ProviderUnavailable: Spheron does not answer. Nothing was ordered, and that is told: nothing
            need be looked for.
        CredentialsError, RateLimited: As ever.
    """
    try:
        team = team_id(client)
        return team, _made_before(client, team, request)
    except ProviderUnavailable as error:
        error.never_sent = True
        raise


def _made_before(
    client: SpheronClient, team: str, request: ProvisionRequest
) -> dict[str, Instance]:
    """Return the machines that carry the request's names; the older of two counts.

    All are read, not the active ones alone: under a status that nobody knows a machine is neither
    active nor inactive. What has ended is as if it had never been.
    """
    wanted = {setup.token for setup in request.setups}
    rows = read_deployments(client, team, "all", wanted)
    mine = [row for row in rows if token_of(row) in wanted and not has_ended(row)]
    found = [instance_of(client.context.provider, row) for row in mine]
    made: dict[str, Instance] = {}
    for instance in sorted(found, key=lambda i: (i.made_at, i.id)):
        made.setdefault(instance.token, instance)
    return made


def _order(
    client: SpheronClient,
    request: ProvisionRequest,
    setup: NodeSetup,
    body: Mapping[str, Any],
    made: tuple[Instance, ...],
) -> Instance:
    """Send one order; a limit is waited for where there is time.

    Raises:
        ArbError: As ``arb_provision`` says; a refusal names what was made of the gang.
    """
    context = client.context
    while True:
        try:
            context.limiter.acquire(LAUNCH, deadline=context.deadline)
            return _send(client, request, setup, body)
        except RateLimited as error:
            if not made or error.retry_after_s >= context.remaining_s():
                raise _with_made(error, made) from None
            context.clock.sleep(error.retry_after_s)
        except (Refusal, CredentialsError) as error:
            if error.code == "spheron-no-team":
                forget_team(client)
            raise _with_made(error, made) from None


def _send(
    client: SpheronClient, request: ProvisionRequest, setup: NodeSetup, body: Mapping[str, Any]
) -> Instance:
    reply = client.send("POST", "/api/deployments", body=body, patience_s=_ORDER_S)
    if not reply.is_ok:
        now = client.context.clock.now()
        raise order_error(reply, request.offer, now, _secrets(client, setup))
    deployment = _deployment(reply.body)
    if not deployment.get("id"):
        summary = "spheron took the order and did not name the machine"
        raise ProviderUnavailable(summary, code="spheron-no-id")
    region = deployment.get("region") or request.offer.region
    named = {**deployment, "name": setup.token, "region": region}
    return instance_of(client.context.provider, named)


def _deployment(body: Any) -> Mapping[str, Any]:
    """Return the deployment in an answer, alone or inside of something; an empty one without."""
    found = body if isinstance(body, dict) else {}
    return next((found[n] for n in _AROUND if isinstance(found.get(n), dict)), found)


def _with_made(error: ArbError, made: tuple[Instance, ...]) -> ArbError:
    """Return the error of an order in whose gang machines exist: it must name them."""
    if not made:
        return error
    facts: dict[str, Any] = {"made": made, "code": error.code, "hint": error.hint}
    if isinstance(error, RateLimited):
        facts["block_s"] = error.retry_after_s
        return CapacityError(error.summary, scope=Scope.PROVIDER, **facts)
    if isinstance(error, Refusal):
        return type(error)(error.summary, scope=error.scope, block_s=error.block_s, **facts)
    return RequestError(error.summary, scope=Scope.PROVIDER, **facts)


def _secrets(client: SpheronClient, setup: NodeSetup) -> tuple[str, ...]:
    """Return how everything begins that a refusal of this order must not repeat."""
    texts = [file.content for file in setup.files]
    if setup.host_key:
        texts.append(setup.host_key.private)
    if client.key:
        texts.append(client.key.text)
    lines = (line.strip() for text in texts for line in text.splitlines())
    return tuple(line[:_TELLING] for line in lines if len(line) >= _TELLING)
