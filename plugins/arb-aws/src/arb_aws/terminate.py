"""Giving back: asked again until EC2 itself says that the machine has ended."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from arb.types import Termination
from arb_aws.accounts import need_account
from arb_aws.client import Client
from arb_aws.faults import ApiError
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
    except ApiError as error:
        if error.fault.code in _NOT_FOUND:
            return _not_found(client, instance)
        if error.fault.code == "OperationNotPermitted":
            detail = "somebody switched on its termination protection"
            return Termination(gone=False, retry_after_s=_PROTECTED_S, detail=detail)
        raise
    states = {one["InstanceId"]: one["CurrentState"] for one in answer["TerminatingInstances"]}
    state = str((states.get(instance.id) or {}).get("Name") or "shutting-down")
    if state == "terminated":
        return Termination.GONE
    return Termination(gone=False, retry_after_s=_ENDING_S, detail=state)


def _not_found(client: Client, instance: InstanceRef) -> Termination:
    young = client.context.clock.now() - instance.made_at < LISTING_LAG_S
    return Termination(gone=False, detail="not listed yet") if young else Termination.GONE
