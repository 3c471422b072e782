"""How an order is doing: EC2 may take it and end the machines while it makes them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from arb.errors import CapacityError, QuotaError, Refusal, RequestError, Scope
from arb.types import InstanceState
from arb_aws.client import Client
from arb_aws.machines import NO_KEY, instance_of
from arb_aws.provision import in_rank_order
from arb_aws.tags import TOKEN
from arb_aws.zones import zone_ids

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from arb.types import Instance, ProviderContext, ProvisionRequest

__all__ = ["poll"]

_VERDICTS: Final[Mapping[str, tuple[type[Refusal], Scope, str]]] = {
    "Server.InsufficientInstanceCapacity": (CapacityError, Scope.ZONE, "aws-no-capacity"),
    "Server.InternalError": (CapacityError, Scope.ZONE, "aws-failed-start"),
    "Client.VolumeLimitExceeded": (QuotaError, Scope.REGION, "aws-quota"),
    "Client.InvalidSnapshot.NotFound": (RequestError, Scope.REGION, "aws-image"),
    "Client.InternalError": (RequestError, Scope.REGION, "aws-image"),
}
"""What it means that a machine ended for a reason: class, scope and code of the refusal."""
_BAD_KEY: Final = (RequestError, Scope.REGION, "aws-disk-key")


def poll(context: ProviderContext, request: ProvisionRequest) -> Sequence[Instance]:
    """Return the machines of an attempt in rank order, as far as they show.

    Raises:
        CapacityError, QuotaError, RequestError: EC2 ended one while it was made; ``made`` is the rest.
        ArbError: As ``Client.call``: asked again later.
    """
    client, region = Client.from_context(context), request.offer.region
    zones = zone_ids(client, region)
    wanted = [{"Name": f"tag:{TOKEN}", "Values": [request.token]}]
    pages = client.pages("ec2", "describe_instances", region, Filters=wanted)
    said = [i for page in pages for r in page["Reservations"] for i in r["Instances"]]
    failed = next((i for i in said if _refused_late(i)), None)
    machines = in_rank_order(said, lambda one: instance_of(context.provider, region, one, zones))
    if failed is not None:
        raise _refusal(failed, request, [m for m in machines if m.state is not InstanceState.GONE])
    return machines


def _refused_late(said: Mapping[str, Any]) -> bool:
    """Say whether a machine never ran: it was ended before."""
    ended = (said.get("State") or {}).get("Name") in {"shutting-down", "terminated"}
    return ended and _verdict(said) is not None


def _verdict(said: Mapping[str, Any]) -> tuple[type[Refusal], Scope, str] | None:
    code = _code(said)
    return _BAD_KEY if code.startswith(NO_KEY) else _VERDICTS.get(code)


def _code(said: Mapping[str, Any]) -> str:
    return str((said.get("StateReason") or {}).get("Code") or "")


def _refusal(
    said: Mapping[str, Any], request: ProvisionRequest, made: Sequence[Instance]
) -> Refusal:
    offer, reason = request.offer, _code(said)
    kind, scope, code = _verdict(said) or _BAD_KEY
    message = str((said.get("StateReason") or {}).get("Message") or reason)
    place = f"{offer.instance_type}{' spot' if offer.spot else ''} in {offer.zone or offer.region}"
    return kind(f"aws {place}: {message}", scope=scope, made=made, code=code)
