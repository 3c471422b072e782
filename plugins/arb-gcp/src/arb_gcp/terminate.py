"""Giving back: asked again until Google itself no longer knows the machine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from arb.errors import CredentialsError
from arb.types import Termination
from arb_gcp.answers import ApiError, faults_of_operation
from arb_gcp.client import Client
from arb_gcp.handles import Handle
from arb_gcp.info import LISTING_LAG_S

if TYPE_CHECKING:
    from arb.types import InstanceRef, ProviderContext

__all__ = ["home_of", "terminate"]

_NOT_READY: Final = frozenset({"resourceNotReady", "RESOURCE_NOT_READY", "resourceInUse"})
_DELETING_S: Final = 2.0
_BUSY_S: Final = 10.0


def terminate(context: ProviderContext, instance: InstanceRef) -> Termination:
    """Delete one machine with its boot disk.

    It is gone once it cannot be found, and not before its insert operation ended: until then it may
    still appear.

    Raises:
        CredentialsError: The account may not, or the project is not there for it.
        ProviderUnavailable, RateLimited: Nothing is known.
    """
    client = Client.from_context(context)
    project, zone = home_of(client, instance)
    try:
        client.delete(f"projects/{project}/zones/{zone}/instances/{instance.id}")
    except ApiError as error:
        if error.is_missing:
            return _not_found(client, instance, error, project)
        if error.fault.code in _NOT_READY:
            return Termination(gone=False, retry_after_s=_BUSY_S, detail=error.fault.message)
        raise
    return Termination(gone=False, retry_after_s=_DELETING_S, detail="being deleted")


def home_of(client: Client, instance: InstanceRef) -> tuple[str, str]:
    """Return project and zone of a machine: its own, whatever is configured today."""
    handle = Handle.of(instance.handle)
    project = instance.account or handle.project or client.project
    return project, instance.zone or handle.zone


def _not_found(client: Client, instance: InstanceRef, error: ApiError, project: str) -> Termination:
    """Tell a machine that is gone from one that is not there yet, and from a project that is not."""
    if "instance" not in error.fault.message.lower():
        _need_project(client, instance, project)
    handle = Handle.of(instance.handle)
    name = handle.operations.get(instance.token)
    if name:
        where = f"projects/{project}/zones/{instance.zone or handle.zone}"
        return _by_operation(client, where, name, instance.id)
    if handle.project and not handle.operations:  # a payload: it was there when it was listed
        return Termination.GONE
    young = client.context.clock.now() - instance.made_at < LISTING_LAG_S
    return Termination(gone=False, detail="not listed yet") if young else Termination.GONE


def _need_project(client: Client, instance: InstanceRef, project: str) -> None:
    """See that the project of a machine is there for this account.

    Raises:
        CredentialsError: It is not: whether the machine is there cannot be told.
        ArbError: As ``Client.get``.
    """
    try:
        client.get(f"projects/{project}")
    except ApiError as error:
        if not error.is_missing:
            raise
        who = client.credentials.identity
        summary = f"gcp machine {instance.id} is in project {project}, which {who} cannot find"
        raise CredentialsError(summary, code="gcp-other-project") from error


def _by_operation(client: Client, where: str, name: str, machine: str) -> Termination:
    """Judge a machine that was not found by the operation that makes it.

    One that went well may have shown the machine since it was looked for: it is looked for again.
    """
    operation = client.operation(f"{where}/operations/{name}")
    if operation.get("status") != "DONE":
        return Termination(gone=False, retry_after_s=_DELETING_S, detail="still being made")
    if faults_of_operation(operation):
        return Termination.GONE
    try:
        client.get(f"{where}/instances/{machine}")
    except ApiError as error:
        if error.is_missing:
            return Termination.GONE
        raise
    return Termination(gone=False, retry_after_s=0, detail="just made")
