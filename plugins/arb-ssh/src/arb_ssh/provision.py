"""Taking hosts: all that are asked for or none, and never one that somebody has."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from arb.errors import (
    ArbError,
    CapacityError,
    CredentialsError,
    ProviderUnavailable,
    RequestError,
    Scope,
    UsageError,
)
from arb.types import ProvisionResult
from arb_ssh.access import Access
from arb_ssh.catalog import hosts_of
from arb_ssh.limits import Limit
from arb_ssh.listing import instance_of
from arb_ssh.memory import SeenHosts, claiming
from arb_ssh.settings import need_fleet
from arb_ssh.taking import Slot, Taking

if TYPE_CHECKING:
    from collections.abc import Sequence

    from arb.types import Instance, ProviderContext, ProvisionRequest
    from arb_ssh.hosts import Host
    from arb_ssh.looks import Look

__all__ = ["provision"]

_CALL_S: Final = 100.0
_BLOCK_S: Final = 1.0
"""Hosts are freed at any moment, so a refusal counts for one walk only."""
_STATES: Final = ("free", "", "taken", "silent")
_MOST_REASONS: Final = 5


def provision(context: ProviderContext, request: ProvisionRequest) -> ProvisionResult:
    """Claim a host for each setup, on the hosts themselves and all at once.

    Raises:
        CapacityError: Too few are free; ``made`` holds what could not be given back.
        RequestError: The offer is not one of these hosts.
        CredentialsError: No host is configured, or each refused the key; nothing is claimed.
        UsageError: The list of hosts cannot be used; nothing is claimed.
        ProviderUnavailable: What became of one claim is not known.
    """
    try:
        fleet = need_fleet(context)
    except UsageError as error:
        error.never_sent = True
        raise
    hosts = hosts_of(fleet, request.offer)
    if not hosts:
        raise _unknown(request)
    access = Access(context, fleet.known_hosts)
    limit = Limit.of(context, _CALL_S)
    with claiming(context, limit):
        taking = Taking(context, request, access, limit)
        slots = taking.take(fleet, _in_order(context, request, hosts))
        if all(slot.look for slot in slots):
            return _result(context, access, slots)
        kept = taking.give_back()
    _raise_lost(slots)
    raise _refusal(context, access, request, taking.passed, kept)


def _in_order(
    context: ProviderContext, request: ProvisionRequest, hosts: Sequence[Host]
) -> list[Host]:
    """Return the hosts to try, those first that were free when they were last seen.

    A host that has one of the task's labels with another value is none of them.
    """
    seen = SeenHosts(context)
    fitting = [
        host
        for host in hosts
        if all(host.labels.get(name, text) == text for name, text in request.labels.items())
    ]
    return sorted(fitting, key=lambda host: _STATES.index(seen.of(host).state))


def _result(context: ProviderContext, access: Access, slots: Sequence[Slot]) -> ProvisionResult:
    looks = [slot.look for slot in slots if slot.look is not None]
    notes = [
        f"the host key of {look.host.name} was not known; {told} is trusted from now on"
        for look in looks
        if access.is_pinned(look.host) and (told := access.pins.tell(look.host))
    ]
    return ProvisionResult(tuple(_instances(context, access, looks)), notes=tuple(notes))


def _instances(context: ProviderContext, access: Access, looks: Sequence[Look]) -> list[Instance]:
    found = [instance_of(context.provider, look, access.key_of(look.host)) for look in looks]
    return [instance for instance in found if instance is not None]


def _unknown(request: ProvisionRequest) -> RequestError:
    offer = request.offer
    summary = f"{offer.provider} has no hosts of {offer.instance_type} in {offer.region}"
    hint = f"read the list of hosts again: arb refresh {offer.provider}"
    return RequestError(
        summary, scope=Scope.INSTANCE_TYPE, code="ssh-unknown-type", hint=hint, block_s=_BLOCK_S
    )


def _raise_lost(slots: Sequence[Slot]) -> None:
    """Raise when nobody knows whether a host was claimed.

    Raises:
        ProviderUnavailable: As said.
    """
    for slot in slots:
        if slot.lost is not None:
            summary = f"whether {slot.lost.host.name} was claimed is not known: {slot.lost.why_not}"
            raise ProviderUnavailable(summary, code="ssh-lost-answer")


def _refusal(
    context: ProviderContext,
    access: Access,
    request: ProvisionRequest,
    passed: Sequence[Look],
    kept: Sequence[Look],
) -> ArbError:
    """Return the error of an order for which too few hosts could be had."""
    errors = [look.error for look in passed if look.error is not None]
    refused = [error for error in errors if isinstance(error, CredentialsError)]
    if refused and len(refused) == len(passed) and not kept:
        return refused[0]
    offer, names = request.offer, [look.why_not for look in passed if look.why_not]
    if len(names) > _MOST_REASONS:
        names = [*names[:_MOST_REASONS], f"and {len(names) - _MOST_REASONS} more"]
    count = "a free host" if request.count == 1 else f"{request.count} free hosts"
    why = ", ".join(names) or "none has the task's labels"
    return CapacityError(
        f"{offer.provider} does not have {count} of {offer.instance_type} in {offer.region}: {why}",
        scope=Scope.INSTANCE_TYPE,
        made=_instances(context, access, kept),
        code="ssh-no-free-host",
        block_s=_BLOCK_S,
    )
