"""Giving back: asked again until EC2 itself says that the machine has ended."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from arb.types import Termination
from arb_aws.accounts import need_account
from arb_aws.client import Client
from arb_aws.faults import ApiError, ServerError
from arb_aws.info import LISTING_LAG_S

if TYPE_CHECKING:
    from arb.types import InstanceRef, ProviderContext

__all__ = ["terminate"]

_NOT_FOUND: Final = frozenset({"InvalidInstanceID.NotFound", "InvalidInstanceID.Malformed"})
_ENDING_S: Final = 3.0
_PROTECTED_S: Final = 60.0


def terminate(context: ProviderContext, instance: InstanceRef) -> Termination:
    """Terminate one machine; its disks and its address go with it.

    It is gone once its state is ``terminated``, or it cannot be found although it was made some time
    ago.

    Raises:
        CredentialsError: The account may not, or is another one than bought it.
        ProviderUnavailable, RateLimited: Nothing is known.
    """
    client = Client.from_context(context)
    need_account(client, instance.account, f"machine {instance.id}")
    try:
        answer = client.call(
            "ec2", "terminate_instances", instance.region, InstanceIds=[instance.id]
        )
    except (ApiError, ServerError) as error:
        code = error.fault.code if isinstance(error, ApiError) else ""
        if code in _NOT_FOUND:
            return _not_found(client, instance)
        if code == "OperationNotPermitted":
            detail = "somebody switched on its termination protection"
            return Termination(gone=False, retry_after_s=_PROTECTED_S, detail=detail)
        if _has_ended(client, instance):  # what cannot be ended any more may be refused, too
            return Termination.GONE
        raise
    states = {one["InstanceId"]: one["CurrentState"] for one in answer["TerminatingInstances"]}
    state = str((states.get(instance.id) or {}).get("Name") or "shutting-down")
    if state == "terminated":
        return Termination.GONE
    return Termination(gone=False, retry_after_s=_ENDING_S, detail=state)


def _has_ended(client: Client, instance: InstanceRef) -> bool:
    """Say whether EC2 shows a machine as ended. Raises as ``Client.call``."""
    wanted = [{"Name": "instance-id", "Values": [instance.id]}]
    pages = client.pages("ec2", "describe_instances", instance.region, Filters=wanted)
    found = [i for page in pages for r in page["Reservations"] for i in r["Instances"]]
    states = [str((one.get("State") or {}).get("Name")) for one in found]
    return states == ["terminated"]


def _not_found(client: Client, instance: InstanceRef) -> Termination:
    young = client.context.clock.now() - instance.made_at < LISTING_LAG_S
    return Termination(gone=False, detail="not listed yet") if young else Termination.GONE
